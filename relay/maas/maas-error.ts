// The only place that knows MAAS's wording. MAAS has no machine-readable error code: status, Retry-After and a few
// sentences must do (maas.md §1, §2, §9). A failure that may have changed something is MAAS_UNKNOWN_OUTCOME, always.
import { z } from 'zod';
import type { MaasFailure } from '../../shared/maas-failure.ts';
import { assertNever } from '../../shared/result.ts';
import type { MaasAnswer, TransportFailure } from './transport.ts';

/** What was asked. `change` means that a lost answer leaves it open whether MAAS did it. */
export type CallKind = { readonly operation: string; readonly effect: 'read' | 'change' };

/** When MAAS or a proxy names no time: MAAS's own wait for database conflicts (maasserver/middleware.py). */
const RETRY_AFTER_MS = 5_000;
const RETRY_AFTER_MS_MAX = 300_000;
const DETAIL_LENGTH_MAX = 500;
const FIELDS_MAX = 20;

/** The failure an answer tells; null for an answer of success (2xx), whose body is the caller's to parse. */
export function failureOfAnswer(answer: MaasAnswer, call: CallKind): MaasFailure | null {
  const { status } = answer;
  if (status >= 200 && status < 300) return null;
  if (status === 409) return conflict(answer);
  if (status >= 500) return serverError(answer, call);
  // A 401 is judged before its content type: MAAS labels its plain text as HTML.
  if (status === 401)
    return isPage(answer) ? broken(answer, 'asks for a login of its own') : unauthorized(answer, call);
  if (isPage(answer)) return broken(answer, 'is a web page');
  switch (status) {
    case 400:
      return badRequest(answer);
    case 403:
      return forbidden(answer, call);
    case 404:
      return notFound(answer);
    case 429:
      return { code: 'MAAS_BUSY', retryAfterMs: retryAfterMs(answer), detail: 'too many requests' };
    default:
      return broken(answer, 'is not one of MAAS');
  }
}

/** The failure of a call that got no answer. */
export function failureOfTransport(failure: TransportFailure, call: CallKind): MaasFailure {
  const detail = cut(failure.detail);
  switch (failure.code) {
    case 'NEVER_SENT':
      return { code: 'MAAS_UNREACHABLE', detail };
    case 'UNTRUSTED':
      return { code: 'MAAS_TLS_UNTRUSTED', fingerprint: failure.fingerprint, detail };
    case 'MAYBE_SENT':
      return call.effect === 'change' ? unknownOutcome(call, detail) : { code: 'MAAS_UNREACHABLE', detail };
    case 'ANSWER_TOO_LARGE':
      return call.effect === 'change' ? unknownOutcome(call, detail) : { code: 'MAAS_BROKEN', detail };
    default:
      return assertNever(failure);
  }
}

/** An answer of success whose body is not what MAAS would say: `problem` must not quote the body. */
export function unreadableAnswer(problem: string, call: CallKind): MaasFailure {
  const detail = cut(`${call.operation}: ${problem}`);
  return call.effect === 'change' ? unknownOutcome(call, problem) : { code: 'MAAS_BROKEN', detail };
}

export type AddressRefusal = 'taken' | 'reserved-range' | 'dynamic-range' | 'outside-subnets';

/** Why `ipaddresses op=reserve` refused an address; null when the answer means something else. */
export function addressRefusal(answer: MaasAnswer): AddressRefusal | null {
  if (answer.status === 404 && answer.body.includes('is already in use')) return 'taken';
  if (answer.status === 404 && answer.body.includes('is within the reserved range')) return 'reserved-range';
  if (answer.status === 403 && answer.body.includes('dynamic range')) return 'dynamic-range';
  if (answer.status === 400 && answer.body.startsWith('No known subnet for IP address')) return 'outside-subnets';
  return null;
}

/** Whether `ipaddresses op=release` says that the caller holds no such address. */
export function addressNotHeld(answer: MaasAnswer): boolean {
  return answer.status === 400 && answer.body.includes('does not belong to the requesting user');
}

/** MAAS's keys have parts of 18, 18 and 32 characters; a shorter text is no secret and could be part of any word. */
const SECRET_LENGTH_MIN = 8;

/**
 * `text` with every secret blotted out. Do it before an answer is judged, not after: a text cut to length could keep the
 * first half of a secret. MAAS quotes requests in its errors, and a 401 even the real secret.
 */
export function withoutSecrets(text: string, secrets: readonly string[]): string {
  return secrets
    .filter((secret) => secret.length >= SECRET_LENGTH_MIN)
    .reduce((rest, secret) => rest.replaceAll(secret, '***'), text);
}

/** Never quotes the body: after a wrong secret it holds the right one. */
function unauthorized({ body }: MaasAnswer, call: CallKind): MaasFailure {
  if (body.includes('Expired timestamp'))
    return { code: 'MAAS_CLOCK_SKEW', detail: "this host's clock is more than 5 minutes behind MAAS's" };
  // A used nonce means that a copy of this very request came first, by a proxy that sends twice: it may have been done.
  if (body.includes('Nonce already used')) {
    const detail = 'MAAS has seen this very request before';
    return call.effect === 'change' ? unknownOutcome(call, detail) : { code: 'MAAS_BUSY', retryAfterMs: 0, detail };
  }
  return { code: 'MAAS_UNAUTHORIZED', detail: unauthorizedDetail(body) };
}

function unauthorizedDetail(body: string): string {
  if (body.includes('Invalid API key')) return 'MAAS does not know this API key; it may have been deleted';
  if (body.includes('Invalid access token')) return 'MAAS does not know the token (second part) of this API key';
  if (body.includes('Invalid signature')) return 'the secret (third part) of this API key is wrong';
  if (body.trim() === 'Forbidden') return 'MAAS saw no signature: a proxy may have removed the Authorization header';
  return 'MAAS refused the API key';
}

const FieldErrors = z.record(z.string(), z.union([z.string(), z.array(z.string())]));

function badRequest(answer: MaasAnswer): MaasFailure {
  const { body } = answer;
  if (/oauth_/.test(body)) return { code: 'MAAS_UNAUTHORIZED', detail: 'MAAS could not read the signature' };
  if (body.startsWith('Unrecognised signature')) return broken(answer, 'says that it lacks the operation');
  const parsed = FieldErrors.safeParse(parseJson(body));
  if (!parsed.success) return { code: 'MAAS_REFUSED', fields: {}, detail: cut(body) };
  const fields = Object.entries(parsed.data)
    .slice(0, FIELDS_MAX)
    .map(([name, said]) => [name, [said].flat().slice(0, FIELDS_MAX).map(cut)] as const);
  const detail = cut(fields.map(([name, said]) => `${name}: ${said.join(' ')}`).join('; '));
  return { code: 'MAAS_REFUSED', fields: Object.fromEntries(fields), detail };
}

function forbidden({ body }: MaasAnswer, call: CallKind): MaasFailure {
  if (body.startsWith('User is not allowed access'))
    return { code: 'MAAS_UNAUTHORIZED', detail: 'the MAAS user of this API key is deactivated' };
  // Mostly without a word: not yours, locked, or for administrators only.
  const detail = body.trim() === '' ? 'MAAS denies this to the user of the key' : cut(body);
  return { code: 'MAAS_FORBIDDEN', operation: call.operation, detail };
}

/** Only MAAS's own sentences count as "not there". Every web server can say 404, and a machine believed gone is lost. */
function notFound(answer: MaasAnswer): MaasFailure {
  const text = answer.body.trim();
  if (/^No \w+ matches the given query\.$/.test(text) || text === 'Not Found')
    return { code: 'MAAS_NOT_FOUND', detail: text };
  const refusal = addressRefusal(answer);
  if (refusal === 'taken') return { code: 'MAAS_CONFLICT', detail: cut(text) };
  if (refusal !== null) return { code: 'MAAS_REFUSED', fields: { ip: [cut(text)] }, detail: cut(text) };
  return broken(answer, 'does not come from the MAAS API');
}

/** Two meanings: with Retry-After the database gave up a rolled-back transaction, without it the thing's state forbids. */
function conflict(answer: MaasAnswer): MaasFailure {
  if ('retry-after' in answer.headers || answer.body.includes('Conflict error. Try your request again'))
    return { code: 'MAAS_BUSY', retryAfterMs: retryAfterMs(answer), detail: 'a database conflict; MAAS did nothing' };
  if (isPage(answer)) return broken(answer, 'is a web page');
  return { code: 'MAAS_CONFLICT', detail: cut(answer.body) };
}

/** After a 5xx a release or a power call may be half done, so no change is taken as undone (maas.md §5.4). */
function serverError(answer: MaasAnswer, call: CallKind): MaasFailure {
  if (answer.status === 503 && answer.body.startsWith('No more IPs available'))
    return { code: 'MAAS_REFUSED', fields: { subnet: [cut(answer.body)] }, detail: cut(answer.body) };
  const said = isPage(answer) ? pageTitle(answer) : cut(answer.body);
  const detail = cut(`status ${answer.status}: ${said}`);
  if (call.effect === 'change') return unknownOutcome(call, detail);
  // A gateway's page while the region restarts: the request never got to MAAS.
  if (isPage(answer) && answer.status !== 500) return { code: 'MAAS_UNREACHABLE', detail };
  if (answer.status === 503 || answer.status === 504)
    return { code: 'MAAS_BUSY', retryAfterMs: retryAfterMs(answer), detail };
  return { code: 'MAAS_BROKEN', detail };
}

const unknownOutcome = (call: CallKind, detail: string): MaasFailure => ({
  code: 'MAAS_UNKNOWN_OUTCOME',
  detail: cut(`${call.operation}: ${detail}`),
});

const broken = (answer: MaasAnswer, why: string): MaasFailure => ({
  code: 'MAAS_BROKEN',
  detail: cut(`the answer (status ${answer.status}) ${why}${isPage(answer) ? `: ${pageTitle(answer)}` : ''}`),
});

const isPage = ({ body }: MaasAnswer): boolean => /^\s*<(!doctype|html|\?xml|head|body)/i.test(body);

const pageTitle = ({ body }: MaasAnswer): string =>
  `"${/<title>([^<]{1,100})/i.exec(body.slice(0, 4_096))?.[1]?.trim() ?? 'no title'}"`;

function retryAfterMs({ headers }: MaasAnswer): number {
  const said = headers['retry-after'] ?? '';
  return /^\d{1,6}$/.test(said) ? Math.min(Number(said) * 1_000, RETRY_AFTER_MS_MAX) : RETRY_AFTER_MS;
}

/** undefined for anything that is not JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

const cut = (text: string): string =>
  text.length > DETAIL_LENGTH_MAX ? `${text.slice(0, DETAIL_LENGTH_MAX - 1)}…` : text.trim();
