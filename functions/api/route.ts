// A route is declared once: method, path, what it takes, what it answers, who may ask. Mounting, checking, the OpenAPI document
// and the test of every role are all driven by the declarations in routes.ts.
import { z } from 'zod';
import type { Role } from '../../shared/api-key.ts';
import type { ApiKeyId, EpochMs, RequestId, Scope } from '../../shared/ids.ts';
import { type ApiFailure, apiFailure, type ProblemCode } from '../../shared/problem.ts';
import { err, type Result } from '../../shared/result.ts';
import type { Env } from '../env.ts';
import type { Catalogue } from '../store/catalogue.ts';
import { bodyFailure, queryFailure } from './parse-failure.ts';

export type Principal = {
  readonly keyId: ApiKeyId;
  readonly keyName: string;
  readonly role: Role;
  readonly scope: Scope;
};

export type Answer = {
  readonly status: 200 | 201 | 202 | 204;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Instead of `body`. */
  readonly stream?: ReadableStream<Uint8Array>;
};

/** What every handler gets, whoever asks. */
export type Context = {
  readonly env: Env;
  readonly catalogue: Catalogue;
  readonly requestId: RequestId;
  readonly now: EpochMs;
  readonly request: Request;
  /** Names this request among repeats (hash of principal and Idempotency-Key); null without such a key. */
  readonly repeatKey: string | null;
};

export type Call<P, Q, B> = Context & { readonly params: P; readonly query: Q; readonly body: B };
export type Handled = Promise<Result<Answer, ApiFailure>>;

/** `public`: anybody. `setup-secret`: the handler checks the deployment's secret. Otherwise an API key of one of these roles. */
export type Access = 'public' | 'setup-secret' | readonly Role[];

type Declared<P extends z.ZodObject, Q extends z.ZodObject, B extends z.ZodType> = {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** OpenAPI's form: `/v1/gateways/{gatewayId}`. */
  readonly path: `/v1/${string}`;
  readonly summary: string;
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  /** By status; null: no body. */
  readonly answers: Readonly<Record<number, z.ZodType | null>>;
  /** The content type of the answer when it is not JSON. */
  readonly streams?: string;
  /** Problems of its own, beside those every route can answer. */
  readonly problems: readonly ProblemCode[];
  /** A better name for a refused body than BODY_INVALID; null when there is none. */
  readonly explain?: (raw: unknown, refused: z.ZodError) => ApiFailure | null;
};

export type Given = Context & {
  readonly principal: Principal | null;
  readonly rawParams: Readonly<Record<string, string>>;
  readonly rawQuery: Readonly<Record<string, string>>;
  readonly rawBody: unknown;
};

export type Route = Declared<z.ZodObject, z.ZodObject, z.ZodType> & {
  readonly access: Access;
  readonly handle: (given: Given) => Handled;
};

/** For params, query or body that a route does not have: anything given there is refused. */
export const Nothing = z.strictObject({});

/** A route that needs an API key of one of `roles`. */
export function defineRoute<P extends z.ZodObject, Q extends z.ZodObject, B extends z.ZodType>(
  declared: Declared<P, Q, B> & { readonly roles: readonly Role[] },
  handle: (call: Call<z.output<P>, z.output<Q>, z.output<B>> & { readonly principal: Principal }) => Handled,
): Route {
  return {
    ...declared,
    access: declared.roles,
    handle: async (given) => {
      const { principal } = given;
      if (principal === null) throw new Error(`${declared.method} ${declared.path} was served without a principal`);
      const call = parseCall(declared, given);
      return call.ok ? handle({ ...call.value, principal }) : call;
    },
  };
}

/** A route for callers without an API key. */
export function definePublicRoute<P extends z.ZodObject, Q extends z.ZodObject, B extends z.ZodType>(
  declared: Declared<P, Q, B> & { readonly access: 'public' | 'setup-secret' },
  handle: (call: Call<z.output<P>, z.output<Q>, z.output<B>>) => Handled,
): Route {
  return {
    ...declared,
    handle: async (given) => {
      const call = parseCall(declared, given);
      return call.ok ? handle(call.value) : call;
    },
  };
}

function parseCall<P extends z.ZodObject, Q extends z.ZodObject, B extends z.ZodType>(
  declared: Declared<P, Q, B>,
  given: Given,
): Result<Call<z.output<P>, z.output<Q>, z.output<B>>, ApiFailure> {
  const params = declared.params.safeParse(given.rawParams);
  // An id that could not be one of ours names nothing.
  if (!params.success) return err(apiFailure('NOT_FOUND'));
  const query = declared.query.safeParse(given.rawQuery);
  if (!query.success) return err(queryFailure(query.error));
  const body = declared.body.safeParse(given.rawBody);
  if (!body.success) {
    return err(declared.explain?.(given.rawBody, body.error) ?? bodyFailure(given.rawBody, body.error));
  }
  const { env, catalogue, requestId, now, request, repeatKey } = given;
  const context = { env, catalogue, requestId, now, request, repeatKey };
  return { ok: true, value: { ...context, params: params.data, query: query.data, body: body.data } };
}
