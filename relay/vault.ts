// The secrets of this node alone: its identity key (Ed25519) and its key-agreement key (X25519), which the gateway's key is
// wrapped to. Made once, kept 0600 in the state folder, never sent, never logged. What secrets are sealed to belongs to the
// gateway: gateway-key.ts.
import { z } from 'zod';
import { type WrappedGatewayKey, wrapContext } from '../shared/gateway-key.ts';
import type { GatewayId, Scope } from '../shared/ids.ts';
import { err, ok, type Result } from '../shared/result.ts';
import { type SealedSecret, sealContext } from '../shared/sealed-secret.ts';
import { SealingJwk } from './hpke.ts';
import { IdentityJwk, KEY_CRAFT, type KeyCraft } from './key-craft.ts';
import type { Disk, DiskFailure } from './ports.ts';

export const KEYS_FILE = 'keys.json';

export type Vault = {
  /** Raw Ed25519 public key, base64url. */
  readonly identityKey: string;
  /** Raw X25519 public key of this node, base64url. */
  readonly sealingKey: string;
  /** Ed25519 over the UTF-8 bytes of `text`, base64url. */
  readonly sign: (text: string) => Promise<string>;
  /** `unreadable`: sealed to another key, or for another scope, gateway, purpose, record or version. */
  readonly open: (sealed: SealedSecret, owner: Owner) => Promise<Result<Uint8Array, 'unreadable'>>;
  /** To our own sealing key. Not repeatable: each seal differs. */
  readonly seal: (plain: Uint8Array, owner: Owner, about: About) => Promise<SealedSecret>;
  /** The gateway's key out of its bundle. `unreadable`: for another node, gateway, scope or version, or altered. */
  readonly unwrap: (wrapped: WrappedGatewayKey, owner: Owner) => Promise<Result<Uint8Array, 'unreadable'>>;
};

export type Owner = { readonly scope: Scope; readonly gatewayId: GatewayId };
export type About = Pick<SealedSecret, 'purpose' | 'recordId' | 'version'>;
export type VaultFailure = DiskFailure | { readonly code: 'damaged'; readonly detail: string };

const Keys = z.strictObject({ v: z.literal(1), identity: IdentityJwk, sealing: SealingJwk });
type Keys = z.infer<typeof Keys>;

/** Opens the vault. `damaged`: the file is not ours or cut; it is never overwritten, since the gateway's secrets hang on it. */
export async function openVault(disk: Disk, craft: KeyCraft = KEY_CRAFT): Promise<Result<Vault | null, VaultFailure>> {
  const keys = await readKeys(disk);
  if (!keys.ok) return keys;
  return ok(keys.value === null ? null : await vaultOf(keys.value, craft));
}

/** The private keys themselves: for a folder of before, whose node key was the gateway's too. */
export async function readKeys(disk: Disk): Promise<Result<Keys | null, VaultFailure>> {
  const bytes = await disk.read(KEYS_FILE);
  if (!bytes.ok) return bytes;
  if (bytes.value === null) return ok(null);
  const keys = Keys.safeParse(parseJson(bytes.value));
  if (!keys.success) return err({ code: 'damaged', detail: `${KEYS_FILE} is not a key file of slipway-relay` });
  return ok(keys.data);
}

/** Opens the vault, making its keys first if there are none. May be repeated: keys once made stay. */
export async function ensureVault(disk: Disk, craft: KeyCraft = KEY_CRAFT): Promise<Result<Vault, VaultFailure>> {
  const existing = await openVault(disk, craft);
  if (!existing.ok) return existing;
  if (existing.value !== null) return ok(existing.value);
  const keys: Keys = { v: 1, identity: await craft.makeIdentityKey(), sealing: await craft.makeSealingKey() };
  const written = await disk.replace(KEYS_FILE, Buffer.from(`${JSON.stringify(keys)}\n`));
  return written.ok ? ok(await vaultOf(keys, craft)) : written;
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

async function vaultOf(keys: Keys, craft: KeyCraft): Promise<Vault> {
  const sign = await craft.signerOf(keys.identity);
  const openBox = await craft.openerOf(keys.sealing);
  return {
    identityKey: keys.identity.x,
    sealingKey: keys.sealing.x,
    sign,
    open: (sealed, owner) => openBox(sealed, sealContext(owner.scope, owner.gatewayId, sealed)),
    seal: async (plain, owner, about) => {
      const box = await craft.sealTo(keys.sealing.x, plain, sealContext(owner.scope, owner.gatewayId, about));
      return { v: 1, ...about, ...box };
    },
    unwrap: (wrapped, owner) => openBox(wrapped, wrapContext(owner.scope, owner.gatewayId, wrapped)),
  };
}

const decode = (text: string): Uint8Array<ArrayBuffer> => Uint8Array.from(Buffer.from(text, 'base64url'));

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
