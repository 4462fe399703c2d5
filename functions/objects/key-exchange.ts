// How a further node gets the gateway's key (N2-N4): one that holds it wraps it for the newcomer, the edge carries the bundle
// over. Both are commands of the gateway's own, in its queue like any other, with ids that derive from node, version and try;
// so nothing here is lost by a restart and nothing is asked twice. The edge sees ciphertext only.
import { doubling } from '../../shared/backoff.ts';
import {
  type Command,
  type CommandBody,
  type CommandId,
  type CommandOutcome,
  commandIdOf,
} from '../../shared/command.ts';
import { type EpochMs, RelayNodeId } from '../../shared/ids.ts';
import type { LogRecord } from '../log.ts';
import type { CommandQueue } from './command-queue.ts';
import type { GatewayRecord, GatewayStorage } from './gateway-storage.ts';
import { RecoveryExchange } from './recovery-exchange.ts';
import type { NodeRecord } from './relay-nodes.ts';

/** A bundle is wanted as long as the node waits; past this a try is made anew, with a fresh bundle. */
const TRY_MS = 24 * 3_600_000;
/** Others about a node are not of the exchange. */
const VERBS: ReadonlySet<string> = new Set(['ensure-node-key', 'ensure-gateway-key']);
const RETRY_MS_MIN = 2_000;
const RETRY_MS_MAX = 300_000;

export type KeyExchangePorts = {
  now(): EpochMs;
  readonly storage: GatewayStorage;
  readonly queue: CommandQueue;
  keyFingerprint(key: string): Promise<string>;
  log(record: LogRecord): void;
};

export class KeyExchange {
  readonly #ports: KeyExchangePorts;
  readonly recovery: RecoveryExchange;

  constructor(ports: KeyExchangePorts) {
    this.#ports = ports;
    this.recovery = new RecoveryExchange(ports);
  }

  /** Puts what each waiting node needs next into the queue. May be called at any time. */
  async plan(): Promise<void> {
    const { storage, queue, now, log, keyFingerprint } = this.#ports;
    this.recovery.plan();
    for (const { nodeId, identityKey } of waiting(storage)) {
      const fingerprint = await keyFingerprint(identityKey);
      // Looked at again: others may have come meanwhile.
      const gateway = storage.gateway();
      const node = waiting(storage).find((one) => one.nodeId === nodeId);
      if (gateway === null || gateway.sealingKey === null || node === undefined) continue;
      const askedAt = node.keyAskedAt ?? now();
      if (askedAt > now()) continue;
      if (node.keyAskedAt === null) storage.keyAsked(nodeId, askedAt);
      const command = commandFor(gateway, gateway.sealingKey, node, fingerprint, askedAt + TRY_MS);
      const target = command.body.verb === 'ensure-gateway-key' ? nodeId : null;
      const added = queue.add([command], now(), target);
      if (!added.ok) log({ event: 'key-exchange-waits', node: nodeId, code: added.error.code });
    }
  }

  /**
   * Takes the outcome of one of its commands; false for every other command. A node speaks for itself only, and wraps only
   * when it holds the key.
   */
  settle(id: CommandId, outcome: CommandOutcome, reporter: RelayNodeId): boolean {
    if (this.recovery.settle(id, outcome, reporter)) return true;
    const { storage, now, log, queue } = this.#ports;
    const gateway = storage.gateway();
    const [owner = '', subject = '', , version = '', attempt = ''] = id.split('/');
    if (gateway === null || owner !== gateway.gatewayId) return false;
    const named = RelayNodeId.safeParse(subject);
    const node = named.success ? storage.node(named.data) : null;
    const isNow = Number(version) === gateway.keyVersion && Number(attempt) === node?.keyAttempt;
    if (node === null || node.holdsKey || !isNow || !queue.has(id)) return true;
    if (outcome.ok && outcome.value.verb === 'ensure-node-key' && storage.node(reporter)?.holdsKey === true) {
      const { wrapped } = outcome.value;
      if (wrapped.nodeId === node.nodeId && wrapped.keyVersion === gateway.keyVersion) {
        storage.keyWrapped(node.nodeId, wrapped);
        return true;
      }
    }
    const held = outcome.ok && outcome.value.verb === 'ensure-gateway-key' ? outcome.value.sealingKey : null;
    if (reporter === node.nodeId && held !== null && held === gateway.sealingKey) {
      storage.keyHeld(node.nodeId, true, now());
      log({ event: 'gateway-key-held', node: node.nodeId });
      return true;
    }
    const pause = doubling(node.keyAttempt, RETRY_MS_MIN, RETRY_MS_MAX);
    storage.keyHeld(node.nodeId, false, now(), now() + pause);
    log({ event: 'gateway-key-not-given', node: node.nodeId, code: outcome.ok ? 'MISMATCH' : outcome.error.code });
    return true;
  }

  /** The commands under way for this node are over: it has the key, or is gone, or begins anew. */
  drop(nodeId: RelayNodeId): CommandId[] {
    const { queue, now } = this.#ports;
    const ids = queue.idsAbout(nodeId).filter((id) => VERBS.has(id.split('/')[2] ?? ''));
    queue.withdraw(ids, now());
    return ids;
  }

  /** When the next try that waits begins. */
  nextAt(): EpochMs | null {
    const now = this.#ports.now();
    const moments = waiting(this.#ports.storage).flatMap(({ keyAskedAt }) =>
      keyAskedAt !== null && keyAskedAt > now ? [keyAskedAt] : [],
    );
    const all = [...moments, this.recovery.nextAt() ?? Number.POSITIVE_INFINITY];
    const next = Math.min(...all);
    return Number.isFinite(next) ? next : null;
  }
}

type Waiting = NodeRecord & { readonly keyAgreementKey: string };

function waiting(storage: GatewayStorage): Waiting[] {
  return storage.nodes().flatMap((node) => {
    const { keyAgreementKey } = node;
    const isWaiting = !node.holdsKey && node.lockedAt === null && keyAgreementKey !== null;
    return isWaiting ? [{ ...node, keyAgreementKey }] : [];
  });
}

function commandFor(
  gateway: GatewayRecord,
  sealingKey: string,
  node: Waiting,
  identityFingerprint: string,
  deadlineAt: EpochMs,
): Command {
  const { scope, gatewayId, keyVersion } = gateway;
  const { nodeId, keyAgreementKey, wrapped, keyAttempt } = node;
  const body: CommandBody =
    wrapped === null
      ? { verb: 'ensure-node-key', nodeId, keyAgreementKey, identityFingerprint, keyVersion }
      : { verb: 'ensure-gateway-key', wrapped, sealingKey };
  return {
    commandId: commandIdOf(gatewayId, nodeId, body.verb, keyVersion, keyAttempt),
    ...{ scope, gatewayId, clusterId: null, subject: nodeId, generation: keyVersion, attempt: keyAttempt },
    ...{ deadlineAt, body },
  };
}
