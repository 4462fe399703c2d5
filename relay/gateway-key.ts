// The gateway's key as this node holds it: what secrets are sealed to, what proves machines (enrolment key), what they pin
// (enrolment authority), and which nodes it was given to. The first node makes it before it pairs; a further one gets it
// wrapped from a node that has it (N1-N4). Kept 0600, never in the clear anywhere else.
import { z } from 'zod';
import { EpochMs, RelayNodeId } from '../shared/ids.ts';
import { err, ok, type Result } from '../shared/result.ts';
import { type SealedSecret, sealContext } from '../shared/sealed-secret.ts';
import { KeyAndCertificate } from './bootstrap/certificate-authority.ts';
import { formerAuthority } from './enrolment/endpoint-certificate.ts';
import { parseOwnFile } from './enrolment/own-file.ts';
import { type Box, type Context, SealingJwk } from './hpke.ts';
import { KEY_CRAFT, type KeyCraft } from './key-craft.ts';
import type { Disk, DiskFailure } from './ports.ts';
import { type About, keepSecret, type Owner, readKeys, type VaultFailure } from './vault.ts';

export const GATEWAY_KEY_FILE = 'gateway-key.json';
/** A key that another one took the place of, in case somebody still needs it. */
const FORMER_KEY_FILE = 'gateway-key-former.json';
/** Of a folder of before. */
const ENROLMENT_KEY_FILE = 'enrolment-key';
const ENROLMENT_KEY_BYTES = 32;
/** A gateway has up to three nodes; the list also remembers those that went. */
const HOLDERS_MAX = 100;

/** How the recovery key stands among the holders: a list that relays of before take too. No node is called so. */
export const RECOVERY_HOLDER = RelayNodeId.parse('nod_recovery');

/** A node, or the recovery key, that this key was given to. */
const Holder = z.strictObject({
  nodeId: RelayNodeId,
  /** SHA-256 of its identity key, hex. */
  fingerprint: z.string(),
  keyAgreementKey: z.string(),
  by: RelayNodeId,
  at: EpochMs,
});
export type Holder = z.infer<typeof Holder>;

const Content = z.strictObject({
  v: z.literal(1),
  sealing: SealingJwk,
  enrolmentKey: z.base64url(),
  authority: KeyAndCertificate,
  holders: z.array(Holder).max(HOLDERS_MAX),
});
type Content = z.infer<typeof Content>;

export type GatewayKey = {
  /** Raw X25519 public key, base64url. */
  readonly sealingKey: string;
  readonly enrolmentKey: Uint8Array;
  readonly authority: KeyAndCertificate;
  readonly holders: readonly Holder[];
  readonly open: (sealed: SealedSecret, owner: Owner) => Promise<Result<Uint8Array, 'unreadable'>>;
  readonly seal: (plain: Uint8Array, owner: Owner, about: About) => Promise<SealedSecret>;
  /** A copy of the key that lists `holder` too, and that copy in a box for it. Throws when its key is none. */
  readonly shareWith: (holder: Holder, context: Context) => Promise<{ readonly file: Uint8Array; readonly box: Box }>;
};

/** Null when this node holds none. `damaged`: it is never overwritten, since the gateway's secrets hang on it. */
export async function openGatewayKey(
  disk: Disk,
  craft: KeyCraft = KEY_CRAFT,
): Promise<Result<GatewayKey | null, VaultFailure>> {
  const bytes = await disk.read(GATEWAY_KEY_FILE);
  if (!bytes.ok) return bytes;
  if (bytes.value === null || bytes.value.byteLength === 0) return ok(null);
  const key = await parseGatewayKey(bytes.value, craft);
  return key === null ? err({ code: 'damaged', detail: `${GATEWAY_KEY_FILE} is not a gateway's key` }) : ok(key);
}

/** The key to offer when pairing: the one held, else a new one. On disk before it is answered. May be repeated. */
export async function ensureGatewayKey(
  disk: Disk,
  now: EpochMs,
  craft: KeyCraft = KEY_CRAFT,
): Promise<Result<GatewayKey, VaultFailure>> {
  const held = await openGatewayKey(disk, craft);
  if (!held.ok) return held;
  if (held.value !== null) return ok(held.value);
  const content: Content = {
    v: 1,
    sealing: await craft.makeSealingKey(),
    enrolmentKey: Buffer.from(craft.randomBytes(ENROLMENT_KEY_BYTES)).toString('base64url'),
    authority: await craft.makeAuthority(now),
    holders: [],
  };
  return write(disk, content, craft);
}

/** The key of a folder from before gateways had more than one node: there the node's key was the gateway's. */
export async function takeFormerKey(
  disk: Disk,
  now: EpochMs,
  craft: KeyCraft = KEY_CRAFT,
): Promise<Result<GatewayKey | null, VaultFailure>> {
  const keys = await readKeys(disk);
  if (!keys.ok || keys.value === null) return keys.ok ? ok(null) : keys;
  const enrolmentKey = await keepSecret(disk, ENROLMENT_KEY_FILE, () => craft.randomBytes(ENROLMENT_KEY_BYTES));
  if (!enrolmentKey.ok) return enrolmentKey;
  const authority = await formerAuthority(disk);
  if (!authority.ok) return authority;
  const content: Content = {
    v: 1,
    sealing: keys.value.sealing,
    enrolmentKey: Buffer.from(enrolmentKey.value).toString('base64url'),
    authority: authority.value ?? (await craft.makeAuthority(now)),
    holders: [],
  };
  return write(disk, content, craft);
}

/** The key that was offered is not the gateway's: it is worth nothing. */
export function forgetGatewayKey(disk: Disk): Promise<Result<null, DiskFailure>> {
  return disk.replace(GATEWAY_KEY_FILE, new Uint8Array());
}

/** Puts `file` in the place of what is held; another key is kept beside. */
export async function replaceGatewayKey(
  disk: Disk,
  file: Uint8Array,
  held: GatewayKey | null,
  craft: KeyCraft = KEY_CRAFT,
): Promise<Result<GatewayKey | null, DiskFailure>> {
  const key = await parseGatewayKey(file, craft);
  if (key === null) return ok(null);
  if (held !== null && held.sealingKey !== key.sealingKey) {
    const before = await disk.read(GATEWAY_KEY_FILE);
    if (!before.ok) return before;
    const kept = await disk.replace(FORMER_KEY_FILE, before.value ?? new Uint8Array());
    if (!kept.ok) return kept;
  }
  const written = await disk.replace(GATEWAY_KEY_FILE, file);
  return written.ok ? ok(key) : written;
}

async function write(disk: Disk, content: Content, craft: KeyCraft): Promise<Result<GatewayKey, DiskFailure>> {
  const written = await disk.replace(GATEWAY_KEY_FILE, bytesOf(content));
  return written.ok ? ok(await keyOf(content, craft)) : written;
}

/** Null when it is in another form. */
export async function parseGatewayKey(bytes: Uint8Array, craft: KeyCraft = KEY_CRAFT): Promise<GatewayKey | null> {
  const content = parseOwnFile(Content, bytes);
  return content === null ? null : keyOf(content, craft);
}

async function keyOf(content: Content, craft: KeyCraft): Promise<GatewayKey> {
  const { sealing, enrolmentKey, authority, holders } = content;
  const openBox = await craft.openerOf(sealing);
  return {
    sealingKey: sealing.x,
    enrolmentKey: new Uint8Array(Buffer.from(enrolmentKey, 'base64url')),
    authority,
    holders,
    open: (sealed, owner) => openBox(sealed, sealContext(owner.scope, owner.gatewayId, sealed)),
    seal: async (plain, owner, about) => {
      const box = await craft.sealTo(sealing.x, plain, sealContext(owner.scope, owner.gatewayId, about));
      return { v: 1, ...about, ...box };
    },
    shareWith: async (holder, context) => {
      const others = holders.filter((one) => one.nodeId !== holder.nodeId).slice(1 - HOLDERS_MAX);
      const file = bytesOf({ ...content, holders: [...others, holder] });
      return { file, box: await craft.sealTo(holder.keyAgreementKey, file, context) };
    },
  };
}

const bytesOf = (content: Content): Uint8Array => Buffer.from(`${JSON.stringify(content)}\n`);
