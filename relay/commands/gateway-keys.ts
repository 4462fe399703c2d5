// ensure-node-key, ensure-gateway-key and ensure-recovery-bundle: the gateway's key goes from a node that holds it to one that
// does not (N3, N4), or to the tenant's recovery key (N9). That the order is the console's, T6 has proven: it is signed by the key that pairing pinned.
import type { CommandFailure } from '../../shared/command.ts';
import { err, ok } from '../../shared/result.ts';
import type { Keyring, KeyringFailure } from '../keyring.ts';
import type { Handler } from './handler.ts';

export function ensureNodeKey(keyring: Pick<Keyring, 'wrap'>): Handler<'ensure-node-key'> {
  return async (body, { command }) => {
    const wrapped = await keyring.wrap(body, command);
    return wrapped.ok ? ok({ verb: 'ensure-node-key', wrapped: wrapped.value }) : err(failureOf(wrapped.error));
  };
}

export function ensureGatewayKey(keyring: Pick<Keyring, 'adopt'>): Handler<'ensure-gateway-key'> {
  return async (body, { command }) => {
    const adopted = await keyring.adopt(body, command);
    if (!adopted.ok) return err(failureOf(adopted.error));
    return ok({ verb: 'ensure-gateway-key', sealingKey: adopted.value.sealingKey });
  };
}

export function ensureRecoveryBundle(keyring: Pick<Keyring, 'recoveryCopy'>): Handler<'ensure-recovery-bundle'> {
  return async (body, { command }) => {
    const copy = await keyring.recoveryCopy(body, command);
    return copy.ok ? ok({ verb: 'ensure-recovery-bundle', copy: copy.value }) : err(failureOf(copy.error));
  };
}

function failureOf(failure: KeyringFailure): CommandFailure {
  switch (failure.code) {
    case 'disk':
      return { code: 'RELAY_STORAGE', detail: `the gateway's key can't be written: ${failure.detail}` };
    case 'not-held':
      return { code: 'SECRET_UNREADABLE', detail: "this node does not hold the gateway's key itself" };
    case 'unreadable':
      return { code: 'SECRET_UNREADABLE', detail: "the bundle can't be opened with this node's key" };
  }
}

/** A relay that was put together with a key that never changes. */
export const noKeyring: Pick<Keyring, 'wrap' | 'adopt' | 'recoveryCopy'> = {
  wrap: async () => err({ code: 'not-held' }),
  recoveryCopy: async () => err({ code: 'not-held' }),
  adopt: async () => err({ code: 'unreadable' }),
};
