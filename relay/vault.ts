// The secrets of this node: its identity key (Ed25519) and the key that secrets are sealed to (X25519). Made once, kept
// 0600 in the state folder, never sent, never logged. Opened secrets are handed out and not kept here.
import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256, HpkeError } from '@hpke/core';
import { z } from 'zod';
import type { GatewayId, Scope } from '../shared/ids.ts';
import { err, ok, type Result } from '../shared/result.ts';
import { type SealedSecret, sealContext } from '../shared/sealed-secret.ts';
import type { Disk, DiskFailure } from './ports.ts';

export const KEYS_FILE = 'keys.json';

export type Vault = {
  /** Raw Ed25519 public key, base64url. */
  readonly identityKey: string;
  /** Raw X25519 public key, base64url. */
  readonly sealingKey: string;
  /** Ed25519 over the UTF-8 bytes of `text`, base64url. */
  readonly sign: (text: string) => Promise<string>;
  /** `unreadable`: sealed to another key, or for another scope, gateway, purpose, record or version. */
  readonly open: (sealed: SealedSecret, owner: Owner) => Promise<Result<Uint8Array, 'unreadable'>>;
  /** To our own sealing key. Not repeatable: each seal differs. */
  readonly seal: (plain: Uint8Array, owner: Owner, about: About) => Promise<SealedSecret>;
};

export type Owner = { readonly scope: Scope; readonly gatewayId: GatewayId };
type About = Pick<SealedSecret, 'purpose' | 'recordId' | 'version'>;
export type VaultFailure = DiskFailure | { readonly code: 'damaged'; readonly detail: string };

const key = (crv: 'Ed25519' | 'X25519') =>
  z.strictObject({ kty: z.literal('OKP'), crv: z.literal(crv), x: z.string(), d: z.string() });
const Keys = z.strictObject({ v: z.literal(1), identity: key('Ed25519'), sealing: key('X25519') });
type Keys = z.infer<typeof Keys>;

/** Opens the vault. `damaged`: the file is not ours or cut; it is never overwritten, since the gateway's secrets hang on it. */
export async function openVault(disk: Disk): Promise<Result<Vault | null, VaultFailure>> {
  const bytes = await disk.read(KEYS_FILE);
  if (!bytes.ok) return bytes;
  if (bytes.value === null) return ok(null);
  const keys = Keys.safeParse(parseJson(bytes.value));
  if (!keys.success) return err({ code: 'damaged', detail: `${KEYS_FILE} is not a key file of slipway-relay` });
  return ok(await vaultOf(keys.data));
}

/** Opens the vault, making its keys first if there are none. May be repeated: keys once made stay. */
export async function ensureVault(disk: Disk): Promise<Result<Vault, VaultFailure>> {
  const existing = await openVault(disk);
  if (!existing.ok) return existing;
  if (existing.value !== null) return ok(existing.value);
  const keys: Keys = { v: 1, identity: await makeKey('Ed25519'), sealing: await makeKey('X25519') };
  const written = await disk.replace(KEYS_FILE, Buffer.from(`${JSON.stringify(keys)}\n`));
  return written.ok ? ok(await vaultOf(keys)) : written;
}

/** A secret file of our own, made on first use and the same ever after. */
export async function keepSecret(
  disk: Disk,
  name: string,
  make: () => Uint8Array | Promise<Uint8Array>,
): Promise<Result<Uint8Array, DiskFailure>> {
  const existing = await disk.read(name);
  if (!existing.ok) return existing;
  if (existing.value !== null && existing.value.byteLength > 0) return ok(new Uint8Array(existing.value));
  const made = await make();
  const written = await disk.replace(name, made);
  return written.ok ? ok(made) : written;
}

/** Whether `signature` is Ed25519 of `text` by `publicKey` (raw, base64url). */
export async function verifySignature(publicKey: string, text: string, signature: string): Promise<boolean> {
  const imported = await crypto.subtle.importKey('raw', decode(publicKey), 'Ed25519', false, ['verify']);
  return crypto.subtle.verify('Ed25519', imported, decode(signature), new TextEncoder().encode(text));
}

const suite = new CipherSuite({ kem: new DhkemX25519HkdfSha256(), kdf: new HkdfSha256(), aead: new Aes256Gcm() });

async function vaultOf(keys: Keys): Promise<Vault> {
  const { crv, ...identity } = keys.identity;
  const signing = await crypto.subtle.importKey('jwk', { ...identity, crv }, 'Ed25519', false, ['sign']);
  const opening = await suite.kem.importKey('jwk', keys.sealing, false);
  const sealing = await suite.kem.deserializePublicKey(decode(keys.sealing.x));
  return {
    identityKey: keys.identity.x,
    sealingKey: keys.sealing.x,
    sign: async (text) => encode(await crypto.subtle.sign('Ed25519', signing, new TextEncoder().encode(text))),
    open: async (sealed, owner) => {
      const { info, aad } = sealContext(owner.scope, owner.gatewayId, sealed);
      try {
        const enc = decode(sealed.encapsulatedKey);
        const plain = await suite.open({ recipientKey: opening, enc, info }, decode(sealed.ciphertext), aad);
        return ok(new Uint8Array(plain));
      } catch (error) {
        if (error instanceof HpkeError) return err('unreadable');
        throw error;
      }
    },
    seal: async (plain, owner, about) => {
      const { info, aad } = sealContext(owner.scope, owner.gatewayId, about);
      const { enc, ct } = await suite.seal({ recipientPublicKey: sealing, info }, plain, aad);
      return { v: 1, ...about, encapsulatedKey: encode(enc), ciphertext: encode(ct) };
    },
  };
}

async function makeKey<C extends 'Ed25519' | 'X25519'>(
  crv: C,
): Promise<Keys[C extends 'Ed25519' ? 'identity' : 'sealing']>;
async function makeKey(crv: 'Ed25519' | 'X25519'): Promise<Keys['identity'] | Keys['sealing']> {
  const pair = await crypto.subtle.generateKey(crv, true, crv === 'Ed25519' ? ['sign', 'verify'] : ['deriveBits']);
  if (!('privateKey' in pair)) throw new Error(`${crv} gave no key pair`);
  const { x, d } = await crypto.subtle.exportKey('jwk', pair.privateKey);
  return z.union([Keys.shape.identity, Keys.shape.sealing]).parse({ kty: 'OKP', crv, x, d });
}

const decode = (text: string): Uint8Array<ArrayBuffer> => Uint8Array.from(Buffer.from(text, 'base64url'));
const encode = (bytes: ArrayBuffer): string => Buffer.from(bytes).toString('base64url');

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
