// One MAAS account as typed calls. A call is: a place at the region's gate, a signature, one exchange over the transport,
// a Result. Nothing is retried and nothing decided here; what an answer means, maas-error.ts says.
import { z } from 'zod';
import type { EpochMs } from '../../shared/ids.ts';
import type { MaasFailure } from '../../shared/maas-failure.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import { type ApiKey, parseApiKey } from './api-key.ts';
import { normaliseEndpoint } from './endpoint.ts';
import {
  type CallKind,
  failureOfAnswer,
  failureOfTransport,
  parseJson,
  unreadableAnswer,
  withoutSecrets,
} from './maas-error.ts';
import type { RequestGate } from './request-gate.ts';
import { signRequest } from './sign-request.ts';
import type { MaasAnswer, MaasTransport } from './transport.ts';

/**
 * Ruling 13.8: a call ends here, the wait at the region's gate included, so that a change never reaches MAAS later than
 * this after the caller was allowed to make it. One that was cut off counts as an unknown outcome.
 */
export const CALL_TIMEOUT_MS = 30_000;

/** Of an error's text; far more than any failure tells. */
const ERROR_BODY_LENGTH_MAX = 64 * 1024;

export type Pairs = readonly (readonly [name: string, value: string])[];

export type GetCall<T> = {
  /** Our name of the call, for failures: `machines.read`. */
  readonly operation: string;
  /** Below `/MAAS/api/2.0/`, ending in a slash. */
  readonly path: string;
  readonly query?: Pairs;
  readonly answer: z.ZodType<T>;
  /** `version/` only: MAAS answers it to anybody, so the key need not leave. */
  readonly anonymous?: boolean;
};

export type PostCall<T, F> = {
  readonly operation: string;
  readonly path: string;
  readonly op: string;
  /** Parameters go in the body only: MAAS ignores those of the query (maas.md §1.4). */
  readonly form: Pairs;
  readonly answer: z.ZodType<T>;
  /** A refusal that means something only at this call; null leaves the answer to maas-error.ts. */
  readonly refusal?: (answer: MaasAnswer) => F | null;
};

export const MaasUser = z.object({ username: z.string().min(1), is_superuser: z.boolean() });
export type MaasUser = z.infer<typeof MaasUser>;

export type MaasClient = {
  readonly endpoint: string;
  /** May be repeated. */
  readonly get: <T>(call: GetCall<T>) => Promise<Result<T, MaasFailure>>;
  /** Changes MAAS: after MAAS_UNKNOWN_OUTCOME look before repeating. */
  readonly post: <T, F = never>(call: PostCall<T, F>) => Promise<Result<T, MaasFailure | F>>;
  /** Whose key this is; asked once, since a key never changes its user. The one call that tests a key. */
  readonly user: () => Promise<Result<MaasUser, MaasFailure>>;
};

export type MaasClientOptions = {
  readonly endpoint: string;
  /** `consumer:token:secret`. */
  readonly apiKey: string;
  readonly transport: MaasTransport;
  /** Of the region: `createRegionGates` in request-gate.ts. */
  readonly gateOf: (endpoint: string) => RequestGate;
  readonly now: () => EpochMs;
  /** Numbers in [0, 1), good enough that nonces never repeat. */
  readonly random: () => number;
};

/** Fails with MAAS_REFUSED (fields `endpoint` or `apiKey`) when either can't be one. Sends nothing. */
export function createMaasClient(options: MaasClientOptions): Result<MaasClient, MaasFailure> {
  const endpoint = normaliseEndpoint(options.endpoint);
  if (!endpoint.ok) return endpoint;
  const key = parseApiKey(options.apiKey);
  if (!key.ok) return key;
  const account: Account = {
    ...options,
    endpoint: endpoint.value,
    key: key.value,
    gate: options.gateOf(endpoint.value),
  };
  const get: MaasClient['get'] = (call) => getAnswer(account, call);
  let known: MaasUser | null = null;
  return ok({
    endpoint: endpoint.value,
    get,
    post: (call) => postAnswer(account, call),
    user: async () => {
      if (known !== null) return ok(known);
      const asked = await get({
        operation: 'users.whoami',
        path: 'users/',
        query: [['op', 'whoami']],
        answer: MaasUser,
      });
      if (asked.ok) known = asked.value;
      return asked;
    },
  });
}

type Account = Omit<MaasClientOptions, 'apiKey' | 'gateOf'> & { readonly key: ApiKey; readonly gate: RequestGate };

async function getAnswer<T>(account: Account, call: GetCall<T>): Promise<Result<T, MaasFailure>> {
  const kind: CallKind = { operation: call.operation, effect: 'read' };
  const query = call.query === undefined ? '' : `?${encode(call.query)}`;
  const answered = await exchange(account, kind, {
    method: 'GET',
    path: `${call.path}${query}`,
    anonymous: call.anonymous ?? false,
  });
  return answered.ok ? parseAnswer(account, kind, answered.value, call.answer) : answered;
}

async function postAnswer<T, F>(account: Account, call: PostCall<T, F>): Promise<Result<T, MaasFailure | F>> {
  const kind: CallKind = { operation: call.operation, effect: 'change' };
  const answered = await exchange(account, kind, {
    method: 'POST',
    path: `${call.path}?${encode([['op', call.op]])}`,
    anonymous: false,
    body: encode(call.form),
  });
  if (!answered.ok) return answered;
  const refusal = call.refusal?.(answered.value) ?? null;
  return refusal === null ? parseAnswer(account, kind, answered.value, call.answer) : err(refusal);
}

type Outgoing = {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly anonymous: boolean;
  readonly body?: string;
};

async function exchange(
  account: Account,
  kind: CallKind,
  outgoing: Outgoing,
): Promise<Result<MaasAnswer, MaasFailure>> {
  const { method, body } = outgoing;
  const url = `${account.endpoint}/api/2.0/${outgoing.path}`;
  const passed = await account.gate.run((waitedMs) => {
    // Signed here, not before: the wait at the gate must not age the time stamp.
    const signature = outgoing.anonymous
      ? {}
      : { authorization: signRequest(account.key, { method, url }, account.now(), account.random) };
    const form = body === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' };
    return account.transport({
      method,
      url,
      headers: { accept: 'application/json', ...form, ...signature },
      ...(body === undefined ? {} : { body }),
      timeoutMs: CALL_TIMEOUT_MS - Math.ceil(waitedMs),
    });
  });
  if (!passed.ok) return err(tooManyCalls(kind));
  if (passed.value.ok) return passed.value;
  const lost = passed.value.error;
  return err(failureOfTransport({ ...lost, detail: clean(account, lost.detail) }, kind));
}

function parseAnswer<T>(
  account: Account,
  kind: CallKind,
  answer: MaasAnswer,
  schema: z.ZodType<T>,
): Result<T, MaasFailure> {
  if (answer.status < 200 || answer.status > 299) {
    const failure = failureOfAnswer(
      { ...answer, body: clean(account, answer.body.slice(0, ERROR_BODY_LENGTH_MAX)) },
      kind,
    );
    if (failure !== null) return err(failure);
  }
  // Releases and deletions answer 204 with nothing.
  const parsed = schema.safeParse(answer.body === '' ? null : parseJson(answer.body));
  if (parsed.success) return ok(parsed.data);
  const issue = parsed.error.issues[0];
  const problem = `the answer is not as MAAS gives it (${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''})`;
  return err(unreadableAnswer(clean(account, problem), kind));
}

const tooManyCalls = (kind: CallKind): MaasFailure => ({
  code: 'MAAS_BUSY',
  retryAfterMs: 1_000,
  detail: `${kind.operation} was not sent: too many calls wait for this MAAS`,
});

const clean = ({ key }: Account, text: string): string => withoutSecrets(text, [key.secret, key.token, key.consumer]);

function encode(pairs: Pairs): string {
  const encoded = new URLSearchParams();
  for (const [name, value] of pairs) encoded.append(name, value);
  return encoded.toString();
}
