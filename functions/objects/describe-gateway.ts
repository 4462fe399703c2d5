// A gateway as the API shows it. Liveness is computed at the moment of asking, never read from the last write.
import type { GatewayCluster, GatewayView } from '../../shared/gateway-view.ts';
import type { EpochMs } from '../../shared/ids.ts';
import type { RecoveryView } from '../../shared/recovery.ts';
import { conditionsOf } from './gateway-conditions.ts';
import type { GatewayRecord } from './gateway-storage.ts';
import { type NodeRecord, stateOf } from './relay-nodes.ts';
import { isAlive, lastHeardAt, leadSession, type Session } from './tunnel-session.ts';

export type GatewayFacts = {
  readonly gateway: GatewayRecord;
  readonly nodes: readonly (NodeRecord & { readonly keyFingerprint: string })[];
  readonly sessions: readonly Session[];
  readonly outstandingCommands: number;
  readonly machines: GatewayCluster | null;
  readonly upgrade: Pick<GatewayView, 'version' | 'availableUpgrade' | 'upgrade' | 'queuedClusters'>;
  readonly recovery: RecoveryView | null;
};

export function describeGateway(facts: GatewayFacts, now: EpochMs): GatewayView {
  const { gateway, nodes, sessions, outstandingCommands, machines, upgrade, recovery } = facts;
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
    recovery,
    outstandingCommands,
    machines,
    ...upgrade,
    conditions: conditionsOf(facts, lead, now),
  };
}

const livenessOf = (nodes: GatewayFacts['nodes'], acting: readonly Session[]): GatewayView['phase'] =>
  nodes.length === 0 ? 'unpaired' : acting.length > 0 ? 'connected' : 'disconnected';

/** The nodes as `doctor` names their keys. */
export function withFingerprints(
  nodes: readonly NodeRecord[],
  { keyFingerprint }: { keyFingerprint(key: string): Promise<string> },
): Promise<(NodeRecord & { readonly keyFingerprint: string })[]> {
  return Promise.all(nodes.map(async (node) => ({ ...node, keyFingerprint: await keyFingerprint(node.identityKey) })));
}
