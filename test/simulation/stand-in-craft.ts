// STAND-IN for the keys of nodes and gateways (relay/key-craft.ts): drawn from the seed, and settled in the same turn.
import type { KeyCraft } from '../../relay/key-craft.ts';
import type { Random } from './prng.ts';
import { CANARY, type StandInSafe, standInSign } from './stand-in-crypto.ts';

type Context = Parameters<KeyCraft['sealTo']>[2];

const contextOf = (key: string, { info, aad }: Context): string =>
  `${key}|${Buffer.from(info).toString('latin1')}|${Buffer.from(aad).toString('latin1')}`;

export function standInCraft(safe: StandInSafe, random: Random): KeyCraft {
  const publicKey = (): string => Buffer.from(random.bytes(32)).toString('base64url');
  return {
    makeIdentityKey: async () => ({ kty: 'OKP', crv: 'Ed25519', x: publicKey(), d: `stand-in ${CANARY}` }),
    makeSealingKey: async () => ({ kty: 'OKP', crv: 'X25519', x: publicKey(), d: `stand-in ${CANARY}` }),
    makeAuthority: async () => ({ certPem: 'stand-in authority\n', keyPem: `stand-in ${CANARY} authority\n` }),
    randomBytes: random.bytes,
    signerOf: async ({ x }) => {
      return async (text) => standInSign(x, text);
    },
    sealTo: async (key, plain, context) => ({
      encapsulatedKey: 'standin',
      ciphertext: safe.lock(plain, contextOf(key, context)),
    }),
    openerOf: async ({ x }) => {
      return async ({ ciphertext }, context) => safe.unlock(ciphertext, contextOf(x, context));
    },
  };
}
