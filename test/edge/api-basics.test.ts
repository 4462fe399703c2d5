import { env } from 'cloudflare:workers';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { ApiKeyCreated, WhoAmI } from '../../shared/api-key.ts';
import { API_BODY_BYTES_MAX } from '../../shared/limits.ts';
import { answerOf, callApi, makeKey, problemOf, SETUP_SECRET, setUp } from './call-api.ts';

let admin: string;

describe('setup', () => {
  test('needs the deployment’s secret', async () => {
    await problemOf(callApi('POST', '/v1/setup'), 'SETUP_SECRET_WRONG');
    await problemOf(callApi('POST', '/v1/setup', { key: 'guess' }), 'SETUP_SECRET_WRONG');
    await problemOf(callApi('POST', '/v1/setup', { key: `${SETUP_SECRET}x` }), 'SETUP_SECRET_WRONG');
  });

  test('makes the first admin key, once', async () => {
    admin = (await setUp()).key;
    await problemOf(callApi('POST', '/v1/setup', { key: SETUP_SECRET }), 'SETUP_DONE');
    const who = await answerOf(callApi('GET', '/v1/whoami', { key: admin }), 200, WhoAmI);
    expect(who).toMatchObject({ role: 'tenant-admin', tenantId: 'ten_default', projectId: 'prj_default' });
  });

  test('is limited per address and minute', async () => {
    const headers = { 'cf-connecting-ip': '192.0.2.77' };
    const guesses: number[] = [];
    // A minute may begin between two of them, but no more than once.
    while (guesses.at(-1) !== 429 && guesses.length < 21)
      guesses.push((await callApi('POST', '/v1/setup', { key: 'guess', headers })).status);
    expect(guesses.length).toBeGreaterThan(10);
    expect(new Set(guesses.slice(0, -1))).toEqual(new Set([401]));
    const limited = await callApi('POST', '/v1/setup', { key: SETUP_SECRET, headers });
    expect(Number(limited.headers.get('retry-after'))).toBeGreaterThan(0);
    await problemOf(Promise.resolve(limited), 'RATE_LIMITED');
    const elsewhere = { 'cf-connecting-ip': '192.0.2.78' };
    await problemOf(callApi('POST', '/v1/setup', { key: 'guess', headers: elsewhere }), 'SETUP_SECRET_WRONG');
  });
});

describe('what no route takes', () => {
  test('health needs no key', async () => {
    await answerOf(callApi('GET', '/v1/health'), 200, z.strictObject({ ok: z.literal(true) }));
  });

  test('an unknown path and an unknown method are problems', async () => {
    await problemOf(callApi('GET', '/'), 'NOT_FOUND');
    await problemOf(callApi('GET', '/v1/clusters/'), 'NOT_FOUND');
    await problemOf(callApi('GET', '/v1/nothing', { key: admin }), 'NOT_FOUND');
    const response = await callApi('PUT', '/v1/clusters', { key: admin });
    expect(response.headers.get('allow')).toBe('POST, GET');
    await problemOf(Promise.resolve(response), 'METHOD_NOT_ALLOWED');
  });

  test('an id that could not be one names nothing', async () => {
    for (const id of ['x', 'clu_', 'gw_1', 'clu_../..', encodeURIComponent('clu_1/events'), 'clu_%00'])
      await problemOf(callApi('GET', `/v1/clusters/${id}`, { key: admin }), 'NOT_FOUND');
  });

  test('unknown, repeated and bad query parameters are refused', async () => {
    const bad = async (query: string, field: string) => {
      const problem = await problemOf(callApi('GET', `/v1/gateways?${query}`, { key: admin }), 'QUERY_INVALID');
      expect(problem.errors?.map((error) => error.field)).toContain(field);
    };
    await bad('limit=0', 'limit');
    await bad('limit=201', 'limit');
    await bad('limit=ten', 'limit');
    await bad('sort=name', 'sort');
    await bad('limit=1&limit=2', 'limit');
  });

  test('a cursor that is none of ours is refused', async () => {
    for (const cursor of ['x', 'e30', '!!', 'W10', btoa('[-1,"gw_1"]')])
      await problemOf(callApi('GET', `/v1/gateways?cursor=${cursor}`, { key: admin }), 'CURSOR_INVALID');
  });
});

describe('bodies', () => {
  const post = (text: string, headers = {}) => callApi('POST', '/v1/gateways', { key: admin, text, headers });

  test('what is not JSON is refused by name', async () => {
    await problemOf(post('{"name":'), 'BODY_NOT_JSON');
    await problemOf(post('name=a', { 'content-type': 'application/x-www-form-urlencoded' }), 'BODY_NOT_JSON');
    await problemOf(post('{"name":"a"}', { 'content-type': 'text/plain' }), 'BODY_NOT_JSON');
  });

  test('what is too large or too deep is refused before it is parsed', async () => {
    await problemOf(post(JSON.stringify({ name: 'a'.repeat(API_BODY_BYTES_MAX) })), 'BODY_TOO_LARGE');
    const deep = await problemOf(post(`{"name":${'['.repeat(33)}${']'.repeat(33)}}`), 'BODY_INVALID');
    expect(deep.detail).toContain('nested deeper than 32');
    await problemOf(post(`${'['.repeat(200_000)}`), 'BODY_INVALID');
    // Brackets inside a string are no depth.
    await problemOf(post(JSON.stringify({ name: '['.repeat(100) })), 'BODY_INVALID');
  });

  test('fields that are not there to be set are refused', async () => {
    const refused = async (text: string, field: string) => {
      const problem = await problemOf(post(text), 'BODY_INVALID');
      expect(problem.errors?.map((error) => error.field)).toContain(field);
    };
    await refused('{"name":"edge","tenantId":"ten_other"}', 'tenantId');
    await refused('{"name":"edge","id":"gw_1","createdAt":1}', 'createdAt');
    await refused('{"name":"edge","__proto__":{"role":"tenant-admin"}}', '__proto__');
    await refused('{"name":"edge","type":{"__proto__":{}}}', '__proto__');
    await refused('{"name":"Not A Name"}', 'name');
    await refused('[]', '');
    await refused('{"constructor":{"prototype":{}},"name":"edge"}', 'constructor');
  });

  test('a route without a body takes none', async () => {
    const text = '{"role":"tenant-admin"}';
    await problemOf(callApi('DELETE', '/v1/api-keys/key_1', { key: admin, text }), 'BODY_INVALID');
  });
});

describe('API keys', () => {
  test('are shown once, kept as a hash, listed without, and end when revoked', async () => {
    const made = await answerOf(
      callApi('POST', '/v1/api-keys', { key: admin, json: { name: 'ci bot', role: 'project-editor' } }),
      201,
      ApiKeyCreated,
    );
    const list = await callApi('GET', '/v1/api-keys', { key: admin });
    const text = await list.text();
    expect(text).toContain(made.id);
    expect(text).not.toContain(made.key);
    const { results } = await env.CATALOGUE.prepare('select * from api_keys').all();
    expect(JSON.stringify(results)).not.toContain(made.key);
    await answerOf(callApi('GET', '/v1/whoami', { key: made.key }), 200, WhoAmI);
    const revoke = () => callApi('DELETE', `/v1/api-keys/${made.id}`, { key: admin });
    expect((await revoke()).status).toBe(204);
    await problemOf(callApi('GET', '/v1/whoami', { key: made.key }), 'UNAUTHENTICATED');
    expect((await revoke()).status).toBe(204);
  });

  test('have one name each while they stand, and never a name of Kubernetes’ own', async () => {
    const create = (name: string) => callApi('POST', '/v1/api-keys', { key: admin, json: { name, role: 'auditor' } });
    const { id } = await answerOf(create('once'), 201, ApiKeyCreated);
    await problemOf(create('once'), 'API_KEY_NAME_TAKEN');
    await callApi('DELETE', `/v1/api-keys/${id}`, { key: admin });
    await answerOf(create('once'), 201, ApiKeyCreated);
    await problemOf(create('system:masters'), 'BODY_INVALID');
  });

  test('the last admin key can’t be revoked', async () => {
    const { keyId } = await answerOf(callApi('GET', '/v1/whoami', { key: admin }), 200, WhoAmI);
    await problemOf(callApi('DELETE', `/v1/api-keys/${keyId}`, { key: admin }), 'LAST_ADMIN_KEY');
    const second = await makeKey(admin, 'tenant-admin');
    expect((await callApi('DELETE', `/v1/api-keys/${second.id}`, { key: admin })).status).toBe(204);
  });

  test('a mistyped key costs no look-up', async () => {
    const mistyped = `${admin.slice(0, -9)}${admin.at(-9) === 'a' ? 'b' : 'a'}${admin.slice(-8)}`;
    await env.CATALOGUE.exec('alter table api_keys rename to api_keys_away');
    const statuses = [
      await callApi('GET', '/v1/whoami', { key: mistyped }),
      await callApi('GET', '/v1/whoami', { key: admin }),
    ];
    await env.CATALOGUE.exec('alter table api_keys_away rename to api_keys');
    expect(statuses.map((response) => response.status)).toEqual([401, 500]);
  });
});

test('a fault of ours is INTERNAL, without a word of why', async () => {
  await env.CATALOGUE.exec('alter table gateways rename to gateways_away');
  const problem = await problemOf(callApi('GET', '/v1/gateways', { key: admin }), 'INTERNAL');
  await env.CATALOGUE.exec('alter table gateways_away rename to gateways');
  // The request id is random, and may well hold a d and a 1.
  expect(JSON.stringify({ ...problem, instance: '' })).not.toMatch(/gateways|sqlite|D1/i);
});
