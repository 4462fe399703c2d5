// How the keys of a node and of its gateway are made and used, as a port: real cryptography settles off the thread, in no order
// that a seed decides, so a simulator gives a stand-in.
import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import type { EpochMs } from '../shared/ids.ts';
import type { KeyAndCertificate } from './bootstrap/certificate-authority.ts';
import { makeEnrolmentAuthority } from './enrolment/endpoint-certificate.ts';
import { makeSealingKey, openerOf, type SealingJwk, sealTo } from './hpke.ts';

export const IdentityJwk = z.strictObject({
  kty: z.literal('OKP'),
  crv: z.literal('Ed25519'),
  x: z.string(),
  d: z.string(),
});
export type IdentityJwk = z.infer<typeof IdentityJwk>;

export type KeyCraft = {
  readonly makeIdentityKey: () => Promise<IdentityJwk>;
  readonly makeSealingKey: () => Promise<SealingJwk>;
  /** What the machines of a gateway pin. */
  readonly makeAuthority: (now: EpochMs) => Promise<KeyAndCertificate>;
  readonly randomBytes: (count: number) => Uint8Array;
  /** Ed25519 over the UTF-8 bytes of a text, base64url. */
  readonly signerOf: (key: IdentityJwk) => Promise<(text: string) => Promise<string>>;
  readonly sealTo: typeof sealTo;
  readonly openerOf: typeof openerOf;
};

export const KEY_CRAFT: KeyCraft = {
  makeIdentityKey: async () => {
    const pair = await crypto.subtle.generateKey('Ed25519', true, ['sign', 'verify']);
    if (!('privateKey' in pair)) throw new Error('Ed25519 gave no key pair');
    const { x, d } = await crypto.subtle.exportKey('jwk', pair.privateKey);
    return IdentityJwk.parse({ kty: 'OKP', crv: 'Ed25519', x, d });
  },
  makeSealingKey,
  makeAuthority: makeEnrolmentAuthority,
  randomBytes: (count) => randomBytes(count),
  signerOf: async ({ crv, ...identity }) => {
    const key = await crypto.subtle.importKey('jwk', { ...identity, crv }, 'Ed25519', false, ['sign']);
    return async (text) => encode(await crypto.subtle.sign('Ed25519', key, new TextEncoder().encode(text)));
  },
  sealTo,
  openerOf,
};

const encode = (bytes: ArrayBuffer): string => Buffer.from(bytes).toString('base64url');
