// Pairing: a one-time code makes this relay a gateway's node (shared/pairing.ts). The code is checked here before anything is
// sent; the command key that comes back must be the one the code names, so a console under foreign control can't take over.
import { createHash } from 'node:crypto';
import type { z } from 'zod';
import type { EpochMs } from '../shared/ids.ts';
import { base32, PairingChallenge, PairingResponse, pairingText, readPairingCode } from '../shared/pairing.ts';
import { Problem } from '../shared/problem.ts';
import { err, ok, type Result } from '../shared/result.ts';
import { ensureGatewayKey, forgetGatewayKey, type GatewayKey, openGatewayKey, takeFormerKey } from './gateway-key.ts';
import { type Identity, readIdentity, writeIdentity } from './identity.ts';
import { KEY_CRAFT, type KeyCraft } from './key-craft.ts';
import type { Disk, DiskFailure } from './ports.ts';
import { ensureVault, type Vault, type VaultFailure } from './vault.ts';

/** What went wrong, and what to do about it, in plain words. */
export type PairFailure = { readonly message: string; readonly todo: string };

/** One POST of JSON. Never throws; the failure is told in words. */
export type PostJson = (
  url: string,
  body: unknown,
) => Promise<Result<{ readonly status: number; readonly body: unknown }, { readonly detail: string }>>;

export type Pairing = {
  readonly code: string;
  /** Origin of the console. */
  readonly console: string;
  readonly hostname: string;
  readonly relayVersion: string;
  /** Gives up the identity this folder has. */
  readonly replace: boolean;
  readonly now: EpochMs;
  /** The gateway's object, for a code that another of its relays made (I3). */
  readonly object?: string;
};

export type Paired = {
  readonly identity: Identity;
  readonly keyFingerprint: string;
  readonly already: boolean;
  /** False: a node of the gateway that holds its key has to give it first (N2). */
  readonly holdsKey: boolean;
};

/** Pairs; with the code it was paired with before, answers the same without asking anybody. May be repeated. */
export async function pair(
  pairing: Pairing,
  disk: Disk,
  post: PostJson,
  craft: KeyCraft = KEY_CRAFT,
): Promise<Result<Paired, PairFailure>> {
  const read = readPairingCode(pairing.code);
  if (read === null) {
    return refused('The pairing code is mistyped or cut.', 'Copy the whole code again: it begins with pcg1_.');
  }
  const vault = await ensureVault(disk, craft);
  if (!vault.ok) return err(onDisk(vault.error));
  const codeHash = sha256(Buffer.from(read.code)).toString('base64url');
  const keyFingerprint = await fingerprintOf(vault.value.identityKey);
  const existing = await readIdentity(disk);
  if (!existing.ok) return err(onDisk(existing.error));
  if (existing.value?.codeHash === codeHash) {
    const held = await openGatewayKey(disk, craft);
    if (!held.ok) return err(onDisk(held.error));
    const holdsKey = held.value !== null || isFormer(existing.value);
    return ok({ identity: existing.value, keyFingerprint, already: true, holdsKey });
  }
  if (existing.value !== null && !pairing.replace) {
    const { gatewayName, gatewayId } = existing.value;
    return refused(
      `This relay is paired already, as gateway ${gatewayName} (${gatewayId}). The new code was not used.`,
      'To pair it anew, run the same command with --replace.',
    );
  }
  const offered = await keyToOffer(disk, existing.value, pairing.now, craft);
  if (!offered.ok) return err(onDisk(offered.error));
  const answered = await ask(pairing, codeHash, vault.value, offered.value, post);
  if (!answered.ok) return answered;
  const named = base32(sha256(Buffer.from(answered.value.commandKey, 'base64url')).subarray(0, 10));
  if (named !== read.keyFingerprint) {
    return refused(
      'The console signs its commands with another key than the pairing code names. Nothing was kept.',
      'Check SLIPWAY_CONSOLE and that nobody sits between this host and the console, then make a new code.',
    );
  }
  const identity: Identity = { ...answered.value, v: 1, origin: pairing.console, codeHash };
  // A console that says nothing of it takes what was offered (N1).
  const holdsKey = identity.sealingKey === undefined || identity.sealingKey === offered.value.sealingKey;
  const forgotten = holdsKey ? ok(null) : await forgetGatewayKey(disk);
  if (!forgotten.ok) return err(onDisk(forgotten.error));
  const written = await writeIdentity(disk, identity);
  return written.ok ? ok({ identity, keyFingerprint, already: false, holdsKey }) : err(onDisk(written.error));
}

/** N1: what this folder has, else a new one, which counts only if the gateway has none. */
async function keyToOffer(
  disk: Disk,
  existing: Identity | null,
  now: EpochMs,
  craft: KeyCraft,
): Promise<Result<GatewayKey, VaultFailure>> {
  const held = await openGatewayKey(disk, craft);
  if (!held.ok) return held;
  const former =
    held.value === null && existing !== null && isFormer(existing) ? await takeFormerKey(disk, now, craft) : held;
  if (!former.ok) return former;
  return former.value === null ? ensureGatewayKey(disk, now, craft) : ok(former.value);
}

/** Paired before gateways had more than one node: the node's key is the gateway's. */
export const isFormer = (identity: Identity): boolean => identity.sealingKey === undefined;

/** SHA-256 of a raw public key, as the console shows it: pairs of hex digits. */
export async function fingerprintOf(publicKey: string): Promise<string> {
  const digest = sha256(Buffer.from(publicKey, 'base64url')).toString('hex');
  return (digest.match(/../g) ?? []).join(':');
}

async function ask(
  pairing: Pairing,
  codeHash: string,
  vault: Vault,
  offered: GatewayKey,
  post: PostJson,
): Promise<Result<PairingResponse, PairFailure>> {
  const where = pairing.object === undefined ? {} : { object: pairing.object };
  const challenge = await call(pairing, '/v1/pairing/challenge', { codeHash, ...where }, PairingChallenge, post);
  if (!challenge.ok) return challenge;
  const { nonce, origin } = challenge.value;
  if (origin !== pairing.console) {
    return refused(
      `The console calls itself ${origin}, but this relay was pointed at ${pairing.console}.`,
      `Set SLIPWAY_CONSOLE=${origin} if that is your console; else somebody answers in its place.`,
    );
  }
  const request = {
    codeHash,
    nonce,
    identityKey: vault.identityKey,
    sealingKey: offered.sealingKey,
    keyAgreementKey: vault.sealingKey,
    hostname: pairing.hostname.slice(0, 253),
    relayVersion: pairing.relayVersion,
  };
  const signature = await vault.sign(pairingText(request, origin));
  return call(pairing, '/v1/pairing', { ...request, ...where, signature }, PairingResponse, post);
}

async function call<T>(
  { console }: Pairing,
  path: string,
  body: unknown,
  answer: z.ZodType<T>,
  post: PostJson,
): Promise<Result<T, PairFailure>> {
  const answered = await post(`${console}${path}`, body);
  if (!answered.ok) {
    return refused(
      `${console} can't be reached: ${answered.error.detail}`,
      'Check SLIPWAY_CONSOLE, DNS, the firewall (outgoing 443) and HTTPS_PROXY; `slipway-relay doctor` looks at each.',
    );
  }
  if (answered.value.status >= 200 && answered.value.status <= 299) {
    const parsed = answer.safeParse(answered.value.body);
    if (parsed.success) return ok(parsed.data);
    return refused(
      `${console} answered in a form this relay does not know.`,
      'Check that SLIPWAY_CONSOLE is a Slipway console, and that this relay is not older than it.',
    );
  }
  const problem = Problem.safeParse(answered.value.body);
  if (problem.success) return refused(`${problem.data.detail} (${problem.data.code})`, problem.data.todo);
  return refused(
    `${console}${path} answered with status ${answered.value.status} and nothing a Slipway console would say.`,
    'Check SLIPWAY_CONSOLE; a proxy or another server may be answering.',
  );
}

function onDisk(failure: DiskFailure | VaultFailure): PairFailure {
  const todo = {
    full: 'Free some room on the disk of the state folder, then run this again.',
    broken: 'Check that the state folder (SLIPWAY_STATE_DIR) exists and belongs to the user who runs slipway-relay.',
    damaged: 'Restore the file from a backup; or move it away to pair as a new node.',
  };
  return { message: `The state folder can't be used: ${failure.detail}`, todo: todo[failure.code] };
}

const sha256 = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest();

const refused = (message: string, todo: string): Result<never, PairFailure> => err({ message, todo });
