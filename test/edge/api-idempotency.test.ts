import { env } from 'cloudflare:workers';
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { GatewayCreated } from '../../functions/api/gateways.ts';
import { ClusterObject } from '../../functions/objects/cluster-object.ts';
import { GatewayObject } from '../../functions/objects/gateway-object.ts';
import { openCatalogue } from '../../functions/store/catalogue.ts';
import { pruneRequests } from '../../functions/store/idempotency-keys.ts';
import { sweep } from '../../functions/sweep.ts';
import { ApiKeyCreated } from '../../shared/api-key.ts';
import { BUILTIN_PROFILE } from '../../shared/builtin-profile.ts';
import { ClusterView } from '../../shared/cluster-view.ts';
import { AccountView } from '../../shared/gateway-view.ts';
import { IDEMPOTENCY_KEY_MS, IDEMPOTENCY_LOCK_MS } from '../../shared/limits.ts';
import { type ApiGateway, accountOk, answerNext, connectGateway } from './api-gateway.ts';
import { answerOf, callApi, makeKey, problemOf, setUp } from './call-api.ts';

let admin: string;
let gateway: ApiGateway;
let account: AccountView;

const post = (path: string, json: object, repeat: string, key = admin) =>
  callApi('POST', path, { key, json, headers: { 'idempotency-key': repeat } });
const kept = async () => JSON.stringify((await env.CATALOGUE.prepare('select * from idempotency_keys').all()).results);
const clusterNamed = (name: string) => ({ name, profileId: BUILTIN_PROFILE.profileId, accountId: account.id });
const count = async (name: string) =>
  (await env.CATALOGUE.prepare('select id from clusters where name = ?').bind(name).all()).results.length;

beforeAll(async () => {
  admin = (await setUp()).key;
  gateway = await connectGateway(admin, 'dc-1');
  const json = { name: 'maas', gatewayId: gateway.node.gatewayId, endpoint: 'http://maas.test/MAAS', apiKey: 'a:b:c' };
  [account] = await Promise.all([
    answerOf(callApi('POST', '/v1/cloud-accounts', { key: admin, json }), 201, AccountView),
    answerNext(gateway, 'observe-account', accountOk),
  ]);
});

afterEach(() => {
  vi.restoreAllMocks();
});

describe('a repeat with the same Idempotency-Key', () => {
  test('gets the same answer, secrets included, and makes nothing more', async () => {
    const first = await post('/v1/gateways', { name: 'once' }, 'repeat-1');
    const again = await post('/v1/gateways', { name: 'once' }, 'repeat-1');
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    expect(again.headers.get('location')).toBe(first.headers.get('location'));
    const made = await answerOf(Promise.resolve(first), 201, GatewayCreated);
    expect(await answerOf(Promise.resolve(again), 201, GatewayCreated)).toEqual(made);
  });

  test('has its answer kept as ciphertext only: neither the secret in it nor the key that opens it', async () => {
    const made = await answerOf(
      post('/v1/api-keys', { name: 'kept', role: 'auditor' }, 'repeat-secret'),
      201,
      ApiKeyCreated,
    );
    const text = await kept();
    for (const secret of [made.key, made.id, 'repeat-secret', admin]) expect(text).not.toContain(secret);
  });

  test('but another body, path or query is refused', async () => {
    await post('/v1/gateways', { name: 'this' }, 'repeat-2');
    await problemOf(post('/v1/gateways', { name: 'that' }, 'repeat-2'), 'IDEMPOTENCY_KEY_REUSED');
    await problemOf(post('/v1/api-keys', { name: 'this' }, 'repeat-2'), 'IDEMPOTENCY_KEY_REUSED');
  });

  test('by another API key is another request', async () => {
    const other = await makeKey(admin, 'project-admin');
    await post('/v1/gateways', { name: 'mine' }, 'repeat-3');
    await answerOf(post('/v1/gateways', { name: 'theirs' }, 'repeat-3', other.key), 201, GatewayCreated);
  });

  test('after a refusal is looked at anew', async () => {
    await problemOf(post('/v1/gateways', { name: 'once' }, 'repeat-4'), 'GATEWAY_NAME_TAKEN');
    await answerOf(post('/v1/gateways', { name: 'another' }, 'repeat-4'), 201, GatewayCreated);
  });

  test('at the same time runs once', async () => {
    const both = await Promise.all([1, 2, 3, 4].map(() => post('/v1/clusters', clusterNamed('race'), 'repeat-5')));
    const statuses = both.map((response) => response.status);
    expect(statuses).toContain(201);
    for (const response of both.filter((one) => one.status !== 201))
      await problemOf(Promise.resolve(response), 'IDEMPOTENCY_KEY_IN_USE');
    expect(await count('race')).toBe(1);
  });

  test('takes over from a request that died', async () => {
    await post('/v1/clusters', clusterNamed('died'), 'repeat-6');
    // As if the first had ended between the object and the keeping of the answer.
    const long = Date.now() - IDEMPOTENCY_LOCK_MS;
    await env.CATALOGUE.prepare('update idempotency_keys set answer = null, locked_until = ?').bind(long).run();
    const again = await answerOf(post('/v1/clusters', clusterNamed('died'), 'repeat-6'), 201, ClusterView);
    expect(again.name).toBe('died');
    expect(await count('died')).toBe(1);
  });

  test('after its 24 hours is a new request', async () => {
    await post('/v1/gateways', { name: 'day-one' }, 'repeat-7');
    await pruneRequests(openCatalogue(env.CATALOGUE), Date.now() + IDEMPOTENCY_KEY_MS - 60_000);
    await problemOf(post('/v1/gateways', { name: 'day-two' }, 'repeat-7'), 'IDEMPOTENCY_KEY_REUSED');
    await pruneRequests(openCatalogue(env.CATALOGUE), Date.now() + IDEMPOTENCY_KEY_MS + 60_000);
    await answerOf(post('/v1/gateways', { name: 'day-two' }, 'repeat-7'), 201, GatewayCreated);
  });

  test('that is no such key is refused', async () => {
    await problemOf(post('/v1/gateways', { name: 'bad' }, 'with space'), 'BODY_INVALID');
    await problemOf(post('/v1/gateways', { name: 'bad' }, 'x'.repeat(256)), 'BODY_INVALID');
  });
});

describe('when an object does not answer', () => {
  const broken = () => vi.spyOn(ClusterObject.prototype, 'create').mockRejectedValueOnce(new Error('object is down'));

  test('the sweep has a moment to look after it, before the object has said any', async () => {
    broken();
    await problemOf(post('/v1/clusters', clusterNamed('unheard'), 'finish-0'), 'UNAVAILABLE');
    const ask = "select wake_at from clusters where name = 'unheard'";
    const wakeAt = await env.CATALOGUE.prepare(ask).first('wake_at');
    expect(wakeAt).toBeGreaterThan(Date.now() - 60_000);
    expect(wakeAt).toBeLessThanOrEqual(Date.now());
  });

  test('the name stays reserved, and the same Idempotency-Key finishes the cluster', async () => {
    broken();
    const problem = await problemOf(post('/v1/clusters', clusterNamed('half'), 'finish-1'), 'UNAVAILABLE');
    expect(JSON.stringify(problem)).not.toContain('object is down');
    await problemOf(callApi('POST', '/v1/clusters', { key: admin, json: clusterNamed('half') }), 'CLUSTER_NAME_TAKEN');
    const view = await answerOf(post('/v1/clusters', clusterNamed('half'), 'finish-1'), 201, ClusterView);
    await answerOf(callApi('GET', `/v1/clusters/${view.id}`, { key: admin }), 200, ClusterView);
    expect(await count('half')).toBe(1);
  });

  test('the sweep finishes it for who does not come back', async () => {
    broken();
    await problemOf(callApi('POST', '/v1/clusters', { key: admin, json: clusterNamed('left') }), 'UNAVAILABLE');
    const id = await env.CATALOGUE.prepare('select id from clusters where name = ?').bind('left').first('id');
    const path = `/v1/clusters/${id}`;
    await problemOf(callApi('GET', path, { key: admin }), 'UNAVAILABLE');
    await env.CATALOGUE.prepare('update clusters set created_at = ? where name = ?')
      .bind(Date.now() - 600_000, 'left')
      .run();
    await sweep(env);
    await answerOf(callApi('GET', path, { key: admin }), 200, ClusterView);
  });

  test('a gateway’s name is given back', async () => {
    vi.spyOn(GatewayObject.prototype, 'create').mockRejectedValueOnce(new Error('object is down'));
    await problemOf(callApi('POST', '/v1/gateways', { key: admin, json: { name: 'again' } }), 'UNAVAILABLE');
    await answerOf(callApi('POST', '/v1/gateways', { key: admin, json: { name: 'again' } }), 201, GatewayCreated);
  });

  test('a cluster that could not be told of its account’s change is told by the sweep', async () => {
    const made = callApi('POST', '/v1/clusters', { key: admin, json: clusterNamed('untold') });
    const { id } = await answerOf(made, 201, ClusterView);
    const told = vi.spyOn(ClusterObject.prototype, 'accountChanged').mockRejectedValue(new Error('object is down'));
    const path = `/v1/cloud-accounts/${account.id}`;
    const [changed] = await Promise.all([
      answerOf(callApi('PATCH', path, { key: admin, json: { apiKey: 'd:e:f' } }), 200, AccountView),
      answerNext(gateway, 'observe-account', accountOk),
    ]);
    const version = async () =>
      await env.CATALOGUE.prepare('select account_version from clusters where id = ?')
        .bind(id)
        .first('account_version');
    expect(await version()).toBe(changed.keyVersion - 1);
    told.mockRestore();
    await sweep(env);
    expect(await version()).toBe(changed.keyVersion);
  });
});
