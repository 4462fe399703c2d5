import { env } from 'cloudflare:workers';
import { beforeAll, describe, expect, test } from 'vitest';
import { pageOf } from '../../functions/api/page.ts';
import { openCatalogue } from '../../functions/store/catalogue.ts';
import { findAccount } from '../../functions/store/cloud-accounts.ts';
import type { CommandFailure, CommandOutcome } from '../../shared/command.ts';
import { AccountView } from '../../shared/gateway-view.ts';
import type { AccountId, Scope } from '../../shared/ids.ts';
import { AccountFacts, InventoryFacts } from '../../shared/inventory.ts';
import type { ProblemCode } from '../../shared/problem.ts';
import { ACCOUNT_FACTS, type ApiGateway, accountOk, answerNext, connectGateway, INVENTORY } from './api-gateway.ts';
import { answerOf, callApi, makeKey, makeOtherTenant, problemOf, setUp } from './call-api.ts';

const MAAS_KEY = 'consumer12:token34:secret56';
let admin: string;
let scope: Scope;
let gateway: ApiGateway;
let made = 0;

const body = (changes: object = {}) => ({
  name: `maas ${++made}`,
  gatewayId: gateway.node.gatewayId,
  endpoint: 'http://maas.test:5240/MAAS',
  apiKey: MAAS_KEY,
  ...changes,
});
const post = (json: object) => callApi('POST', '/v1/cloud-accounts', { key: admin, json });
const at = (method: string, id: string, json?: object) =>
  callApi(method, `/v1/cloud-accounts/${id}`, { key: admin, ...(json === undefined ? {} : { json }) });

async function create(changes: object = {}): Promise<AccountView> {
  const [account] = await Promise.all([
    answerOf(post(body(changes)), 201, AccountView),
    answerNext(gateway, 'observe-account', accountOk),
  ]);
  return account;
}

const stored = async (id: AccountId) => {
  const row = await findAccount(openCatalogue(env.CATALOGUE), scope, id);
  if (row === null) throw new Error(`no account ${id}`);
  return row;
};

const failed = (error: CommandFailure): CommandOutcome => ({ ok: false, error });

beforeAll(async () => {
  ({ key: admin, scope } = await setUp());
  gateway = await connectGateway(admin, 'dc-1');
});

describe('a cloud account', () => {
  test('is kept once the relay has used it, with the key as ciphertext for that gateway only', async () => {
    const account = await create({ name: 'first' });
    expect(account).toMatchObject({ name: 'first', maasUser: 'slipway', maasVersion: '3.7.1', keyVersion: 1 });
    const { access } = await stored(account.id);
    expect(access.sealedKey).toMatchObject({ purpose: 'maas-key', recordId: account.id, version: 1 });
    expect(await gateway.open(scope, access.sealedKey)).toBe(MAAS_KEY);
    await expect(gateway.open({ ...scope, jurisdiction: 'eu' }, access.sealedKey)).rejects.toThrow();
    for (const table of ['cloud_accounts', 'idempotency_keys']) {
      const { results } = await env.CATALOGUE.prepare(`select * from ${table}`).all();
      expect(JSON.stringify(results)).not.toContain('secret56');
    }
    expect(await answerOf(at('GET', account.id), 200, AccountView)).toEqual(account);
    const list = await answerOf(callApi('GET', '/v1/cloud-accounts', { key: admin }), 200, pageOf(AccountView));
    expect(list.items).toContainEqual(account);
    expect(JSON.stringify(list)).not.toMatch(/secret56|ciphertext/);
  });

  test('with a key that can’t be one is refused at the edge, by the part that is missing, without an echo', async () => {
    const refused = async (apiKey: string, word: string) => {
      const problem = await problemOf(post(body({ apiKey })), 'MAAS_KEY_FORMAT');
      expect(problem.detail).toContain(word);
      expect(JSON.stringify(problem)).not.toContain('s3cr3t');
    };
    await refused('', 'consumer_key');
    await refused('s3cr3t', 'part key');
    await refused('a:s3cr3t', 'part secret');
    await refused('a::s3cr3t', 'part key');
    await refused('a:b:c:s3cr3t', 'more than three');
    await refused('a:b:s3cr3t s3cr3t', 'characters');
  });

  test('needs a gateway of this project that is connected', async () => {
    await problemOf(post(body({ gatewayId: 'gw_nobody' })), 'BODY_INVALID');
    const { key } = await makeOtherTenant();
    await problemOf(callApi('POST', '/v1/cloud-accounts', { key, json: body() }), 'BODY_INVALID');
    const away = await connectGateway(admin, 'away');
    away.relay.hangUp();
    await problemOf(post(body({ gatewayId: away.node.gatewayId })), 'GATEWAY_NOT_RUNNING');
  });

  test('has an http endpoint without a password in it', async () => {
    await problemOf(post(body({ endpoint: 'file:///etc/passwd' })), 'BODY_INVALID');
    await problemOf(post(body({ endpoint: 'http://user:pass@maas.test/MAAS' })), 'BODY_INVALID');
  });

  const detail = 'as MAAS said';
  test.each<[CommandFailure, ProblemCode]>([
    [{ code: 'MAAS_UNREACHABLE', detail }, 'MAAS_UNREACHABLE'],
    [{ code: 'MAAS_TLS_UNTRUSTED', fingerprint: 'ab:cd', detail }, 'MAAS_TLS_UNTRUSTED'],
    [{ code: 'MAAS_UNAUTHORIZED', detail }, 'MAAS_UNAUTHORIZED'],
    [{ code: 'MAAS_CLOCK_SKEW', detail }, 'MAAS_CLOCK_SKEW'],
    [{ code: 'MAAS_FORBIDDEN', operation: 'list zones', detail }, 'MAAS_FORBIDDEN'],
    [{ code: 'MAAS_BUSY', retryAfterMs: 1_500, detail }, 'MAAS_BUSY'],
    [{ code: 'MAAS_BROKEN', detail }, 'MAAS_BROKEN'],
    [{ code: 'MAAS_NOT_FOUND', detail }, 'MAAS_BROKEN'],
    [{ code: 'MAAS_CONFLICT', detail }, 'MAAS_BROKEN'],
    [{ code: 'MAAS_REFUSED', fields: {}, detail }, 'MAAS_BROKEN'],
    [{ code: 'MAAS_UNKNOWN_OUTCOME', detail }, 'MAAS_UNREACHABLE'],
    [{ code: 'SITE_FORBIDS', detail }, 'SITE_FORBIDS'],
    [{ code: 'COMMAND_UNKNOWN', detail }, 'GATEWAY_OUTDATED'],
    [{ code: 'DEADLINE_PASSED', detail }, 'GATEWAY_NO_ANSWER'],
    [{ code: 'SECRET_UNREADABLE', detail }, 'INTERNAL'],
    [{ code: 'RELAY_BUG', detail }, 'INTERNAL'],
  ])('that fails with %o is not kept and says so', async (failure, code) => {
    const json = body();
    const [response] = await Promise.all([post(json), answerNext(gateway, 'observe-account', failed(failure))]);
    if (code === 'MAAS_BUSY') expect(response.headers.get('retry-after')).toBe('2');
    const problem = await problemOf(Promise.resolve(response), code);
    if (code !== 'INTERNAL' && code !== 'MAAS_FORBIDDEN') expect(problem.detail).toBe(detail);
    if (code === 'MAAS_TLS_UNTRUSTED') expect(problem).toMatchObject({ fingerprint: 'ab:cd' });
    if (code === 'MAAS_FORBIDDEN') expect(problem).toMatchObject({ operation: 'list zones' });
    const { results } = await env.CATALOGUE.prepare('select id from cloud_accounts where name = ?')
      .bind(json.name)
      .all();
    expect(results).toEqual([]);
  });

  test('has a name of its own', async () => {
    await create({ name: 'one name' });
    const [response] = await Promise.all([
      post(body({ name: 'one name' })),
      answerNext(gateway, 'observe-account', accountOk),
    ]);
    await problemOf(Promise.resolve(response), 'ACCOUNT_NAME_TAKEN');
  });

  test('is deleted when nothing uses it', async () => {
    const { id } = await create();
    expect((await at('DELETE', id)).status).toBe(204);
    await problemOf(at('DELETE', id), 'NOT_FOUND');
  });

  test('of another tenant is not there', async () => {
    const { id } = await create();
    const { key } = await makeOtherTenant();
    await problemOf(callApi('GET', `/v1/cloud-accounts/${id}`, { key }), 'NOT_FOUND');
    await problemOf(callApi('PATCH', `/v1/cloud-accounts/${id}`, { key, json: { name: 'x' } }), 'NOT_FOUND');
    await problemOf(callApi('DELETE', `/v1/cloud-accounts/${id}`, { key }), 'NOT_FOUND');
    await problemOf(callApi('GET', `/v1/cloud-accounts/${id}/inventory`, { key }), 'NOT_FOUND');
  });
});

describe('a change', () => {
  test('of the key is validated like a new one, and the version rises', async () => {
    const account = await create();
    const [changed] = await Promise.all([
      answerOf(at('PATCH', account.id, { apiKey: 'new:key:too' }), 200, AccountView),
      answerNext(gateway, 'observe-account', accountOk),
    ]);
    expect(changed).toMatchObject({ name: account.name, keyVersion: 2 });
    const { access } = await stored(account.id);
    expect(access.sealedKey.version).toBe(2);
    expect(await gateway.open(scope, access.sealedKey)).toBe('new:key:too');
  });

  test('that MAAS refuses leaves the account as it was', async () => {
    const account = await create();
    const [response] = await Promise.all([
      at('PATCH', account.id, { apiKey: 'new:key:wrong' }),
      answerNext(gateway, 'observe-account', failed({ code: 'MAAS_UNAUTHORIZED', detail: 'no' })),
    ]);
    await problemOf(Promise.resolve(response), 'MAAS_UNAUTHORIZED');
    expect(await gateway.open(scope, (await stored(account.id)).access.sealedKey)).toBe(MAAS_KEY);
  });

  test('of the endpoint needs the key again, so that no key is sent where its owner did not mean it', async () => {
    const account = await create();
    const problem = await problemOf(at('PATCH', account.id, { endpoint: 'http://evil.test/MAAS' }), 'BODY_INVALID');
    expect(problem.errors?.[0]?.field).toBe('apiKey');
  });
});

test('validate is its own act and says what the key may do', async () => {
  const account = await create();
  const facts = { ...ACCOUNT_FACTS, isAdmin: true };
  const [validated] = await Promise.all([
    answerOf(callApi('POST', `/v1/cloud-accounts/${account.id}/validate`, { key: admin }), 200, AccountFacts),
    answerNext(gateway, 'observe-account', { ok: true, value: { verb: 'observe-account', account: facts } }),
  ]);
  expect(validated).toEqual(facts);
  expect(await answerOf(at('GET', account.id), 200, AccountView)).toMatchObject({ isAdmin: true, keyVersion: 1 });
});

test('the inventory is MAAS’s at this moment, for readers too', async () => {
  const account = await create();
  const viewer = await makeKey(admin, 'project-viewer');
  const [inventory, command] = await Promise.all([
    answerOf(callApi('GET', `/v1/cloud-accounts/${account.id}/inventory`, { key: viewer.key }), 200, InventoryFacts),
    answerNext(gateway, 'observe-inventory', { ok: true, value: { verb: 'observe-inventory', inventory: INVENTORY } }),
  ]);
  expect(inventory).toEqual(INVENTORY);
  expect(command.body).toMatchObject({ account: { accountId: account.id } });
});
