// HPKE (RFC 9180, base mode: X25519, HKDF-SHA256, AES-256-GCM), as secrets and the gateway's own key travel. What must fit for
// a box to open is its context, made in shared/.
import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256, HpkeError } from '@hpke/core';
import { z } from 'zod';
import { err, ok, type Result } from '../shared/result.ts';

export const SealingJwk = z.strictObject({
  kty: z.literal('OKP'),
  crv: z.literal('X25519'),
  x: z.string(),
  d: z.string(),
});
export type SealingJwk = z.infer<typeof SealingJwk>;

export type Box = { readonly encapsulatedKey: string; readonly ciphertext: string };
export type Context = { readonly info: Uint8Array; readonly aad: Uint8Array };

const suite = new CipherSuite({ kem: new DhkemX25519HkdfSha256(), kdf: new HkdfSha256(), aead: new Aes256Gcm() });

export async function makeSealingKey(): Promise<SealingJwk> {
  const pair = await crypto.subtle.generateKey('X25519', true, ['deriveBits']);
  if (!('privateKey' in pair)) throw new Error('X25519 gave no key pair');
  const { x, d } = await crypto.subtle.exportKey('jwk', pair.privateKey);
  return SealingJwk.parse({ kty: 'OKP', crv: 'X25519', x, d });
}

/** @param publicKey raw X25519, base64url. Not repeatable: each box differs. Throws when it is no key. */
export async function sealTo(publicKey: string, plain: Uint8Array, { info, aad }: Context): Promise<Box> {
  const recipientPublicKey = await suite.kem.deserializePublicKey(decode(publicKey));
  const { enc, ct } = await suite.seal({ recipientPublicKey, info }, plain, aad);
  return { encapsulatedKey: encode(enc), ciphertext: encode(ct) };
}

/** `unreadable`: sealed to another key, in another context, or altered. */
export async function openerOf(
  key: SealingJwk,
): Promise<(box: Box, context: Context) => Promise<Result<Uint8Array, 'unreadable'>>> {
  const recipientKey = await suite.kem.importKey('jwk', key, false);
  return async ({ encapsulatedKey, ciphertext }, { info, aad }) => {
    try {
      const plain = await suite.open({ recipientKey, enc: decode(encapsulatedKey), info }, decode(ciphertext), aad);
      return ok(new Uint8Array(plain));
    } catch (error) {
      if (error instanceof HpkeError) return err('unreadable');
      throw error;
    }
  };
}

const decode = (text: string): Uint8Array<ArrayBuffer> => Uint8Array.from(Buffer.from(text, 'base64url'));
const encode = (bytes: ArrayBuffer): string => Buffer.from(bytes).toString('base64url');
