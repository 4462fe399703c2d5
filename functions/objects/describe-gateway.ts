// A gateway as the API shows it. Liveness is computed at the moment of asking, never read from the last write.
import type { Condition } from '../../shared/cluster-view.ts';
import type { GatewayCluster, GatewayView } from '../../shared/gateway-view.ts';
import type { EpochMs } from '../../shared/ids.ts';
import type { GatewayRecord } from './gateway-storage.ts';
import { type NodeRecord, stateOf } from './relay-nodes.ts';
import { isAlive, lastHeardAt, leadSession, type Session } from './tunnel-session.ts';

/** Above it TLS and tokens begin to suffer; MAAS itself refuses at 300 s (features G13). */
const CLOCK_SKEW_MS_MAX = 5_000;

export type GatewayFacts = {
  readonly gateway: GatewayRecord;
  readonly nodes: readonly (NodeRecord & { readonly keyFingerprint: string })[];
  readonly sessions: readonly Session[];
  readonly outstandingCommands: number;
  readonly machines: GatewayCluster | null;
  readonly upgrade: Pick<GatewayView, 'version' | 'availableUpgrade' | 'upgrade' | 'queuedClusters'>;
};

export function describeGateway(facts: GatewayFacts, now: EpochMs): GatewayView {
  const { gateway, nodes, sessions, outstandingCommands, machines, upgrade } = facts;
  const acting = sessions.filter((session) => session.state.active && isAlive(session, now));
  const lead = leadSession(acting, now);
  const sessionOf = (node: NodeRecord) => sessions.find(({ state }) => state.nodeId === node.nodeId);
  return {
    id: gateway.gatewayId,
    name: gateway.name,
    type: 'maas',
    phase: gateway.deletingAt !== null ? 'deleting' : livenessOf(nodes, acting),
    createdAt: gateway.createdAt,
    nodes: nodes.map((node) => {
      const session = sessionOf(node);
      return {
        nodeId: node.nodeId,
        hostname: node.hostname,
        relayVersion: node.relayVersion,
        state: stateOf(node),
        connected: session !== undefined && isAlive(session, now),
        leader: lead !== null && session === lead,
        lastSeenAt: session === undefined ? node.lastSeenAt : lastHeardAt(session),
        keyFingerprint: node.keyFingerprint,
        enrolmentAddresses: node.addresses,
      };
    }),
    sealingKey: gateway.sealingKey,
    outstandingCommands,
    machines,
    ...upgrade,
    conditions: [...conditionsOf(facts, lead, now), ...nodes.flatMap(cloneCondition)],
  };
}

const livenessOf = (nodes: GatewayFacts['nodes'], acting: readonly Session[]): GatewayView['phase'] =>
  nodes.length === 0 ? 'unpaired' : acting.length > 0 ? 'connected' : 'disconnected';

/** features G13, as far as the tunnel tells. */
function conditionsOf({ gateway, nodes, sessions }: GatewayFacts, lead: Session | null, now: EpochMs): Condition[] {
  if (nodes.length === 0 && gateway.keyResetAt === null) return [];
  const alive = sessions.filter((session) => isAlive(session, now));
  const firstSince = Math.min(...alive.map(({ state }) => state.since));
  const lastSeen = Math.max(
    gateway.createdAt,
    ...nodes.map((node) => node.lastSeenAt ?? 0),
    ...sessions.map(lastHeardAt),
  );
  const standby = alive.filter(({ state }) => state.active).length - (lead === null ? 0 : 1);
  return [
    alive.length > 0
      ? said(
          'TunnelConnected',
          true,
          'Connected',
          `${alive.length} of ${nodes.length} relays are connected.`,
          firstSince,
        )
      : said('TunnelConnected', false, 'NoTunnel', 'No relay is connected.', lastSeen),
    lead === null
      ? said('Leader', false, 'NobodyLeads', 'No relay that holds the gateway’s key is connected.', lastSeen)
      : said('Leader', true, 'Leads', `${hostOf(nodes, lead)} leads; ${standby} stand by.`, lead.state.since),
    keyCondition(gateway, nodes),
    ...clockCondition(nodes),
  ];
}

function keyCondition(gateway: GatewayRecord, nodes: GatewayFacts['nodes']): Condition {
  const holders = nodes.filter(({ holdsKey }) => holdsKey);
  const since = Math.max(gateway.createdAt, ...nodes.map(({ keyAt, pairedAt }) => keyAt ?? pairedAt));
  if (gateway.sealingKey === null) {
    const message =
      'The gateway’s key was given up as lost: what was sealed to it (MAAS keys, cluster identities) stays unreadable. Pair a relay to begin with a new key, then give each cloud account its MAAS key again.';
    return said('KeyHeld', false, 'KeyGivenUp', message, gateway.keyResetAt ?? gateway.createdAt);
  }
  if (holders.length === 0) {
    const message =
      'No relay holds the gateway’s key. Bring one back that did; if all are lost: POST /v1/gateways/{id}/reset-key.';
    return said('KeyHeld', false, 'KeyLost', message, since);
  }
  const waiting = nodes.length - holders.length;
  if (waiting === 0) return said('KeyHeld', true, 'AllHold', 'Every relay holds the gateway’s key.', since);
  return said('KeyHeld', true, 'SomeWait', `${waiting} of ${nodes.length} relays wait for the gateway’s key.`, since);
}

/** The worst of those that have told their clock. */
function clockCondition(nodes: GatewayFacts['nodes']): Condition[] {
  const told = nodes.flatMap(({ clockSkewMs, statusAt, hostname }) =>
    clockSkewMs === null || statusAt === null ? [] : [{ skewMs: clockSkewMs, at: statusAt, hostname }],
  );
  const [worst] = told.sort((one, other) => Math.abs(other.skewMs) - Math.abs(one.skewMs));
  if (worst === undefined) return [];
  const { skewMs, at, hostname } = worst;
  if (Math.abs(skewMs) < CLOCK_SKEW_MS_MAX)
    return [said('ClockInSync', true, 'InSync', 'The clocks of the relays agree with ours within 5 s.', at)];
  const by = `${Math.round(Math.abs(skewMs) / 1_000)} s ${skewMs > 0 ? 'ahead' : 'behind'}`;
  return [said('ClockInSync', false, 'Skewed', `The clock of ${hostname} is ${by}: turn on NTP there.`, at)];
}

/** T3: said until an operator unlocks the node, by pairing it again. */
function cloneCondition(node: NodeRecord): Condition[] {
  if (node.lockedAt === null) return [];
  const message = `Two relays used the identity of ${node.hostname} (${node.nodeId}), so both are shut out. Stop the copy, then pair the right one with a new code.`;
  return [said('CloneDetected', true, 'JoinCounterStale', message, node.lockedAt)];
}

const hostOf = (nodes: GatewayFacts['nodes'], { state }: Session): string =>
  nodes.find(({ nodeId }) => nodeId === state.nodeId)?.hostname ?? state.nodeId;

const said = (type: string, isTrue: boolean, reason: string, message: string, lastTransition: EpochMs): Condition => ({
  ...{ type, status: isTrue ? 'True' : 'False', reason, message, lastTransition },
});
