// A gateway as the API shows it. Liveness is computed at the moment of asking, never read from the last write.
import type { Condition } from '../../shared/cluster-view.ts';
import type { GatewayView } from '../../shared/gateway-view.ts';
import type { EpochMs } from '../../shared/ids.ts';
import type { GatewayRecord, NodeRecord } from './gateway-storage.ts';
import { isAlive, lastHeardAt, leadSession, type Session } from './tunnel-session.ts';

export type GatewayFacts = {
  readonly gateway: GatewayRecord;
  readonly nodes: readonly (NodeRecord & { readonly keyFingerprint: string })[];
  readonly sessions: readonly Session[];
  readonly outstandingCommands: number;
};

export function describeGateway(facts: GatewayFacts, now: EpochMs): GatewayView {
  const { gateway, nodes, sessions, outstandingCommands } = facts;
  const alive = sessions.filter((session) => isAlive(session, now));
  const lead = leadSession(alive, now);
  const sessionOf = (node: NodeRecord) => sessions.find(({ state }) => state.nodeId === node.nodeId);
  return {
    id: gateway.gatewayId,
    name: gateway.name,
    type: 'maas',
    phase: nodes.length === 0 ? 'unpaired' : alive.length > 0 ? 'connected' : 'disconnected',
    createdAt: gateway.createdAt,
    nodes: nodes.map((node) => {
      const session = sessionOf(node);
      return {
        nodeId: node.nodeId,
        hostname: node.hostname,
        relayVersion: node.relayVersion,
        connected: session !== undefined && isAlive(session, now),
        leader: lead !== null && session === lead,
        lastSeenAt: session === undefined ? node.lastSeenAt : lastHeardAt(session),
        keyFingerprint: node.keyFingerprint,
      };
    }),
    sealingKey: gateway.sealingKey,
    outstandingCommands,
    conditions: nodes.flatMap(cloneCondition),
  };
}

/** T3: said until an operator unlocks the node, by pairing it again. */
function cloneCondition(node: NodeRecord): Condition[] {
  if (node.lockedAt === null) return [];
  const message = `Two relays used the identity of ${node.hostname} (${node.nodeId}), so both are shut out. Stop the copy, then pair the right one with a new code.`;
  return [
    { type: 'CloneDetected', status: 'True', reason: 'JoinCounterStale', message, lastTransition: node.lockedAt },
  ];
}
