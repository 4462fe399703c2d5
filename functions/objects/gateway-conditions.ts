// The conditions of a gateway (features G13): what the tunnel tells at the moment of asking, and what its relays found when they last
// looked. Each says since when it is so, and from what it is told.
import type { GatewayCondition } from '../../shared/gateway-view.ts';
import type { EpochMs } from '../../shared/ids.ts';
import type { GatewayFacts } from './describe-gateway.ts';
import type { GatewayRecord } from './gateway-storage.ts';
import { probedConditions } from './probed-conditions.ts';
import type { NodeRecord } from './relay-nodes.ts';
import { isAlive, lastHeardAt, type Session } from './tunnel-session.ts';

/** Above it TLS and tokens begin to suffer; MAAS itself refuses at 300 s. */
const CLOCK_SKEW_MS_MAX = 5_000;

export function conditionsOf(facts: GatewayFacts, lead: Session | null, now: EpochMs): GatewayCondition[] {
  const { gateway, nodes, sessions } = facts;
  if (nodes.length === 0 && gateway.keyResetAt === null) return [];
  const alive = sessions.filter((session) => isAlive(session, now));
  const connected = nodes.filter(({ nodeId }) => alive.some(({ state }) => state.nodeId === nodeId));
  const lastSeen = Math.max(
    gateway.createdAt,
    ...nodes.map((node) => node.lastSeenAt ?? 0),
    ...sessions.map(lastHeardAt),
  );
  const unknownSince = alive.length === 0 ? lastSeen : Math.min(...alive.map(({ state }) => state.since));
  return [
    ...tunnelConditions(facts, alive, lead, lastSeen),
    keyCondition(gateway, nodes),
    ...(nodes.length === 0
      ? []
      : [clockCondition(connected, unknownSince), ...probedConditions(connected, unknownSince, now)]),
    ...nodes.flatMap(cloneCondition),
  ];
}

/** From heartbeats, never from the last write. */
function tunnelConditions(
  { nodes }: GatewayFacts,
  alive: readonly Session[],
  lead: Session | null,
  lastSeen: EpochMs,
): GatewayCondition[] {
  const heard = { at: lastSeen, detail: 'heartbeats of the tunnel' };
  const standby = alive.filter(({ state }) => state.active).length - (lead === null ? 0 : 1);
  const firstSince = Math.min(...alive.map(({ state }) => state.since));
  const count = `${alive.length} of ${nodes.length} relays are connected.`;
  return [
    alive.length > 0
      ? said('TunnelConnected', true, 'Connected', count, firstSince, heard)
      : said('TunnelConnected', false, 'NoTunnel', 'No relay is connected.', lastSeen, heard),
    lead === null
      ? said('Leader', false, 'NobodyLeads', 'No relay that holds the gateway’s key is connected.', lastSeen, heard)
      : said('Leader', true, 'Leads', `${hostOf(nodes, lead)} leads; ${standby} stand by.`, lead.state.since, heard),
  ];
}

function keyCondition(gateway: GatewayRecord, nodes: GatewayFacts['nodes']): GatewayCondition {
  const holders = nodes.filter(({ holdsKey }) => holdsKey);
  const since = Math.max(gateway.createdAt, ...nodes.map(({ keyAt, pairedAt }) => keyAt ?? pairedAt));
  const at = Math.max(
    gateway.keyResetAt ?? gateway.createdAt,
    ...nodes.map(({ statusAt, pairedAt }) => statusAt ?? pairedAt),
  );
  const evidence = { at, detail: 'what each relay says of the key it holds' };
  if (gateway.sealingKey === null) {
    const message =
      'The gateway’s key was given up as lost: what was sealed to it (MAAS keys, cluster identities) stays unreadable. Pair a relay to begin with a new key, then give each cloud account its MAAS key again.';
    return said('KeyHeld', false, 'KeyGivenUp', message, gateway.keyResetAt ?? gateway.createdAt, evidence);
  }
  if (holders.length === 0) {
    const message =
      'No relay holds the gateway’s key. Bring one back that did; if all are lost: POST /v1/gateways/{id}/reset-key.';
    return said('KeyHeld', false, 'KeyLost', message, since, evidence);
  }
  const waiting = nodes.length - holders.length;
  if (waiting === 0) return said('KeyHeld', true, 'AllHold', 'Every relay holds the gateway’s key.', since, evidence);
  return said(
    'KeyHeld',
    true,
    'SomeWait',
    `${waiting} of ${nodes.length} relays wait for the gateway’s key.`,
    since,
    evidence,
  );
}

/** The worst of those that are connected and have told their clock. */
function clockCondition(connected: GatewayFacts['nodes'], unknownSince: EpochMs): GatewayCondition {
  const told = connected.flatMap(({ clockSkewMs, statusAt, hostname }) =>
    clockSkewMs === null || statusAt === null ? [] : [{ skewMs: clockSkewMs, at: statusAt, hostname }],
  );
  const [worst] = told.sort((one, other) => Math.abs(other.skewMs) - Math.abs(one.skewMs));
  const type = 'ClockInSync';
  if (worst === undefined) {
    const message = 'No connected relay has told its clock.';
    return { type, status: 'Unknown', reason: 'NotTold', message, lastTransition: unknownSince, evidence: null };
  }
  const { skewMs, at, hostname } = worst;
  const evidence = { at, detail: `clock of ${hostname}, as it said it` };
  if (Math.abs(skewMs) < CLOCK_SKEW_MS_MAX)
    return said(type, true, 'InSync', 'The clocks of the relays agree with ours within 5 s.', at, evidence);
  const by = `${Math.round(Math.abs(skewMs) / 1_000)} s ${skewMs > 0 ? 'ahead' : 'behind'}`;
  return said(type, false, 'Skewed', `The clock of ${hostname} is ${by}: turn on NTP there.`, at, evidence);
}

/** T3: said until an operator unlocks the node, by pairing it again. */
function cloneCondition(node: NodeRecord): GatewayCondition[] {
  if (node.lockedAt === null) return [];
  const evidence = { at: node.lockedAt, detail: 'join counters of two sessions' };
  const message = `Two relays used the identity of ${node.hostname} (${node.nodeId}), so both are shut out. Stop the copy, then pair the right one with a new code.`;
  return [said('CloneDetected', true, 'JoinCounterStale', message, node.lockedAt, evidence)];
}

const hostOf = (nodes: GatewayFacts['nodes'], { state }: Session): string =>
  nodes.find(({ nodeId }) => nodeId === state.nodeId)?.hostname ?? state.nodeId;

const said = (
  type: string,
  isTrue: boolean,
  reason: string,
  message: string,
  lastTransition: EpochMs,
  evidence: GatewayCondition['evidence'],
): GatewayCondition => ({
  ...{ type, status: isTrue ? 'True' : 'False', reason, message, lastTransition, evidence },
});
