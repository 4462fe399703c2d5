// OAuth 1.0a as MAAS checks it, failures included, the one that shows the true secret too (maas.md §2).

import { createHmac } from 'node:crypto';
import { err, ok, type Result } from '../../../../shared/result.ts';
import type { Fields } from '../fields.ts';
import type { Region } from '../region.ts';
import type { ApiToken, User } from '../users-and-keys.ts';
import { type Answer, html, text, textBare } from './answer.ts';

/** Only the past is checked: a day in the future passes. */
const TIMESTAMP_AGE_SECONDS_MAX = 300;
const NONCE_LENGTH_MAX = 255;
/** Nonces are kept for longer than a timestamp lives; the bound only guards the lab's memory. */
const NONCES_MAX = 200_000;

const REQUIRED = [
  'oauth_consumer_key',
  'oauth_token',
  'oauth_signature',
  'oauth_signature_method',
  'oauth_timestamp',
  'oauth_nonce',
];

/** What a signature is checked against; the same for API keys and for machines' metadata tokens. */
export type Credential = Pick<ApiToken, 'consumerKey' | 'tokenKey' | 'secret'>;

export type SignedRequest = {
  readonly authorization: string;
  readonly method: string;
  readonly url: string;
  readonly query: Fields;
  readonly nowMs: number;
};

export type NonceBook = Set<string>;

/** The credential that signed the request, or MAAS's answer. Each nonce passes once. */
export function checkSignature<C extends Credential>(
  request: SignedRequest,
  credentials: readonly C[],
  nonces: NonceBook,
): Result<C, Answer> {
  if (!REQUIRED.every((name) => request.authorization.includes(name))) return err(textBare(401, 'Forbidden'));
  if (!request.authorization.startsWith('OAuth ')) {
    return err(text(400, "'Bad Request: Parameter not found: oauth_consumer_key'"));
  }
  const parameters = parseHeader(request.authorization.slice('OAuth '.length));
  if (!parameters) return unauthorized("'Unable to parse OAuth parameters from Authorization header.'");
  const get = (name: string): string => parameters.get(name) ?? '';
  const version = parameters.get('oauth_version') ?? '1.0';
  if (version !== '1.0') return unauthorized(`'OAuth version ${version} not supported.'`);
  const ofConsumer = credentials.filter((credential) => credential.consumerKey === get('oauth_consumer_key'));
  if (ofConsumer.length === 0) return unauthorized('Invalid API key.');
  const credential = ofConsumer.find((candidate) => candidate.tokenKey === get('oauth_token'));
  if (!credential) return unauthorized(`'Invalid access token: ${get('oauth_token')}'`);
  const fresh = checkFreshness(get('oauth_timestamp'), get('oauth_nonce'), credential, request.nowMs, nonces);
  if (!fresh.ok) return fresh;
  const signed = checkSecret(parameters, credential, request);
  return signed.ok ? ok(credential) : signed;
}

/** The user behind an API key; a key denied by a fault is as good as deleted. */
export function checkUser(
  request: SignedRequest,
  region: Region,
  nonces: NonceBook,
  isDenied: (token: ApiToken) => boolean,
): Result<User, Answer> {
  const token = checkSignature(
    request,
    region.tokens.filter((candidate) => !isDenied(candidate)),
    nonces,
  );
  if (!token.ok) return token;
  const user = region.users.get(token.value.owner);
  return user?.active ? ok(user) : err(text(403, 'User is not allowed access to this API.'));
}

const unauthorized = (what: string): Result<never, Answer> =>
  err(html(401, `Authorization Error: ${what}`, { 'WWW-Authenticate': 'OAuth realm="OAuth"' }));

function checkFreshness(
  timestamp: string,
  nonce: string,
  credential: Credential,
  nowMs: number,
  nonces: NonceBook,
): Result<null, Answer> {
  // 3.7 does not catch Python's complaint; 3.8 answers 400.
  if (!/^\s*-?\d+\s*$/.test(timestamp)) return err(text(500, `invalid literal for int() with base 10: '${timestamp}'`));
  const now = Math.floor(nowMs / 1_000);
  if (now - Number(timestamp) > TIMESTAMP_AGE_SECONDS_MAX) {
    return unauthorized(
      `'Expired timestamp: given ${timestamp} and now ${now} has a greater difference than threshold ${TIMESTAMP_AGE_SECONDS_MAX}'`,
    );
  }
  if (nonce.length > NONCE_LENGTH_MAX) return err(text(500, 'value too long for type character varying(255)\n'));
  const key = `${credential.consumerKey} ${credential.tokenKey} ${nonce}`;
  if (nonces.has(key)) return unauthorized(`'Nonce already used: ${nonce}'`);
  if (nonces.size >= NONCES_MAX) nonces.clear();
  nonces.add(key);
  return ok(null);
}

function checkSecret(
  parameters: ReadonlyMap<string, string>,
  credential: Credential,
  request: SignedRequest,
): Result<null, Answer> {
  const method = parameters.get('oauth_signature_method') ?? '';
  const signature = parameters.get('oauth_signature') ?? '';
  if (method !== 'PLAINTEXT' && method !== 'HMAC-SHA1') {
    return unauthorized(`'Signature method ${method} not supported try one of the following: PLAINTEXT, HMAC-SHA1'`);
  }
  const base = method === 'PLAINTEXT' ? `&${credential.secret}` : signatureBase(parameters, request);
  const expected =
    method === 'PLAINTEXT' ? base : createHmac('sha1', `&${credential.secret}`).update(base).digest('base64');
  return signature === expected
    ? ok(null)
    : unauthorized(`'Invalid signature. Expected signature base string: ${base}'`);
}

/** RFC 5849 §3.4.1. */
function signatureBase(parameters: ReadonlyMap<string, string>, request: SignedRequest): string {
  const pairs: [string, string][] = [...parameters].filter(([name]) => name !== 'oauth_signature' && name !== 'realm');
  for (const [name, values] of request.query) for (const value of values) pairs.push([name, value]);
  const normal = pairs
    .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`)
    .sort()
    .join('&');
  return [request.method, encodeURIComponent(request.url), encodeURIComponent(normal)].join('&');
}

/** null when some part is no `name=value`. Quotes and blanks are optional; values are percent-decoded. */
function parseHeader(header: string): Map<string, string> | null {
  const parameters = new Map<string, string>();
  for (const part of header.split(',')) {
    const equals = part.indexOf('=');
    if (equals < 0) return null;
    const value = part
      .slice(equals + 1)
      .trim()
      .replaceAll(/^"|"$/g, '');
    parameters.set(part.slice(0, equals).trim(), safeDecode(value));
  }
  return parameters;
}

function safeDecode(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    // A stray percent sign is kept as it is, as Python's unquote does.
    return value;
  }
}
