// Idempotency-Key: the same request again gets the same answer again. Only answers of success are kept: what was refused had no
// effect and is looked at anew. A kept answer may hold a secret that is shown once (a pairing code, an API key), so it is
// encrypted with a key made of the caller's API key and the Idempotency-Key, neither of which is stored.
import { z } from 'zod';
import type { ApiKey } from '../../shared/api-key.ts';
import { type ApiFailure, apiFailure } from '../../shared/problem.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import { randomBytes } from '../clock.ts';
import { log, messageOf } from '../log.ts';
import { fromBase64url, toBase64url } from '../sign-command.ts';
import { beginRequest, forgetRequest, type IdempotentRequest, keepAnswer } from '../store/idempotency-keys.ts';
import { fieldFailure } from './parse-failure.ts';
import type { Answer, Context, Handled, Principal } from './route.ts';
import { sha256 } from './sha256.ts';

export const REPEAT_HEADER = 'idempotency-key';
const RepeatKey = z.string().regex(/^[\x21-\x7e]{1,255}$/);

const KeptAnswer = z.object({
  status: z.union([z.literal(200), z.literal(201), z.literal(202)]),
  body: z.json(),
  headers: z.record(z.string(), z.string()),
});

export type Repeatable = { readonly repeatKey: string; readonly run: (handle: () => Handled) => Handled };

/** Null when the request has no Idempotency-Key. */
export async function repeatable(
  context: Omit<Context, 'repeatKey'>,
  caller: { readonly principal: Principal; readonly key: ApiKey },
  body: string,
): Promise<Result<Repeatable | null, ApiFailure>> {
  const header = context.request.headers.get(REPEAT_HEADER);
  if (header === null) return ok(null);
  const given = RepeatKey.safeParse(header);
  if (!given.success) return err(fieldFailure('Idempotency-Key', 'is not 1 to 255 printable characters'));
  const { keyId, scope } = caller.principal;
  const url = new URL(context.request.url);
  const request: IdempotentRequest = {
    scope,
    apiKeyId: keyId,
    keyHash: await sha256(`${keyId}\n${given.data}`),
    requestHash: await sha256(`${context.request.method}\n${url.pathname}${url.search}\n${body}`),
  };
  const cipher = await cipherOf(caller.key, given.data);
  return ok({ repeatKey: request.keyHash, run: (handle) => runOnce(context, request, cipher, handle) });
}

async function runOnce(
  context: Omit<Context, 'repeatKey'>,
  request: IdempotentRequest,
  cipher: CryptoKey,
  handle: () => Handled,
): Handled {
  const begun = await beginRequest(context.catalogue, request, context.now);
  switch (begun.kind) {
    case 'other':
      return err(apiFailure('IDEMPOTENCY_KEY_REUSED'));
    case 'running':
      return err(apiFailure('IDEMPOTENCY_KEY_IN_USE'));
    case 'answered':
      return ok(await open(cipher, begun.answer));
    case 'begun':
      return answerAndKeep(context, request, cipher, handle);
  }
}

async function answerAndKeep(
  context: Omit<Context, 'repeatKey'>,
  request: IdempotentRequest,
  cipher: CryptoKey,
  handle: () => Handled,
): Handled {
  let answer: Awaited<Handled> | undefined;
  try {
    answer = await handle();
    if (answer.ok) await keepAnswer(context.catalogue, request, await seal(cipher, answer.value));
    return answer;
  } catch (error) {
    // The work is done and only its keeping failed: the caller gets the answer, a repeat runs again.
    if (answer?.ok !== true) throw error;
    log({ event: 'answer-not-kept', requestId: context.requestId, error: messageOf(error) });
    return answer;
  } finally {
    if (answer?.ok !== true) await forgetRequest(context.catalogue, request);
  }
}

async function cipherOf(key: ApiKey, repeatKey: string): Promise<CryptoKey> {
  const bytes = (text: string) => new TextEncoder().encode(text);
  const secret = await crypto.subtle.importKey('raw', bytes(key), 'HKDF', false, ['deriveKey']);
  const from = { name: 'HKDF', hash: 'SHA-256', salt: bytes(repeatKey), info: bytes('slipway/idempotency/1') };
  return crypto.subtle.deriveKey(from, secret, { name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']);
}

async function seal(cipher: CryptoKey, answer: Answer): Promise<string> {
  const kept = { status: answer.status, body: answer.body ?? null, headers: answer.headers ?? {} };
  const iv = randomBytes(12);
  const text = new TextEncoder().encode(JSON.stringify(kept));
  const sealed = new Uint8Array(await crypto.subtle.encrypt({ name: 'AES-GCM', iv }, cipher, text));
  return JSON.stringify([toBase64url(iv), toBase64url(sealed)]);
}

async function open(cipher: CryptoKey, kept: string): Promise<Answer> {
  const [iv, text] = z.tuple([z.string(), z.string()]).parse(JSON.parse(kept));
  const clear = await crypto.subtle.decrypt({ name: 'AES-GCM', iv: fromBase64url(iv) }, cipher, fromBase64url(text));
  const { status, body, headers } = KeptAnswer.parse(JSON.parse(new TextDecoder().decode(clear)));
  return { status, body, headers: { ...headers, 'idempotency-replayed': 'true' } };
}
