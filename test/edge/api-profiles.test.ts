import { env } from 'cloudflare:workers';
import { beforeAll, expect, test } from 'vitest';
import { pageOf } from '../../functions/api/page.ts';
import { BUILTIN_PROFILE } from '../../shared/builtin-profile.ts';
import { ClusterProfile } from '../../shared/cluster-profile.ts';
import type { ProblemCode } from '../../shared/problem.ts';
import { answerOf, callApi, makeOtherTenant, problemOf, setUp } from './call-api.ts';

const ProfilePage = pageOf(ClusterProfile);
let admin: string;

const { profileId: _, ...builtIn } = BUILTIN_PROFILE;
const layers = builtIn.layers;
const profile = (changes: object = {}) => ({ ...builtIn, name: 'ours', version: '1.0.0', ...changes });
const post = (json: object) => callApi('POST', '/v1/cluster-profiles', { key: admin, json });
const at = (method: string, id: string, key = admin) => callApi(method, `/v1/cluster-profiles/${id}`, { key });

beforeAll(async () => {
  admin = (await setUp()).key;
});

test('the built-in profile is there from the first day and stays', async () => {
  const list = await answerOf(callApi('GET', '/v1/cluster-profiles', { key: admin }), 200, ProfilePage);
  expect(list).toEqual({ items: [BUILTIN_PROFILE], nextCursor: null });
  expect(await answerOf(at('GET', 'pro_maas'), 200, ClusterProfile)).toEqual(BUILTIN_PROFILE);
  await problemOf(at('DELETE', 'pro_maas'), 'PROFILE_BUILT_IN');
});

test('one’s own is made, versioned, listed and deleted', async () => {
  const first = await answerOf(post(profile()), 201, ClusterProfile);
  await problemOf(post(profile({ description: 'changed' })), 'PROFILE_VERSION_TAKEN');
  const second = await answerOf(post(profile({ version: '1.1.0' })), 201, ClusterProfile);
  expect(second.profileId).not.toBe(first.profileId);
  const page = (query: string) =>
    answerOf(callApi('GET', `/v1/cluster-profiles?limit=1${query}`, { key: admin }), 200, ProfilePage);
  const read: string[] = [];
  let cursor = '';
  do {
    const { items, nextCursor } = await page(cursor);
    read.push(...items.map((one) => one.profileId));
    cursor = nextCursor === null ? '' : `&cursor=${nextCursor}`;
  } while (cursor !== '' && read.length < 10);
  expect(new Set(read.slice(0, 2))).toEqual(new Set([first.profileId, second.profileId]));
  expect(read.slice(2)).toEqual(['pro_maas']);
  expect((await at('DELETE', first.profileId)).status).toBe(204);
  await problemOf(at('GET', first.profileId), 'NOT_FOUND');
  const { key } = await makeOtherTenant();
  await problemOf(at('GET', second.profileId, key), 'NOT_FOUND');
});

test('one that a cluster was made from is kept', async () => {
  const { profileId } = await answerOf(post(profile({ name: 'used' })), 201, ClusterProfile);
  await env.CATALOGUE.prepare(
    `insert into clusters (tenant_id, project_id, jurisdiction, id, name, description, tags, phase, gateway_id, account_id,
      profile_id, account_version, machines_ready, machines_wanted, created_at, updated_at)
     values ('ten_default', 'prj_default', 'default', 'clu_1', 'user', '', '[]', 'running', 'gw_1', 'acc_1', ?, 1, 0, 0, 1, 1)`,
  )
    .bind(profileId)
    .run();
  const problem = await problemOf(at('DELETE', profileId), 'PROFILE_IN_USE');
  expect(problem).toMatchObject({ clusters: [{ id: 'clu_1', name: 'user' }] });
});

const without = (kind: string) => layers.filter((layer) => layer.kind !== kind);
const one = (kind: string) =>
  layers.filter((layer) => layer.kind === kind).map((layer) => ({ ...layer, name: 'more' }));
const addon = { kind: 'addon', name: 'dashboard', manifests: '' };

test.each<[string, object, ProblemCode]>([
  ['no os', { layers: without('os') }, 'BODY_INVALID'],
  ['no kubernetes', { layers: without('kubernetes') }, 'BODY_INVALID'],
  ['no network', { layers: without('cni') }, 'BODY_INVALID'],
  ['two networks', { layers: [...layers, ...one('cni')] }, 'BODY_INVALID'],
  [
    'two storages',
    {
      layers: [...without('csi'), { kind: 'csi', name: 'a', manifests: '' }, { kind: 'csi', name: 'b', manifests: '' }],
    },
    'BODY_INVALID',
  ],
  ['an add-on in an infra profile', { layers: [...layers, addon] }, 'BODY_INVALID'],
  ['an os in an add-on profile', { type: 'addon' }, 'BODY_INVALID'],
  [
    'two layers of one name',
    { type: 'full', layers: [...layers, { ...addon, name: layers[0]?.name }] },
    'BODY_INVALID',
  ],
  ['an id of one’s choice', { profileId: 'pro_mine' }, 'BODY_INVALID'],
  ['a version that is none', { version: 'latest' }, 'BODY_INVALID'],
  ['another cloud', { cloud: 'aws' }, 'BODY_INVALID'],
])('a profile with %s is refused', async (_what, changes, code) => {
  await problemOf(post(profile({ name: 'refused', ...changes })), code);
});

test('networks that overlap or are IPv6 are refused by name', async () => {
  const kubernetes = (changes: object) =>
    layers.map((layer) => (layer.kind === 'kubernetes' ? { ...layer, ...changes } : layer));
  const overlap = kubernetes({ podSubnet: '10.0.0.0/8', serviceSubnet: '10.96.0.0/16' });
  await problemOf(post(profile({ name: 'overlaps', layers: overlap })), 'CIDR_OVERLAP');
  await problemOf(post(profile({ name: 'six', layers: kubernetes({ podSubnet: 'fd00::/48' }) })), 'IPV6_UNSUPPORTED');
});

test('storage is optional, and an add-on profile makes no cluster', async () => {
  await answerOf(post(profile({ name: 'no-storage', layers: without('csi') })), 201, ClusterProfile);
  const made = post(profile({ name: 'dashboard', type: 'addon', layers: [addon] }));
  const { profileId } = await answerOf(made, 201, ClusterProfile);
  const json = { name: 'c', profileId, accountId: 'acc_none' };
  await problemOf(callApi('POST', '/v1/clusters', { key: admin, json }), 'PROFILE_REQUIRED');
});
