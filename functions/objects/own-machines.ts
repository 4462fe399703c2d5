// The machines of the gateway's own, joined: what an installer and the relays on them say through the tunnel, what their cluster is
// told, and how they end. Rules I1… in PROTOCOL.md. Of a gateway without machines nothing here acts.
import type { ClusterView } from '../../shared/cluster-view.ts';
import type { GatewayCluster, OrphanedGateway } from '../../shared/gateway-view.ts';
import type { ClusterId, EpochMs, RelayNodeId } from '../../shared/ids.ts';
import { GatewaySize } from '../../shared/installation.ts';
import { GATEWAY_ORPHAN_MS } from '../../shared/limits.ts';
import { type ApiFailure, apiFailure } from '../../shared/problem.ts';
import { assertNever, err, ok, type Result } from '../../shared/result.ts';
import type { RelayFrame } from '../../shared/tunnel-frame.ts';
import { sizeOf } from './describe-installation.ts';
import { GatewayDeletion } from './gateway-deletion.ts';
import type { GatewayPorts } from './gateway-ports.ts';
import type { GatewayRecord, GatewayStorage } from './gateway-storage.ts';
import { Installer } from './installation.ts';
import { takeNodeCode } from './node-codes.ts';
import { type OutsideLead, outsideLead } from './outside-lead.ts';
import { RelayNotices } from './relay-notices.ts';
import { activeSessions, isAlive, lastHeardAt, readySessions, type Session } from './tunnel-session.ts';

/** Frames about the gateway's own machines. */
export type MachineFrame = Extract<RelayFrame, { type: 'pairing-code' | 'installation' | 'node-leave' }>;

export type OwnMachinesPorts = GatewayPorts & {
  readonly storage: GatewayStorage;
  /** Ends a node; null when it was done. */
  revoke(nodeId: RelayNodeId): ApiFailure | null;
  forget(): Promise<void>;
  arm(): void;
};

export class OwnMachines {
  readonly #ports: OwnMachinesPorts;
  readonly #installer: Installer;
  readonly #notices: RelayNotices;
  readonly outside: OutsideLead;
  readonly deletion: GatewayDeletion;

  constructor(ports: OwnMachinesPorts) {
    this.#ports = ports;
    this.#installer = new Installer(ports);
    this.#notices = new RelayNotices(ports);
    this.outside = outsideLead(ports);
    this.deletion = new GatewayDeletion(ports);
  }

  async take(session: Session, frame: MachineFrame): Promise<void> {
    switch (frame.type) {
      case 'pairing-code':
        return takeNodeCode(this.#ports, session, frame);
      case 'installation':
        return this.#installer.take(session, frame.installation);
      case 'node-leave':
        return this.#leave(session);
      default:
        return assertNever(frame);
    }
  }

  /** Its cluster has stored a report: while the gateway is being deleted, that may have been the last. */
  async reported(id: ClusterId): Promise<void> {
    const { storage } = this.#ports;
    if (storage.gateway()?.deletingAt != null && storage.own.read().cluster?.id === id) await this.deletion.hint();
  }

  /** After anything that may have changed who is connected. */
  check({ deletingAt }: GatewayRecord): void {
    if (deletingAt !== null) this.outside.passOver();
    this.#notices.check();
  }

  /** When something of this is due. */
  moments({ deletingAt }: GatewayRecord): (EpochMs | null)[] {
    const ending = deletingAt === null ? [] : [this.outside.dueAt(), this.deletion.nextAt()];
    return [this.#notices.nextAt(), ...ending];
  }

  /** Null without machines. @throws when their cluster does not answer */
  async view({ scope }: GatewayRecord): Promise<GatewayCluster | null> {
    const { storage, ownCluster } = this.#ports;
    const { cluster } = storage.own.read();
    const view = cluster === null ? null : await ownCluster(scope, cluster.id).view();
    return view === null ? null : machinesOf(view);
  }

  async leftovers({ scope }: GatewayRecord): Promise<Result<OrphanedGateway, ApiFailure>> {
    const { storage, ownCluster, now } = this.#ports;
    if (now() - this.#lastSeenAt() < GATEWAY_ORPHAN_MS) return err(apiFailure('GATEWAY_REACHABLE'));
    const { cluster } = storage.own.read();
    return ok(cluster === null ? { machines: [], address: null } : await ownCluster(scope, cluster.id).leftovers());
  }

  /** The gateway ends: nobody will give them back any more. */
  async abandon({ scope }: GatewayRecord): Promise<void> {
    const { storage, ownCluster } = this.#ports;
    const { cluster } = storage.own.read();
    if (cluster !== null) await ownCluster(scope, cluster.id).abandon();
  }

  /** I4. Refused in silence: whoever asks finds itself connected still, and asks again. */
  #leave({ state }: Session): void {
    const { storage, sockets, now, revoke, log } = this.#ports;
    const stays = activeSessions(sockets).some((other) => other.state.nodeId !== state.nodeId && isAlive(other, now()));
    const isDeleting = storage.gateway()?.deletingAt != null;
    const refused = isDeleting ? 'DELETING' : stays ? (revoke(state.nodeId)?.code ?? null) : 'NOBODY_STAYS';
    if (refused !== null) log({ event: 'node-leave-refused', node: state.nodeId, code: refused });
  }

  #lastSeenAt(): EpochMs {
    const { storage, sockets } = this.#ports;
    const seen = storage.nodes().map(({ lastSeenAt, pairedAt }) => Math.max(lastSeenAt ?? 0, pairedAt));
    return Math.max(0, ...seen, ...readySessions(sockets).map(lastHeardAt));
  }
}

function machinesOf(view: ClusterView): GatewayCluster {
  const { id: clusterId, phase, waitingOn, machines } = view;
  return { clusterId, size: GatewaySize.parse(sizeOf(view)), phase, waitingOn, machines };
}
