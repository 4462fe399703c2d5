// Pairing: a one-time code turns a relay into a gateway's node. The code also pins the edge's command-signing key, so
// whoever later controls the server's name still can't command the relay (reliability.md §2).
import { z } from 'zod';
import { AgreementKey } from './gateway-key.ts';
import { EpochMs, GatewayId, RelayNodeId, Scope } from './ids.ts';
import { ReleaseKey } from './release.ts';

const base64url = z.string().regex(/^[A-Za-z0-9_-]+$/);
const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567';

/** `pcg1_<32 characters: 160 random bits>_<16: fingerprint of the command key>_<7: check>`, all lower-case base32. */
export const PairingCode = z.string().regex(/^pcg1_[a-z2-7]{32}_[a-z2-7]{16}_[a-z2-7]{7}$/);
export type PairingCode = z.infer<typeof PairingCode>;

/** Lower-case base32 (RFC 4648) without padding. */
export function base32(bytes: Uint8Array): string {
  let bits = 0;
  let held = 0;
  let text = '';
  for (const byte of bytes) {
    held = (held << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += BASE32.charAt((held >>> bits) & 31);
      held &= (1 << bits) - 1;
    }
  }
  return bits > 0 ? text + BASE32.charAt((held << (5 - bits)) & 31) : text;
}

/** @param random 20 bytes  @param keyFingerprint the first 10 bytes of SHA-256 of the raw command key */
export function makePairingCode(random: Uint8Array, keyFingerprint: Uint8Array): PairingCode {
  const body = `pcg1_${base32(random.slice(0, 20))}_${base32(keyFingerprint.slice(0, 10))}`;
  return PairingCode.parse(`${body}_${checkText(body)}`);
}

/** Why a code can't be right, told before anything is sent; null when it is well-formed. Spaces and capitals are forgiven. */
export function readPairingCode(typed: string): { code: PairingCode; keyFingerprint: string } | null {
  const code = PairingCode.safeParse(typed.replace(/\s/g, '').toLowerCase());
  if (!code.success) return null;
  const [, , keyFingerprint = '', check] = code.data.split('_');
  const body = code.data.slice(0, code.data.lastIndexOf('_'));
  return check === checkText(body) ? { code: code.data, keyFingerprint } : null;
}

/** CRC-32 (IEEE) in base32: finds a mistyped character, proves nothing. */
export function checkText(body: string): string {
  let crc = 0xffffffff;
  for (const character of body) {
    crc ^= character.charCodeAt(0);
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  const value = (crc ^ 0xffffffff) >>> 0;
  return base32(Uint8Array.of(value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255));
}

/** POST /v1/pairing/challenge */
export const PairingChallengeRequest = z.strictObject({
  codeHash: base64url.length(43),
  /** The gateway's object, for a code that its own relay made (I3); left out, the catalogue finds it by the code. */
  object: z.string().max(255).optional(),
});
export const PairingChallenge = z.strictObject({ nonce: base64url.max(64), origin: z.string().max(255) });
export type PairingChallenge = z.infer<typeof PairingChallenge>;

/** POST /v1/pairing. The code itself is never sent: its SHA-256 and the signature are enough, and logs can't leak it. */
export const PairingRequest = z.strictObject({
  codeHash: base64url.length(43),
  nonce: base64url.max(64),
  /** Raw Ed25519 public key of the relay node, 32 bytes. */
  identityKey: base64url.length(43),
  /**
   * The gateway's sealing key as this relay holds or would make it: secrets are sealed to it. Taken only while the gateway
   * has none; a gateway's key is never replaced by pairing.
   */
  sealingKey: AgreementKey,
  /** The node's own: the gateway's key is wrapped for it. Absent from relays that can only be the one with the key. */
  keyAgreementKey: AgreementKey.optional(),
  /** As in the challenge. */
  object: z.string().max(255).optional(),
  hostname: z.string().max(253),
  relayVersion: z.string().max(64),
  /** Ed25519 by `identityKey` over `pairingText`. */
  signature: base64url.max(128),
});
export type PairingRequest = z.infer<typeof PairingRequest>;

export const PairingResponse = z.strictObject({
  scope: Scope,
  gatewayId: GatewayId,
  gatewayName: z.string(),
  nodeId: RelayNodeId,
  /** Raw Ed25519 public key that signs commands; the relay checks it against the code's fingerprint. */
  commandKey: base64url.length(43),
  /** Path of the tunnel on the same origin. */
  tunnelPath: z.string().max(255),
  pairedAt: EpochMs,
  /** The gateway's: another one than was offered means that this node has to be given it. Told to who sent a `keyAgreementKey`. */
  sealingKey: AgreementKey.optional(),
  /** Signs releases; pinned from now on. Left out by a console that publishes none. */
  releaseKey: ReleaseKey.optional(),
});
export type PairingResponse = z.infer<typeof PairingResponse>;

export function pairingText(request: Omit<PairingRequest, 'signature' | 'object'>, origin: string): string {
  return [
    'slipway/pairing/1',
    request.nonce,
    origin,
    request.codeHash,
    request.identityKey,
    request.sealingKey,
    request.hostname,
    request.relayVersion,
    ...(request.keyAgreementKey === undefined ? [] : [request.keyAgreementKey]),
  ].join('\n');
}
