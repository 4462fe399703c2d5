// What an installer registers (I1, I2): the default account and the machines that shall carry the gateway. It says the same again
// and again, and is answered with how far it is; whatever was lost in between is done with the next.
import { BUILTIN_PROFILE } from '../../shared/builtin-profile.ts';
import type { ClusterView } from '../../shared/cluster-view.ts';
import { ClusterId, type EpochMs, randomPart, type Scope } from '../../shared/ids.ts';
import type { GatewayMachines, Installation } from '../../shared/installation.ts';
import { encodeFrame, PROTOCOL_VERSION } from '../../shared/tunnel-frame.ts';
import { type LogRecord, messageOf } from '../log.ts';
import { describeInstallation } from './describe-installation.ts';
import type { GatewayCatalogue } from './gateway-catalogue.ts';
import { gatewayCreation, machinesReleaseOf, type Refusal } from './gateway-creation.ts';
import type { GatewayRecord, GatewayStorage } from './gateway-storage.ts';
import type { OwnClusterRecord } from './own-cluster.ts';
import { relaysOf } from './relay-notices.ts';
import type { ClusterRpc } from './rpc.ts';
import { incarnationOf, type Session, type Sockets } from './tunnel-session.ts';

const DELETING: Refusal = { code: 'GATEWAY_DELETING', detail: 'The gateway is being deleted.' };
const MACHINES_FIXED: Refusal = {
  code: 'GATEWAY_MACHINES_FIXED',
  detail:
    'The gateway’s machines stand already, and were asked for otherwise. Put the file back as it was, or delete the gateway and install it anew.',
};
const GIVING_BACK = 'What was asked for before is given back first.';

export type InstallerPorts = {
  now(): EpochMs;
  readonly storage: GatewayStorage;
  readonly sockets: Sockets;
  readonly catalogue: GatewayCatalogue;
  ownCluster(scope: Scope, id: ClusterId): Pick<ClusterRpc, 'view' | 'requestAbort'>;
  randomBytes(count: number): Uint8Array;
  log(record: LogRecord): void;
};

/** How one round ended: it stands, it has to wait for `waitingOn`, or it is refused. */
type Round = { readonly refused: Refusal } | { readonly waitingOn: string } | 'stands';

export class Installer {
  readonly #ports: InstallerPorts;
  #busy = false;

  constructor(ports: InstallerPorts) {
    this.#ports = ports;
  }

  /** Answers one frame. While another is being answered, and when something does not answer us, silence: it comes again. */
  async take({ socket, state }: Session, installation: Installation): Promise<void> {
    const { storage, sockets, now, log } = this.#ports;
    const gateway = storage.gateway();
    // Until it holds the key it is not known to be what it was let in as.
    if (gateway === null || !state.active || this.#busy) return;
    this.#busy = true;
    try {
      const round =
        gateway.deletingAt === null
          ? await this.#register(gateway, installation, incarnationOf(state))
          : { refused: DELETING };
      const { cluster } = storage.own.read();
      const view = cluster === null ? null : await this.#ports.ownCluster(gateway.scope, cluster.id).view();
      const refused = round !== 'stands' && 'refused' in round ? round.refused : null;
      const note = round !== 'stands' && 'waitingOn' in round ? round.waitingOn : null;
      const facts = { installation, refused, note, cluster, view, relays: relaysOf(storage, sockets, now()) };
      const answer = describeInstallation(gateway, facts);
      socket.send(encodeFrame({ v: PROTOCOL_VERSION, type: 'installation-state', state: answer }));
    } catch (error) {
      log({ event: 'installation-not-answered', cause: messageOf(error) });
    } finally {
      this.#busy = false;
    }
  }

  /** @param run the process that asks */
  async #register(gateway: GatewayRecord, wanted: Installation, run: string): Promise<Round> {
    const { storage, catalogue, log } = this.#ports;
    const { installation: taken } = storage.own.read();
    const isRetry = await this.#isRetry(gateway, run);
    if (taken !== null && isSame(taken, wanted) && !isRetry) return 'stands';
    // An account that an admin changed since is not set back by an installer that says what it always said.
    if (taken === null || !isSame(taken.account, wanted.account)) {
      const put = await catalogue.putAccount(gateway, wanted.account);
      if (!put.ok) return { refused: put.error };
    }
    const round = await this.#registerMachines(gateway, wanted, run, isRetry);
    if (round !== 'stands') return round;
    storage.own.taken(wanted);
    log({ event: 'installation-taken', cluster: storage.own.read().cluster?.id ?? null });
    return round;
  }

  /** Whether what stands had failed before this run began: it is run again to have it tried again, so nothing has to be edited. */
  async #isRetry(gateway: GatewayRecord, run: string): Promise<boolean> {
    const { storage, ownCluster } = this.#ports;
    const { cluster } = storage.own.read();
    if (cluster === null || cluster.isGivingBack || cluster.runs.includes(run)) return false;
    const view = await ownCluster(gateway.scope, cluster.id).view();
    if (view?.phase === 'failed' && view.provisionedAt === null) return true;
    storage.own.joinedBy(run);
    return false;
  }

  async #registerMachines(gateway: GatewayRecord, wanted: Installation, run: string, isRetry: boolean): Promise<Round> {
    const { storage } = this.#ports;
    const { cluster } = storage.own.read();
    if (cluster !== null && (isRetry || cluster.isGivingBack || !isSame(cluster.machines, wanted.machines))) {
      const standing = await this.#giveUp(gateway, cluster, wanted.machines);
      if (standing !== null) return standing;
      storage.own.forget();
    }
    if (wanted.machines === null) return 'stands';
    const id = storage.own.read().cluster?.id ?? this.#newCluster(wanted.machines, run);
    return this.#make(gateway, id, wanted.machines, wanted);
  }

  async #make(gateway: GatewayRecord, id: ClusterId, machines: GatewayMachines, by: Installation): Promise<Round> {
    const creation = gatewayCreation(gateway, id, by.account.access, machines);
    const made = creation.ok ? await this.#ports.catalogue.makeCluster(creation.value) : creation;
    if (made.ok) return 'stands';
    // Refused means that nothing was reserved; what is asked for next may be something else.
    this.#ports.storage.own.forget();
    return { refused: made.error };
  }

  /** Null once nothing is left of what was asked for before. */
  async #giveUp(
    gateway: GatewayRecord,
    old: OwnClusterRecord,
    wanted: Installation['machines'],
  ): Promise<Round | null> {
    const { catalogue, ownCluster } = this.#ports;
    const object = ownCluster(gateway.scope, old.id);
    const view = await object.view();
    if (view === null) {
      const isReserved = await catalogue.finishCluster(gateway.scope, old.id);
      return isReserved ? { waitingOn: GIVING_BACK } : null;
    }
    if (view.phase === 'deleted') return null;
    // Another size is told apart in the answer, where the machines are looked at anyway.
    if (view.provisionedAt !== null)
      return isSameButSize(old.machines, wanted) ? 'stands' : { refused: MACHINES_FIXED };
    if (!old.isGivingBack) this.#ports.storage.own.giveBack();
    if (isStanding(view)) {
      const asked = await object.requestAbort('installer');
      if (!asked.ok) return { waitingOn: asked.error.detail };
    }
    return { waitingOn: GIVING_BACK };
  }

  /** Kept before anything is asked of anybody: whoever repeats it asks for the same cluster. */
  #newCluster(machines: GatewayMachines, run: string): ClusterId {
    const id = ClusterId.parse(`clu_${randomPart(this.#ports.randomBytes(20))}`);
    this.#ports.storage.own.begin(id, machines, run, machinesReleaseOf(BUILTIN_PROFILE));
    return id;
  }
}

const isStanding = ({ phase }: ClusterView): boolean => phase !== 'aborting' && phase !== 'deleting';

/** Both were parsed by one schema, so their fields are in one order. */
const isSame = (one: unknown, other: unknown): boolean => JSON.stringify(one) === JSON.stringify(other);

function isSameButSize(one: GatewayMachines, other: GatewayMachines | null): boolean {
  return other !== null && isSame({ ...one, size: other.size }, other);
}
