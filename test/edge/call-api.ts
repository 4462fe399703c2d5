// The API as a client calls it, through the Worker's own entry, and keys of every kind to call it with.
import { env, exports } from 'cloudflare:workers';
import { expect } from 'vitest';
import { z } from 'zod';
import { sha256 } from '../../functions/api/sha256.ts';
import { now, randomBytes } from '../../functions/clock.ts';
import { openCatalogue } from '../../functions/store/catalogue.ts';
import { makeTenant } from '../../functions/store/tenants.ts';
import { ApiKeyCreated, makeApiKey, type Role, SetupResponse } from '../../shared/api-key.ts';
import { ApiKeyId, randomPart, Scope } from '../../shared/ids.ts';
import { Problem, type ProblemCode } from '../../shared/problem.ts';
import { expectDocumented } from './documented-problems.ts';

export const SETUP_SECRET = env.SETUP_SECRET;

export type Sent = {
  readonly key?: string;
  readonly json?: unknown;
  /** Instead of `json`. */
  readonly text?: string;
  readonly headers?: Readonly<Record<string, string>>;
};

export async function callApi(method: string, path: string, sent: Sent = {}): Promise<Response> {
  const headers = new Headers(sent.headers);
  if (sent.key !== undefined) headers.set('authorization', `Bearer ${sent.key}`);
  const body = sent.text ?? (sent.json === undefined ? undefined : JSON.stringify(sent.json));
  if (body !== undefined && !headers.has('content-type')) headers.set('content-type', 'application/json');
  const response = await exports.default.fetch(`https://slipway.test${path}`, {
    method,
    headers,
    ...(body === undefined ? {} : { body }),
  });
  await expectDocumented(method, path, response);
  return response;
}

/** The answer by its schema, after its status was looked at. */
export async function answerOf<T extends z.ZodType>(
  answer: Promise<Response>,
  status: number,
  schema: T,
): Promise<z.output<T>> {
  const response = await answer;
  const text = await response.text();
  expect(response.status, text).toBe(status);
  return schema.parse(JSON.parse(text));
}

/** The problem, after its code and form were looked at. */
export async function problemOf(answer: Promise<Response>, code: ProblemCode): Promise<z.infer<typeof Problem>> {
  const response = await answer;
  const text = await response.text();
  expect(response.headers.get('content-type'), text).toBe('application/problem+json');
  const problem = z.looseObject(Problem.shape).parse(JSON.parse(text));
  expect(problem.code, text).toBe(code);
  expect(problem.status).toBe(response.status);
  expect(problem.instance).toBe(response.headers.get('x-request-id'));
  expect(text).not.toMatch(/\bat .*\.(ts|js|mjs):\d+|stack|Error:/);
  return problem;
}

/** The first key of the file's own deployment. Call it once a file. */
export async function setUp(): Promise<{ key: string; scope: Scope }> {
  const done = await answerOf(callApi('POST', '/v1/setup', { key: SETUP_SECRET }), 201, SetupResponse);
  const { tenantId, projectId, jurisdiction } = done;
  return { key: done.apiKey.key, scope: { tenantId, projectId, jurisdiction } };
}

let made = 0;

export async function makeKey(admin: string, role: Role): Promise<{ id: string; key: string }> {
  made += 1;
  const json = { name: `${role} ${made}`, role };
  return answerOf(callApi('POST', '/v1/api-keys', { key: admin, json }), 201, ApiKeyCreated);
}

/** A tenant admin of another tenant, made as a later issue will: the API makes the first tenant only. */
export async function makeOtherTenant(): Promise<{ key: string; scope: Scope }> {
  const part = randomPart(randomBytes(20));
  const scope = Scope.parse({ tenantId: `ten_${part}`, projectId: `prj_${part}`, jurisdiction: 'default' });
  const key = makeApiKey(randomBytes(24));
  const id = ApiKeyId.parse(`key_${part}`);
  const view = {
    id,
    projectId: scope.projectId,
    name: 'admin',
    role: 'tenant-admin' as const,
    createdAt: now(),
    revokedAt: null,
  };
  await makeTenant(openCatalogue(env.CATALOGUE), scope, { view, hash: await sha256(key) }, now());
  return { key, scope };
}
