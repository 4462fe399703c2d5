import { env } from 'cloudflare:workers';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { pageOf } from '../../functions/api/page.ts';
import { ClusterObject } from '../../functions/objects/cluster-object.ts';
import { openCatalogue } from '../../functions/store/catalogue.ts';
import { findCluster, projectCluster } from '../../functions/store/clusters.ts';
import { BUILTIN_PROFILE } from '../../shared/builtin-profile.ts';
import { ClusterSummary, ClusterView, TimelineEntry } from '../../shared/cluster-view.ts';
import { AccountView } from '../../shared/gateway-view.ts';
import type { ClusterId, Scope } from '../../shared/ids.ts';
import { DELETED_CLUSTER_KEPT_MS } from '../../shared/limits.ts';
import { apiFailure, type ProblemCode } from '../../shared/problem.ts';
import { err, ok } from '../../shared/result.ts';
import { type ApiGateway, accountOk, answerNext, connectGateway } from './api-gateway.ts';
import { answerOf, callApi, makeOtherTenant, problemOf, setUp } from './call-api.ts';

const ClusterPage = pageOf(ClusterSummary);
let admin: string;
let scope: Scope;
let gateway: ApiGateway;
let accountId: string;
let made = 0;

const { profileId } = BUILTIN_PROFILE;
const spec = (changes: object = {}) => ({ name: `cluster-${++made}`, profileId, accountId, ...changes });
const post = (json: object, key = admin) => callApi('POST', '/v1/clusters', { key, json });
const create = (changes: object = {}) => answerOf(post(spec(changes)), 201, ClusterView);
const at = (method: string, path: string, key = admin) => callApi(method, `/v1/clusters/${path}`, { key });
const list = (query = '') => answerOf(callApi('GET', `/v1/clusters${query}`, { key: admin }), 200, ClusterPage);

const controlPlane = (changes: object = {}) => ({ name: 'control-plane', role: 'control-plane', size: 1, ...changes });
const workers = (changes: object = {}) => ({ name: 'workers', role: 'worker', size: 2, ...changes });

/** As the object does once its teardown is done. */
async function projectDeleted(id: ClusterId): Promise<void> {
  const row = await findCluster(openCatalogue(env.CATALOGUE), scope, id);
  if (row === null) throw new Error(`no cluster ${id}`);
  const summary = { ...row.summary, phase: 'deleted' as const, updatedAt: Date.now() + 60_000, wakeAt: null };
  await projectCluster(openCatalogue(env.CATALOGUE), scope, summary);
}

async function createAccount(via: ApiGateway, name: string): Promise<string> {
  const json = { name, gatewayId: via.node.gatewayId, endpoint: 'http://maas.test:5240/MAAS', apiKey: 'a:b:c' };
  const asked = callApi('POST', '/v1/cloud-accounts', { key: admin, json });
  const [account] = await Promise.all([
    answerOf(asked, 201, AccountView),
    answerNext(via, 'observe-account', accountOk),
  ]);
  return account.id;
}

beforeAll(async () => {
  ({ key: admin, scope } = await setUp());
  gateway = await connectGateway(admin, 'dc-1');
  accountId = await createAccount(gateway, 'maas');
});

describe('a cluster', () => {
  test('is made with its defaults: one control plane and one worker', async () => {
    expect(await list()).toEqual({ items: [], nextCursor: null });
    const response = await post(spec({ name: 'first', tags: ['team:edge'] }));
    const view = await answerOf(Promise.resolve(response), 201, ClusterView);
    expect(response.headers.get('location')).toBe(`/v1/clusters/${view.id}`);
    expect(view).toMatchObject({ name: 'first', phase: 'pending', accountId, gatewayId: gateway.node.gatewayId });
    expect(view.spec.pools.map((pool) => [pool.role, pool.size])).toEqual([
      ['control-plane', 1],
      ['worker', 1],
    ]);
    expect(view.waitingOn.length).toBeGreaterThan(0);
    expect(await answerOf(at('GET', view.id), 200, ClusterView)).toMatchObject({ id: view.id, name: 'first' });
    const { items } = await list();
    expect(items).toMatchObject([{ id: view.id, tags: ['team:edge'], machinesWanted: 2 }]);
    const timeline = z.strictObject({ items: z.array(TimelineEntry).min(1) });
    const { items: entries } = await answerOf(at('GET', `${view.id}/timeline`), 200, timeline);
    const [first] = entries;
    const rest = await answerOf(
      at('GET', `${view.id}/timeline?after=${first?.seq}&limit=1`),
      200,
      z.strictObject({ items: z.array(TimelineEntry).max(1) }),
    );
    expect(rest.items.map((entry) => entry.seq)).not.toContain(first?.seq);
  });

  test('tells what happens as events, and resumes by Last-Event-ID', async () => {
    const { id } = await create();
    const open = async (headers: Record<string, string>) => {
      const response = await callApi('GET', `/v1/clusters/${id}/events`, { key: admin, headers });
      expect(response.headers.get('content-type')).toBe('text/event-stream');
      const reader = response.body?.getReader();
      const text = new TextDecoder().decode((await reader?.read())?.value);
      await reader?.cancel();
      return text;
    };
    expect(await open({})).toMatch(/^id: \d+\nevent: timeline\ndata: \{.*\}\n\n/);
    const resumed = await open({ 'last-event-id': '999' });
    expect(resumed).toMatch(/^event: phase\ndata: \{"phase":"pending"/);
  });

  test('is accepted while its gateway is away, and says what it waits for', async () => {
    const away = await connectGateway(admin, 'away');
    const awayAccount = await createAccount(away, 'away');
    away.relay.hangUp();
    const view = await create({ accountId: awayAccount });
    expect(view.phase).toBe('pending');
    expect(view.waitingOn.length).toBeGreaterThan(0);
  });

  test('that another tenant has is not there', async () => {
    const { id } = await create();
    const { key } = await makeOtherTenant();
    for (const path of [id, `${id}/timeline`, `${id}/events`]) await problemOf(at('GET', path, key), 'NOT_FOUND');
    await problemOf(at('DELETE', `${id}?confirm=x`, key), 'NOT_FOUND');
    await problemOf(at('POST', `${id}/abort`, key), 'NOT_FOUND');
    await problemOf(post(spec(), key), 'ACCOUNT_NOT_FOUND');
  });

  test('keeps its account, its profile and its gateway from being deleted', async () => {
    const { id, name } = await create();
    const inUse = await problemOf(
      callApi('DELETE', `/v1/cloud-accounts/${accountId}`, { key: admin }),
      'ACCOUNT_IN_USE',
    );
    expect(inUse).toMatchObject({ clusters: expect.arrayContaining([{ id, name }]) });
    const path = `/v1/gateways/${gateway.node.gatewayId}`;
    const has = await problemOf(callApi('DELETE', path, { key: admin }), 'GATEWAY_HAS_CLUSTERS');
    expect(has).toMatchObject({ clusters: expect.arrayContaining([{ id, name }]) });
    await answerOf(callApi('GET', `/v1/cloud-accounts/${accountId}`, { key: admin }), 200, AccountView);
  });
});

describe('a cluster is refused', () => {
  test.each<[string, object, ProblemCode, RegExp?]>([
    ['an unknown profile', { profileId: 'pro_none' }, 'PROFILE_REQUIRED'],
    ['an unknown account', { accountId: 'acc_none' }, 'ACCOUNT_NOT_FOUND'],
    ['no control plane', { pools: [workers()] }, 'CP_POOL_REQUIRED'],
    ['two control planes', { pools: [controlPlane(), controlPlane({ name: 'b' })] }, 'CP_POOL_REQUIRED'],
    ['an even control plane', { pools: [controlPlane({ size: 2 }), workers()] }, 'CP_SIZE_ODD'],
    ['a control plane of none', { pools: [controlPlane({ size: 0 }), workers()] }, 'CP_SIZE_ODD'],
    ['a control plane of nine', { pools: [controlPlane({ size: 9 }), workers()] }, 'CP_SIZE_ODD'],
    ['no workers at all', { pools: [controlPlane()] }, 'WORKERS_REQUIRED'],
    ['workers of size 0', { pools: [controlPlane(), workers({ size: 0 })] }, 'WORKERS_REQUIRED'],
    ['two pools of one name', { pools: [controlPlane(), workers(), workers()] }, 'POOL_NAME_TAKEN', /workers/],
    [
      'overlapping networks',
      { parameters: { kubernetes: { podSubnet: '10.96.0.0/16' } } },
      'CIDR_OVERLAP',
      /10\.96\.0\.0\/16/,
    ],
    ['an endpoint inside the pods', { endpoint: { mode: 'vip', ip: '10.244.0.9' } }, 'CIDR_OVERLAP', /podSubnet/],
    ['an IPv6 endpoint', { endpoint: { mode: 'vip', ip: '2001:db8::1' } }, 'IPV6_UNSUPPORTED'],
    ['IPv6 pods', { parameters: { kubernetes: { podSubnet: 'fd00::/64' } } }, 'IPV6_UNSUPPORTED'],
    [
      'an unknown parameter',
      { parameters: { kubernetes: { podSubnett: '10.1.0.0/16' } } },
      'PROFILE_PARAMETER_UNKNOWN',
      /podSubnet\?/,
    ],
    ['an unknown layer', { parameters: { kubernets: {} } }, 'PROFILE_PARAMETER_UNKNOWN', /kubernetes\?/],
    ['a layer made another', { parameters: { kubernetes: { kind: 'os' } } }, 'PROFILE_PARAMETER_UNKNOWN'],
    ['a wrong value', { parameters: { kubernetes: { version: 'latest' } } }, 'BODY_INVALID'],
    ['a name of capitals', { name: 'Cluster' }, 'BODY_INVALID'],
    ['a name too long', { name: 'a'.repeat(33) }, 'BODY_INVALID'],
    [
      'a host name too long',
      { name: 'a'.repeat(32), pools: [controlPlane(), workers({ name: 'w'.repeat(40) })] },
      'BODY_INVALID',
    ],
    ['an unknown field', { phase: 'running' }, 'BODY_INVALID'],
    ['an unknown field of a pool', { pools: [controlPlane({ allowWorkload: true }), workers()] }, 'BODY_INVALID'],
    [
      'a worker that is a control plane',
      { pools: [controlPlane(), workers({ allowWorkloads: true })] },
      'BODY_INVALID',
    ],
  ])('for %s', async (_what, changes, code, words) => {
    const before = (await list('?limit=200')).items.length;
    const problem = await problemOf(post(spec(changes)), code);
    if (words !== undefined) expect(problem.detail).toMatch(words);
    if (code === 'BODY_INVALID') expect(problem.errors?.[0]?.field).not.toBe('');
    expect((await list('?limit=200')).items.length).toBe(before);
  });

  test('with the field named where it stands', async () => {
    const wrong = await problemOf(post(spec({ parameters: { kubernetes: { version: 'latest' } } })), 'BODY_INVALID');
    expect(wrong.errors?.[0]?.field).toBe('parameters.kubernetes.version');
    const stray = await problemOf(post(spec({ pools: [controlPlane(), workers({ taint: [] })] })), 'BODY_INVALID');
    expect(stray.errors?.map((error) => error.field)).toContain('pools.1.taint');
  });

  test('for a name that is taken, until 72 hours after deletion', async () => {
    const { id, name } = await create();
    await problemOf(post(spec({ name })), 'CLUSTER_NAME_TAKEN');
    await projectDeleted(id);
    const deletedBefore = (ms: number) =>
      env.CATALOGUE.prepare('update clusters set deleted_at = ? where id = ?')
        .bind(Date.now() - ms, id)
        .run();
    await deletedBefore(DELETED_CLUSTER_KEPT_MS - 60_000);
    await problemOf(post(spec({ name })), 'CLUSTER_NAME_TAKEN');
    expect((await list(`?name=${name}`)).items).toEqual([]);
    expect((await list(`?name=${name}&phase=deleted`)).items).toMatchObject([{ id }]);
    await deletedBefore(DELETED_CLUSTER_KEPT_MS + 1);
    await create({ name });
    await problemOf(at('GET', id), 'NOT_FOUND');
  });
});

describe('the end', () => {
  test('of a cluster that is not provisioned is an abort', async () => {
    const { id, name } = await create();
    await problemOf(at('DELETE', id), 'CONFIRMATION_REQUIRED');
    await problemOf(at('DELETE', `${id}?confirm=another`), 'CONFIRMATION_REQUIRED');
    await problemOf(at('DELETE', `${id}?confirm=${name}`), 'USE_ABORT');
    const view = await answerOf(at('POST', `${id}/abort`), 202, ClusterView);
    expect(['aborting', 'deleted']).toContain(view.phase);
    const again = await at('POST', `${id}/abort`);
    expect(again.status).toBe(202);
  });

  test('of a provisioned cluster is a deletion, in the name of the key that asked', async () => {
    const { id, name } = await create();
    const view = await answerOf(at('GET', id), 200, ClusterView);
    vi.spyOn(ClusterObject.prototype, 'requestAbort').mockResolvedValueOnce(err(apiFailure('USE_DELETE')));
    await problemOf(at('POST', `${id}/abort`), 'USE_DELETE');
    const deletion = vi.spyOn(ClusterObject.prototype, 'requestDeletion').mockResolvedValueOnce(ok(view));
    await answerOf(at('DELETE', `${id}?confirm=${name}`), 202, ClusterView);
    expect(deletion).toHaveBeenCalledWith('admin');
  });
});

describe('a projection', () => {
  test('never overwrites a newer one', async () => {
    const { id } = await create();
    const db = openCatalogue(env.CATALOGUE);
    const row = await findCluster(db, scope, id);
    if (row === null) throw new Error('gone');
    const later = Date.now() + 1_000_000;
    const project = (phase: 'running' | 'degraded', updatedAt: number) =>
      projectCluster(db, scope, { ...row.summary, phase, updatedAt, wakeAt: null });
    await project('running', later);
    await project('degraded', later - 1);
    expect((await findCluster(db, scope, id))?.summary.phase).toBe('running');
    await project('degraded', later + 1);
    expect((await findCluster(db, scope, id))?.summary.phase).toBe('degraded');
  });

  test('makes a row that is missing, and none for a cluster that is gone for good', async () => {
    const { id } = await create();
    const db = openCatalogue(env.CATALOGUE);
    const row = await findCluster(db, scope, id);
    if (row === null) throw new Error('gone');
    await env.CATALOGUE.prepare('delete from clusters where id = ?').bind(id).run();
    await projectCluster(db, scope, { ...row.summary, phase: 'deleted', updatedAt: Date.now() + 1, wakeAt: null });
    expect(await findCluster(db, scope, id)).toBeNull();
    await projectCluster(db, scope, { ...row.summary, updatedAt: Date.now() + 2, wakeAt: null });
    expect((await findCluster(db, scope, id))?.summary.name).toBe(row.summary.name);
  });
});

test('120 rows are read page by page by cursor, each once, and filtered', async () => {
  const db = openCatalogue(env.CATALOGUE);
  const template = (await create()).id;
  const row = await findCluster(db, scope, template);
  if (row === null) throw new Error('gone');
  for (let index = 0; index < 120; index += 1) {
    // Rows of one millisecond too: the id breaks the tie.
    const createdAt = 1_000 + Math.floor(index / 3);
    const id = ClusterSummary.shape.id.parse(`clu_page${String(index).padStart(3, '0')}`);
    await projectCluster(db, scope, {
      ...row.summary,
      id,
      name: `page-${index}`,
      phase: 'queued',
      createdAt,
      wakeAt: null,
    });
  }
  const read: string[] = [];
  let cursor = '';
  do {
    const page = await list(`?phase=queued&limit=50${cursor}`);
    read.push(...page.items.map((cluster) => cluster.id));
    cursor = page.nextCursor === null ? '' : `&cursor=${page.nextCursor}`;
  } while (cursor !== '');
  expect(read).toHaveLength(120);
  expect(new Set(read).size).toBe(120);
  expect(read).toEqual([...read].sort().reverse());
  expect((await list('?name=page-7')).items).toMatchObject([{ name: 'page-7' }]);
});
