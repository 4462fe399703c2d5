// How a gateway with machines of its own ends (I5): its cluster gives them back like every cluster that is deleted, and only
// when nothing is left of it the gateway's rows, keys and sessions go. Level-triggered: each run looks how far it is and does what is next.
import { doubling } from '../../shared/backoff.ts';
import type { ClusterId, EpochMs, Scope } from '../../shared/ids.ts';
import { type LogRecord, messageOf } from '../log.ts';
import type { GatewayCatalogue } from './gateway-catalogue.ts';
import type { GatewayRecord, GatewayStorage } from './gateway-storage.ts';
import type { ClusterRpc } from './rpc.ts';
import { SingleFlight } from './single-flight.ts';

/** Beside being told by each report, it looks by itself: machines may be gone by the word of no relay, after a while. */
const LOOK_MS_MIN = 2_000;
const LOOK_MS_MAX = 60_000;

export type DeletionPorts = {
  now(): EpochMs;
  readonly storage: GatewayStorage;
  readonly catalogue: GatewayCatalogue;
  ownCluster(scope: Scope, id: ClusterId): Pick<ClusterRpc, 'view' | 'requestAbort' | 'requestDeletion'>;
  /** Closes all sessions as revoked and forgets everything. */
  forget(): Promise<void>;
  arm(): void;
  log(record: LogRecord): void;
};

export class GatewayDeletion {
  readonly #ports: DeletionPorts;
  readonly #flight: SingleFlight;
  #looks = 0;
  #lookAt: EpochMs = 0;

  constructor(ports: DeletionPorts) {
    this.#ports = ports;
    this.#flight = new SingleFlight(() => this.#go());
  }

  /** Something may have changed: looks at once. Never rejects. */
  async hint(): Promise<void> {
    this.#looks = 0;
    await this.#flight.run();
  }

  /** Never rejects. */
  async runDue(): Promise<void> {
    if (this.#dying() !== null && this.#lookAt <= this.#ports.now()) await this.#flight.run();
  }

  nextAt(): EpochMs | null {
    return this.#dying() === null ? null : this.#lookAt;
  }

  async #go(): Promise<void> {
    const { now, log, arm } = this.#ports;
    const gateway = this.#dying();
    if (gateway === null) return;
    this.#lookAt = now() + doubling(this.#looks, LOOK_MS_MIN, LOOK_MS_MAX);
    this.#looks += 1;
    try {
      if (await this.#isAlone(gateway)) await this.#end(gateway);
    } catch (error) {
      log({ event: 'gateway-deletion-waits', cause: messageOf(error) });
    }
    arm();
  }

  /** Whether its machines are gone; asks for it when nobody has. */
  async #isAlone({ scope, deletingBy }: GatewayRecord): Promise<boolean> {
    const { storage, catalogue, ownCluster, log } = this.#ports;
    const { cluster } = storage.own.read();
    if (cluster === null) return true;
    const object = ownCluster(scope, cluster.id);
    const view = await object.view();
    // Reserved and never made: it is made, so that there is somebody who gives everything back.
    if (view === null) return !(await catalogue.finishCluster(scope, cluster.id));
    if (view.phase === 'deleted') return true;
    if (view.phase === 'deleting' || view.phase === 'aborting') return false;
    const actor = deletingBy ?? '';
    const asked = await (view.provisionedAt === null ? object.requestAbort(actor) : object.requestDeletion(actor));
    // Provisioned at this very moment: the next look asks for the other.
    if (!asked.ok) log({ event: 'gateway-deletion-waits', code: asked.error.code });
    return false;
  }

  async #end(gateway: GatewayRecord): Promise<void> {
    const { catalogue, forget, log } = this.#ports;
    // Its own cluster says a moment later in the catalogue that it is deleted.
    if (!(await catalogue.beginRemoval(gateway))) return;
    await forget();
    log({ event: 'gateway-deleted', gateway: gateway.gatewayId });
    await catalogue.endRemoval(gateway);
  }

  #dying(): GatewayRecord | null {
    const gateway = this.#ports.storage.gateway();
    return gateway === null || gateway.removedAt !== null || gateway.deletingAt === null ? null : gateway;
  }
}
