// The token that lets one machine enrol for one claim. It says what it is for and until when, and an HMAC over that with the
// gateway's enrolment key proves it: every relay node of a gateway can check one, and none has to remember any.
import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { Claim } from '../../shared/claim.ts';
import { type EpochMs, SystemId } from '../../shared/ids.ts';
import type { Result } from '../../shared/result.ts';
import { err, ok } from '../../shared/result.ts';

export type Enrolment = { readonly claim: Claim; readonly systemId: SystemId; readonly enrolUntil: EpochMs };

const Parts = z.tuple([Claim, SystemId, z.string().regex(/^\d{1,15}$/)]);
/** A claim is at most 255 characters. */
const TOKEN_LENGTH_MAX = 600;
const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567';

/** The same enrolment always has the same token, so a repeated deploy hands out the same user-data. */
export function makeToken(key: Uint8Array, enrolment: Enrolment): string {
  const said = `${enrolment.claim}|${enrolment.systemId}|${enrolment.enrolUntil}`;
  return `${Buffer.from(said).toString('base64url')}.${base32(proofOf(key, said))}`;
}

/** What the token is for. `untrue`: not made with this key, or changed. Whether it is too late is for the caller to judge. */
export function readToken(key: Uint8Array, token: string): Result<Enrolment, 'untrue'> {
  if (token.length > TOKEN_LENGTH_MAX) return err('untrue');
  const [encoded = '', proof = ''] = token.split('.');
  const said = Buffer.from(encoded, 'base64url').toString();
  const expected = Buffer.from(base32(proofOf(key, said)));
  const given = Buffer.from(proof);
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return err('untrue');
  const parts = Parts.safeParse(said.split('|'));
  if (!parts.success) return err('untrue');
  const [claim, systemId, until] = parts.data;
  return ok({ claim, systemId, enrolUntil: Number(until) });
}

/** The prefix keeps this use of the key apart from any other. */
function proofOf(key: Uint8Array, said: string): Uint8Array {
  return createHmac('sha256', preparedOf(key)).update(`slipway/enrol/1|${said}`).digest();
}

/** Preparing a key costs Node four times the proof itself, and machines ask again and again. */
const prepared = new WeakMap<Uint8Array, KeyObject>();

function preparedOf(key: Uint8Array): KeyObject {
  const known = prepared.get(key) ?? createSecretKey(key);
  prepared.set(key, known);
  return known;
}

/** RFC 4648, lower case, without padding. */
function base32(bytes: Uint8Array): string {
  let text = '';
  let held = 0;
  let bits = 0;
  for (const byte of bytes) {
    held = (held << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += BASE32[(held >> bits) & 31];
    }
    held &= (1 << bits) - 1;
  }
  return bits === 0 ? text : text + BASE32[(held << (5 - bits)) & 31];
}
