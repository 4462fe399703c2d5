// The gateway's key while the relay runs: it may come later than the relay starts, and be given on to further nodes. What is
// answered is on disk first.
import type { BodyOf } from '../shared/command.ts';
import { type WrappedGatewayKey, wrapContext } from '../shared/gateway-key.ts';
import type { RelayNodeId } from '../shared/ids.ts';
import { type RecoveryCopy, recoveryContext } from '../shared/recovery.ts';
import { err, ok, type Result } from '../shared/result.ts';
import { type GatewayKey, type Holder, RECOVERY_HOLDER, replaceGatewayKey } from './gateway-key.ts';
import type { Box, Context } from './hpke.ts';
import type { KeyCraft } from './key-craft.ts';
import type { Log } from './log.ts';
import { fingerprintOf } from './pair.ts';
import type { Clock, Disk } from './ports.ts';
import type { Owner, Vault } from './vault.ts';

export type KeyringFailure =
  | { readonly code: 'not-held' | 'unreadable' }
  | { readonly code: 'disk'; readonly detail: string };

export type Keyring = {
  readonly held: () => GatewayKey | null;
  /** N3: a bundle for another node. It is entered as a holder before the bundle is answered. May be repeated. */
  readonly wrap: (order: BodyOf<'ensure-node-key'>, owner: Owner) => Promise<Result<WrappedGatewayKey, KeyringFailure>>;
  /** N9: a copy for the recovery key, which is entered as a holder first too. May be repeated. */
  readonly recoveryCopy: (
    order: BodyOf<'ensure-recovery-bundle'>,
    owner: Owner,
  ) => Promise<Result<RecoveryCopy, KeyringFailure>>;
  /** N4: takes the key out of a bundle for this node, which must be `sealingKey`'s. May be repeated. */
  readonly adopt: (bundle: BodyOf<'ensure-gateway-key'>, owner: Owner) => Promise<Result<GatewayKey, KeyringFailure>>;
  /** Calls back whenever another key is held. */
  readonly onChange: (listener: (key: GatewayKey) => void) => void;
  /** As the relay's commands use it: nothing opens while no key is held. */
  readonly vault: Pick<Vault, 'sign' | 'open' | 'seal'>;
};

export type KeyringParts = {
  readonly disk: Disk;
  readonly vault: Vault;
  readonly nodeId: RelayNodeId;
  readonly held: GatewayKey | null;
  readonly clock: Clock;
  readonly log: Log;
  /** Absent: the real one. */
  readonly craft?: KeyCraft;
};

export function createKeyring({ disk, vault, nodeId, held: first, clock, log, craft }: KeyringParts): Keyring {
  let held = first;
  const listeners: ((key: GatewayKey) => void)[] = [];
  // One at a time: each is made from what is held.
  let turn: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const next = turn.then(work);
    turn = next.catch(() => undefined);
    return next;
  };
  const take = (key: GatewayKey): void => {
    const isOther = held?.sealingKey !== key.sealingKey;
    held = key;
    if (isOther) for (const listener of listeners) listener(key);
  };
  /** The recipient is on disk as a holder before its box is answered. */
  const give = async (to: Omit<Holder, 'by' | 'at'>, context: Context): Promise<Result<Box, KeyringFailure>> => {
    if (held === null) return err({ code: 'not-held' });
    const before = held.holders.find((one) => one.nodeId === to.nodeId);
    const isKnown = before?.keyAgreementKey === to.keyAgreementKey && before.fingerprint === to.fingerprint;
    const holder = isKnown ? before : { ...to, by: nodeId, at: clock.now() };
    const { file, box } = await held.shareWith(holder, context);
    const written = await replaceGatewayKey(disk, file, held, craft);
    if (!written.ok) return err({ code: 'disk', detail: written.error.detail });
    if (written.value !== null) take(written.value);
    if (!isKnown) log.info('gateway-key-shared', { node: to.nodeId, fingerprint: to.fingerprint });
    return ok(box);
  };

  return {
    held: () => held,
    wrap: ({ nodeId: to, keyAgreementKey, identityFingerprint, keyVersion }, owner) =>
      inTurn(async () => {
        const named = { nodeId: to, keyVersion };
        const recipient = { nodeId: to, keyAgreementKey, fingerprint: identityFingerprint };
        const box = await give(recipient, wrapContext(owner.scope, owner.gatewayId, named));
        return box.ok ? ok({ v: 1, ...named, ...box.value }) : box;
      }),
    recoveryCopy: ({ recoveryKey, keyVersion }, owner) =>
      inTurn(async () => {
        const named = { recoveryKey, keyVersion };
        const fingerprint = (await fingerprintOf(recoveryKey)).replaceAll(':', '');
        const recipient = { nodeId: RECOVERY_HOLDER, keyAgreementKey: recoveryKey, fingerprint };
        const box = await give(recipient, recoveryContext({ ...owner, ...named }));
        return box.ok ? ok({ v: 1, ...named, ...box.value }) : box;
      }),
    adopt: ({ wrapped, sealingKey }, owner) =>
      inTurn(async () => {
        if (held !== null && held.sealingKey === sealingKey) return ok(held);
        const opened = wrapped.nodeId === nodeId ? await vault.unwrap(wrapped, owner) : err('unreadable' as const);
        if (!opened.ok) return err({ code: 'unreadable' });
        const written = await replaceGatewayKey(disk, opened.value, held, craft);
        if (!written.ok) return err({ code: 'disk', detail: written.error.detail });
        if (written.value === null) return err({ code: 'unreadable' });
        take(written.value);
        log.info('gateway-key-received', { holders: written.value.holders.length });
        return ok(written.value);
      }),
    onChange: (listener) => void listeners.push(listener),
    vault: {
      sign: vault.sign,
      open: async (sealed, owner) => (held === null ? err('unreadable') : held.open(sealed, owner)),
      seal: async (plain, owner, about) => {
        if (held === null) throw new Error('a relay without the gateway’s key was asked to seal');
        return held.seal(plain, owner, about);
      },
    },
  };
}
