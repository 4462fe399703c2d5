// Pure. When waits end. A machine is not judged while nobody can see it: with the gateway away, deadlines stand still, and
// after its return it gets a moment to say what happened meanwhile (SPEC.md [WA2]).
import type { Waits } from '../../shared/limits.ts';
import type { ClusterState, Doubt } from './cluster-state.ts';

/**
 * The end of `limitMs` from `start`; null while the gateway is not connected. Its absences do not count: without it nothing that
 * a machine waits for comes to be, such as the network that makes its node Ready.
 */
export function deadlineOf(state: ClusterState, start: number, limitMs: number, waits: Waits): number | null {
  const { gateway } = state;
  if (gateway === null) return start + limitMs;
  if (!gateway.connected) return null;
  const { since, awayFrom, earlier } = gateway;
  const absences = awayFrom === null ? earlier : [...earlier, { from: awayFrom, to: since }];
  const awayMs = absences.reduce((sum, { from, to }) => sum + Math.max(0, to - Math.max(from, start)), 0);
  return Math.max(start + limitMs + awayMs, since + waits.leaseGuardMs);
}

export const hasPassed = (deadline: number | null, now: number): boolean => deadline !== null && now >= deadline;

/** Until when something may still turn up in MAAS. A withdrawn call is over when its lease and its guard time are. */
export function doubtUntil(doubt: Doubt | null, waits: Waits): number {
  if (doubt === null) return 0;
  return doubt.at + (doubt.kind === 'withdrawn' ? waits.leaseGuardMs : waits.unknownClaimLookupMs);
}

/** One stale look at MAAS proves nothing: a change for the worse must last this long. */
export const graceMs = (waits: Waits): number => 5 * waits.retryMsMin;
