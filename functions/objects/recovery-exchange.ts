// How a gateway's key gets to its recovery key (N9): a node that holds it is asked for a copy sealed to that, once for each
// version of the key. A command of the gateway's own in its queue, as those of key-exchange.ts are. The edge sees ciphertext.
import { doubling } from '../../shared/backoff.ts';
import { type Command, type CommandId, type CommandOutcome, commandIdOf } from '../../shared/command.ts';
import type { EpochMs, RelayNodeId } from '../../shared/ids.ts';
import { type ApiFailure, apiFailure } from '../../shared/problem.ts';
import type { RecoveryBundle, RecoveryView } from '../../shared/recovery.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import type { LogRecord } from '../log.ts';
import type { CommandQueue } from './command-queue.ts';
import type { GatewayRecord, GatewayStorage } from './gateway-storage.ts';
import type { RecoveryRecord } from './recovery-copy.ts';

const SUBJECT = 'recovery';
/** A copy is wanted for as long as there is none; past this a try is made anew. */
const TRY_MS = 24 * 3_600_000;
const RETRY_MS_MIN = 2_000;
const RETRY_MS_MAX = 300_000;

const NOT_ASKED = 'This gateway was made without a recovery key: only its relays hold its key.';
const NOT_MADE = 'No relay has made it yet: the first that holds the gateway’s key does so once it is connected.';

type Ports = {
  now(): EpochMs;
  readonly storage: GatewayStorage;
  readonly queue: CommandQueue;
  keyFingerprint(key: string): Promise<string>;
  log(record: LogRecord): void;
};

export class RecoveryExchange {
  readonly #ports: Ports;

  constructor(ports: Ports) {
    this.#ports = ports;
  }

  /** Puts the command that is wanted now into the queue, and takes out what is of an earlier key. May be called at any time. */
  plan(): void {
    const { storage, queue, now, log } = this.#ports;
    const want = wantedOf(storage);
    const stale = queue.idsAbout(SUBJECT).filter((id) => want === null || id !== idOf(want));
    if (stale.length > 0) queue.withdraw(stale, now());
    if (want === null || want.recovery.askAt > now()) return;
    const askedAt = want.recovery.askAt === 0 ? now() : want.recovery.askAt;
    storage.recovery.askAt(askedAt);
    const added = queue.add([commandOf(want, askedAt + TRY_MS)], now());
    if (!added.ok) log({ event: 'recovery-waits', code: added.error.code });
  }

  /** Takes the outcome of one of its commands; false for every other command. Only who holds the key makes a copy of it. */
  settle(id: CommandId, outcome: CommandOutcome, reporter: RelayNodeId): boolean {
    const { storage, queue, now, log } = this.#ports;
    const gateway = storage.gateway();
    const [owner, subject] = id.split('/');
    if (gateway === null || owner !== gateway.gatewayId || subject !== SUBJECT) return false;
    const want = wantedOf(storage);
    if (want === null || id !== idOf(want) || !queue.has(id)) return true;
    const { recoveryKey, attempt } = want.recovery;
    const copy = outcome.ok && outcome.value.verb === 'ensure-recovery-bundle' ? outcome.value.copy : null;
    const isIt = copy?.recoveryKey === recoveryKey && copy.keyVersion === gateway.keyVersion;
    if (copy !== null && isIt && storage.node(reporter)?.holdsKey === true) {
      storage.recovery.made(copy);
      log({ event: 'recovery-copy-made', node: reporter, version: copy.keyVersion });
      return true;
    }
    storage.recovery.tryAgain(now() + doubling(attempt, RETRY_MS_MIN, RETRY_MS_MAX));
    log({ event: 'recovery-copy-not-made', node: reporter, code: outcome.ok ? 'MISMATCH' : outcome.error.code });
    return true;
  }

  /** When the next try that waits begins. */
  nextAt(): EpochMs | null {
    const askAt = wantedOf(this.#ports.storage)?.recovery.askAt ?? 0;
    return askAt > this.#ports.now() ? askAt : null;
  }

  /** `NOT_FOUND` while there is none, which says why. */
  bundle(): Result<RecoveryBundle, ApiFailure> {
    const { storage } = this.#ports;
    const gateway = storage.gateway();
    if (gateway === null) return err(apiFailure('NOT_FOUND'));
    const recovery = storage.recovery.read();
    if (recovery === null) return err(apiFailure('NOT_FOUND', NOT_ASKED));
    if (recovery.copy === null) return err(apiFailure('NOT_FOUND', NOT_MADE));
    return ok({ ...recovery.copy, scope: gateway.scope, gatewayId: gateway.gatewayId });
  }

  async view(): Promise<RecoveryView | null> {
    const copy = this.#ports.storage.recovery.read()?.copy ?? null;
    if (copy === null) return null;
    return { fingerprint: await this.#ports.keyFingerprint(copy.recoveryKey), keyVersion: copy.keyVersion };
  }
}

type Wanted = { readonly gateway: GatewayRecord; readonly recovery: RecoveryRecord };

/** Null while there is no key to copy, nobody to copy it for, or a copy of it. */
function wantedOf(storage: GatewayStorage): Wanted | null {
  const gateway = storage.gateway();
  if (gateway === null || gateway.sealingKey === null) return null;
  const recovery = storage.recovery.read();
  return recovery === null || recovery.copy?.keyVersion === gateway.keyVersion ? null : { gateway, recovery };
}

const idOf = ({ gateway, recovery }: Wanted): CommandId =>
  commandIdOf(gateway.gatewayId, SUBJECT, 'ensure-recovery-bundle', gateway.keyVersion, recovery.attempt);

function commandOf(want: Wanted, deadlineAt: EpochMs): Command {
  const { scope, gatewayId, keyVersion } = want.gateway;
  const { recoveryKey, attempt } = want.recovery;
  return {
    commandId: idOf(want),
    ...{ scope, gatewayId, clusterId: null, subject: SUBJECT, generation: keyVersion, attempt, deadlineAt },
    body: { verb: 'ensure-recovery-bundle', recoveryKey, keyVersion },
  };
}
