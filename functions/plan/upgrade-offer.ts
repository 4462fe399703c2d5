// Pure. Which release a gateway could run, and whether one that is asked for may begin (SPEC.md [UP8], [UP9]).
import type { EpochMs } from '../../shared/ids.ts';
import { UPGRADE_WINDOW_AHEAD_MS_MAX } from '../../shared/limits.ts';
import { type ApiFailure, apiFailure } from '../../shared/problem.ts';
import {
  type AvailableUpgrade,
  compareVersions,
  type MachinesRelease,
  type MaintenanceWindow,
  type ReleaseManifest,
  ReleaseVersion,
} from '../../shared/release.ts';
import { hasEnded, type NodeFacts, type UpgradeState } from './upgrade-state.ts';

/** What the gateway runs: its relays' versions, and what its machines run; `unknown` when that was never remembered. */
export type Running = {
  readonly nodes: readonly Pick<NodeFacts, 'version' | 'connected'>[];
  /** Null without machines. */
  readonly machines: MachinesRelease | 'unknown' | null;
};

/** What is no version of ours is older than any. */
export function isBefore(version: string, than: ReleaseVersion): boolean {
  const parsed = ReleaseVersion.safeParse(version);
  return !parsed.success || compareVersions(parsed.data, than) < 0;
}

/** The oldest that a relay runs; null before one has paired. */
export function oldestVersion(nodes: Running['nodes']): string | null {
  return nodes.reduce<string | null>((oldest, { version }) => {
    const known = ReleaseVersion.safeParse(oldest);
    if (oldest === null || (known.success && isBefore(version, known.data))) return version;
    return oldest;
  }, null);
}

export function isNews({ version, machines }: ReleaseManifest, running: Running): boolean {
  const oldest = oldestVersion(running.nodes);
  if (oldest === null) return false;
  if (isBefore(oldest, version)) return true;
  const isSame = oldest === version;
  return isSame && machines !== null && running.machines !== null && !runs(running.machines, machines);
}

export function availableUpgrade(
  manifest: ReleaseManifest,
  publishedAt: EpochMs,
  running: Running,
): AvailableUpgrade | null {
  const from = oldestVersion(running.nodes);
  if (from === null || !isNews(manifest, running)) return null;
  const { version: to, severity, changes } = manifest;
  return { from, to, severity, changes, publishedAt };
}

/** Null when it may begin, or be scheduled. */
export function upgradeRefusal(
  manifest: ReleaseManifest,
  window: MaintenanceWindow | null,
  running: Running,
  last: UpgradeState | null,
  now: EpochMs,
): ApiFailure | null {
  if (last !== null && !hasEnded(last)) {
    return apiFailure('UPGRADE_UNDER_WAY', `The upgrade to ${last.to} is ${last.stage}.`);
  }
  if (window !== null) {
    const isSound = window.startsAt < window.endsAt && window.endsAt > now;
    if (!isSound) return apiFailure('WINDOW_INVALID');
    if (window.startsAt > now + UPGRADE_WINDOW_AHEAD_MS_MAX)
      return apiFailure('WINDOW_INVALID', 'The window begins more than 90 days from now.');
  }
  const isThere = window === null ? running.nodes.some(({ connected }) => connected) : running.nodes.length > 0;
  if (!isThere) return apiFailure('GATEWAY_NOT_RUNNING');
  return isNews(manifest, running) ? null : apiFailure('UPGRADE_NOT_NEWER');
}

const runs = (now: MachinesRelease | 'unknown', wanted: MachinesRelease): boolean =>
  now !== 'unknown' && JSON.stringify(now) === JSON.stringify(wanted);
