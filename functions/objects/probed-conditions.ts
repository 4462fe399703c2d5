// The conditions that only a relay can tell (features G13), from what it found when it was last asked to look around. What was found
// long ago, or by a relay that is not connected, says nothing of now.
import type { GatewayCondition } from '../../shared/gateway-view.ts';
import type { EpochMs } from '../../shared/ids.ts';
import { EVIDENCE_MS_MAX } from '../../shared/limits.ts';
import type { NodeCheck, NodeCheckName } from '../../shared/node-check.ts';
import type { NodeRecord } from './relay-nodes.ts';

const PROBED: Readonly<Record<string, readonly NodeCheckName[]>> = {
  MaasReachable: ['maas'],
  MaasAuthenticated: ['maas key'],
  DnsResolves: ['dns'],
  EgressOk: ['console'],
  DiskOk: ['state folder', 'disk', 'journal'],
};
const LOOK = 'POST /v1/gateways/{id}/diagnostics looks now.';

type Found = NodeCheck & { readonly hostname: string; readonly at: EpochMs; readonly since: EpochMs };

/** @param unknownSince since when nothing is known when nobody has looked */
export function probedConditions(
  connected: readonly NodeRecord[],
  unknownSince: EpochMs,
  now: EpochMs,
): GatewayCondition[] {
  return Object.entries(PROBED).map(([type, names]) => {
    const looked = connected.flatMap(({ found }) => (found === null ? [] : [found.at]));
    const all = connected.flatMap((node) => foundBy(node, names, now));
    if (all.length > 0) return told(type, all);
    const newest = looked.length === 0 ? null : Math.max(...looked);
    const isOld = newest !== null && now - newest >= EVIDENCE_MS_MAX;
    const unknown = { type, status: 'Unknown' as const, evidence: null };
    if (connected.length === 0) {
      const message = 'No relay is connected that could look.';
      return { ...unknown, reason: 'NoTunnel', message, lastTransition: unknownSince };
    }
    if (newest === null)
      return {
        ...unknown,
        reason: 'NotLookedAt',
        message: `Nobody has looked yet. ${LOOK}`,
        lastTransition: unknownSince,
      };
    const reason = isOld ? 'EvidenceOld' : 'NothingToLookAt';
    const message = isOld
      ? `Last looked at ${new Date(newest).toISOString()}. ${LOOK}`
      : 'There is nothing to look at yet.';
    return { ...unknown, reason, message, lastTransition: isOld ? newest + EVIDENCE_MS_MAX : newest };
  });
}

/** One that failed anywhere makes it false: the relay there could not carry on. */
function told(type: string, all: readonly Found[]): GatewayCondition {
  const failed = all.filter(({ status }) => status === 'failed');
  const [first] = failed;
  if (first !== undefined) {
    const lastTransition = Math.min(...failed.map(({ since }) => since));
    const message = `${first.hostname}: ${first.detail}. ${first.todo}`;
    const evidence = { at: first.at, detail: `check ${first.name} of ${first.hostname}` };
    return { type, status: 'False', reason: 'CheckFailed', message, lastTransition, evidence };
  }
  const lastTransition = Math.max(...all.map(({ since }) => since));
  const hosts = [...new Set(all.map(({ hostname }) => hostname))].join(', ');
  const message = all[0] === undefined ? '' : `${all[0].hostname}: ${all[0].detail}`;
  const evidence = { at: Math.min(...all.map(({ at }) => at)), detail: `checks of ${hosts}` };
  return { type, status: 'True', reason: 'CheckPassed', message, lastTransition, evidence };
}

function foundBy({ found, hostname }: NodeRecord, names: readonly NodeCheckName[], now: EpochMs): Found[] {
  if (found === null || now - found.at >= EVIDENCE_MS_MAX) return [];
  return found.checks.flatMap((check) =>
    names.includes(check.name) && check.status !== 'skipped'
      ? [{ ...check, hostname, at: found.at, since: found.since[check.name] ?? found.at }]
      : [],
  );
}
