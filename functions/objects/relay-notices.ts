// Tells the gateway's own machines which relays there are, whenever that differs from what they were last told for certain.
// Level-triggered: a notice that is lost is made again, also when all is as it was before it, since it may have been heard.
import { doubling } from '../../shared/backoff.ts';
import type { ClusterId, EpochMs, Scope } from '../../shared/ids.ts';
import type { RelayOfMachine } from '../../shared/installation.ts';
import { type LogRecord, messageOf } from '../log.ts';
import type { GatewayStorage } from './gateway-storage.ts';
import { stateOf } from './relay-nodes.ts';
import type { ClusterRpc } from './rpc.ts';
import { SingleFlight } from './single-flight.ts';
import { isAlive, readySessions, type Sockets } from './tunnel-session.ts';

const RETRY_MS_MIN = 2_000;
const RETRY_MS_MAX = 300_000;
/** As many as the notice takes. */
const RELAYS_MAX = 64;

export type RelayNoticePorts = {
  now(): EpochMs;
  readonly storage: GatewayStorage;
  readonly sockets: Sockets;
  ownCluster(scope: Scope, id: ClusterId): Pick<ClusterRpc, 'relaysChanged'>;
  background(work: Promise<void>): void;
  /** Something is due at another moment now. */
  arm(): void;
  log(record: LogRecord): void;
};

export class RelayNotices {
  readonly #ports: RelayNoticePorts;
  readonly #flight: SingleFlight;
  #failures = 0;
  #retryAt: EpochMs = 0;

  constructor(ports: RelayNoticePorts) {
    this.#ports = ports;
    this.#flight = new SingleFlight(() => this.#tell());
  }

  /** Of a gateway that stands: looks whether there is anything to tell, and tells it in the background. */
  check(): void {
    if (this.#unsaid() === null || this.#retryAt > this.#ports.now()) return;
    this.#ports.background(this.#flight.run());
  }

  /** When a notice that failed is due again. */
  nextAt(): EpochMs | null {
    return this.#retryAt > this.#ports.now() && this.#unsaid() !== null ? this.#retryAt : null;
  }

  async #tell(): Promise<void> {
    const { ownCluster, storage, now, log, arm } = this.#ports;
    const unsaid = this.#unsaid();
    if (unsaid === null) return;
    const { scope, clusterId, relays, text } = unsaid;
    // Kept before it is sent: who tells more than this instance knew has a higher one.
    const notice = storage.own.nextNotice();
    try {
      const stored = await ownCluster(scope, clusterId).relaysChanged(relays, notice);
      if (!stored) throw new Error('the cluster is not made yet');
      this.#failures = 0;
      if (storage.own.read().cluster?.id === clusterId) storage.own.told(text);
    } catch (error) {
      this.#retryAt = now() + doubling(this.#failures, RETRY_MS_MIN, RETRY_MS_MAX);
      this.#failures += 1;
      log({ event: 'relays-not-told', cluster: clusterId, cause: messageOf(error) });
    }
    arm();
  }

  #unsaid(): { scope: Scope; clusterId: ClusterId; relays: RelayOfMachine[]; text: string } | null {
    const { storage, sockets, now } = this.#ports;
    const { cluster, relaysTold } = storage.own.read();
    const gateway = cluster === null ? null : storage.gateway();
    if (cluster === null || gateway === null || gateway.removedAt !== null) return null;
    const relays = relaysOf(storage, sockets, now());
    const text = JSON.stringify(relays);
    return text === relaysTold ? null : { scope: gateway.scope, clusterId: cluster.id, relays, text };
  }
}

/** The relays as the gateway's machines know them. */
export function relaysOf(storage: GatewayStorage, sockets: Sockets, now: EpochMs): RelayOfMachine[] {
  const sessions = readySessions(sockets).filter((session) => isAlive(session, now));
  return storage
    .nodes()
    .slice(0, RELAYS_MAX)
    .map((node) => ({
      claim: node.claim,
      nodeId: node.nodeId,
      state: stateOf(node),
      connected: sessions.some(({ state }) => state.nodeId === node.nodeId),
    }));
}
