// Two projects of one tenant, and a cloud account that one has and the other may use or not (features A1).
import { env } from 'cloudflare:workers';
import { beforeAll, expect, test } from 'vitest';
import { pageOf } from '../../functions/api/page.ts';
import { ApiKeyCreated, ApiKeyView, WhoAmI } from '../../shared/api-key.ts';
import { ClusterView } from '../../shared/cluster-view.ts';
import { AccountView } from '../../shared/gateway-view.ts';
import { ProjectId, type Scope } from '../../shared/ids.ts';
import { InventoryFacts } from '../../shared/inventory.ts';
import { type AccountSharing, ProjectView } from '../../shared/project.ts';
import { type ApiGateway, accountOk, answerNext, connectGateway, INVENTORY } from './api-gateway.ts';
import { answerOf, callApi, makeKey, makeOtherTenant, problemOf, setUp } from './call-api.ts';
import { installationOf, register } from './own-machines.ts';

let admin: string;
let scope: Scope;
let gateway: ApiGateway;
let account: AccountView;
let other: ProjectView;
/** Of the other project. */
let editor: string;
let otherAdmin: string;

const project = (name: string, key = admin) => callApi('POST', '/v1/projects', { key, json: { name } });
const keyFor = (role: string, projectId: string) =>
  callApi('POST', '/v1/api-keys', {
    key: admin,
    json: { name: `${role} of ${projectId}`.slice(0, 60), role, projectId },
  });
const path = () => `/v1/cloud-accounts/${account.id}`;
const share = (sharing: AccountSharing, key = admin) => callApi('PATCH', path(), { key, json: { sharing } });
const spec = (name: string) => ({ name, profileId: 'pro_maas', accountId: account.id });
const create = (name: string, key = editor) => callApi('POST', '/v1/clusters', { key, json: spec(name) });
const accountsOf = async (key: string) =>
  (await answerOf(callApi('GET', '/v1/cloud-accounts', { key }), 200, pageOf(AccountView))).items.map(({ id }) => id);

beforeAll(async () => {
  ({ key: admin, scope } = await setUp());
  gateway = await connectGateway(admin, 'shared');
  const json = { name: 'maas', gatewayId: gateway.node.gatewayId, endpoint: 'http://maas.test/MAAS', apiKey: 'a:b:c' };
  [account] = await Promise.all([
    answerOf(callApi('POST', '/v1/cloud-accounts', { key: admin, json }), 201, AccountView),
    answerNext(gateway, 'observe-account', accountOk),
  ]);
  other = await answerOf(project('other'), 201, ProjectView);
  editor = (await answerOf(keyFor('project-editor', other.id), 201, ApiKeyCreated)).key;
  otherAdmin = (await answerOf(keyFor('project-admin', other.id), 201, ApiKeyCreated)).key;
});

test('a tenant admin makes projects, and keys for them; names are taken once in a tenant', async () => {
  await problemOf(project('other'), 'PROJECT_NAME_TAKEN');
  await problemOf(project('Not a name'), 'BODY_INVALID');
  await problemOf(keyFor('project-editor', 'prj_0000000000000000000z'), 'PROJECT_NOT_FOUND');
  const foreign = await makeOtherTenant();
  await problemOf(keyFor('project-editor', foreign.scope.projectId), 'PROJECT_NOT_FOUND');
  await answerOf(project('other', foreign.key), 201, ProjectView);
  const { items } = await answerOf(callApi('GET', '/v1/projects', { key: admin }), 200, pageOf(ProjectView));
  expect(items.map(({ name }) => name)).toEqual(['other', 'default']);
  const page = await answerOf(callApi('GET', '/v1/projects?limit=1', { key: admin }), 200, pageOf(ProjectView));
  const next = await answerOf(
    callApi('GET', `/v1/projects?limit=1&cursor=${page.nextCursor}`, { key: admin }),
    200,
    pageOf(ProjectView),
  );
  expect([...page.items, ...next.items]).toEqual(items);
  expect(await answerOf(callApi('GET', '/v1/whoami', { key: editor }), 200, WhoAmI)).toMatchObject({
    ...{ projectId: other.id, tenantId: scope.tenantId, role: 'project-editor' },
  });
});

test('a tenant admin sees and revokes the keys of every project of the tenant, and of no other tenant', async () => {
  const key = await answerOf(keyFor('auditor', other.id), 201, ApiKeyCreated);
  const { items } = await answerOf(callApi('GET', '/v1/api-keys', { key: admin }), 200, pageOf(ApiKeyView));
  expect(items.find(({ id }) => id === key.id)).toMatchObject({ projectId: other.id, role: 'auditor' });
  const foreign = await makeOtherTenant();
  await problemOf(callApi('DELETE', `/v1/api-keys/${key.id}`, { key: foreign.key }), 'NOT_FOUND');
  expect((await callApi('DELETE', `/v1/api-keys/${key.id}`, { key: admin })).status).toBe(204);
  await problemOf(callApi('GET', '/v1/whoami', { key: key.key }), 'UNAUTHENTICATED');
});

test('an account is its project’s alone until it is shared: others get a code wherever they name it, and do not see it listed', async () => {
  expect(account).toMatchObject({ sharing: 'tenant', projectId: scope.projectId });
  expect(await accountsOf(editor)).toEqual([]);
  for (const asked of [
    callApi('GET', path(), { key: editor }),
    callApi('GET', `${path()}/inventory`, { key: editor }),
    create('refused'),
    callApi('POST', '/v1/clusters/plan', { key: editor, json: spec('refused') }),
    share('all', otherAdmin),
  ]) {
    await problemOf(asked, 'ACCOUNT_NOT_SHARED');
  }
  const foreign = await makeOtherTenant();
  await problemOf(callApi('GET', path(), { key: foreign.key }), 'NOT_FOUND');
  await problemOf(create('refused', foreign.key), 'ACCOUNT_NOT_FOUND');
});

test('it is shared by its own project only, without asking MAAS, with projects that there are, or with all', async () => {
  await problemOf(share({ projects: [(await makeOtherTenant()).scope.projectId] }), 'PROJECT_NOT_FOUND');
  const viewer = await makeKey(admin, 'project-viewer');
  await problemOf(share('all', viewer.key), 'FORBIDDEN');
  const sharing = { projects: [other.id] };
  expect(await answerOf(share(sharing), 200, AccountView)).toMatchObject({ sharing });
  expect(await accountsOf(editor)).toEqual([account.id]);
  const third = await answerOf(project('third'), 201, ProjectView);
  const { key } = await answerOf(keyFor('project-editor', third.id), 201, ApiKeyCreated);
  expect(await accountsOf(key)).toEqual([]);
  await answerOf(share('all'), 200, AccountView);
  expect(await accountsOf(key)).toEqual([account.id]);
  expect(await accountsOf((await makeOtherTenant()).key)).toEqual([]);
  await problemOf(share('tenant', otherAdmin), 'ACCOUNT_NOT_SHARED');
  await problemOf(callApi('DELETE', path(), { key: otherAdmin }), 'ACCOUNT_NOT_SHARED');
  await problemOf(callApi('POST', `${path()}/validate`, { key: otherAdmin }), 'ACCOUNT_NOT_SHARED');
  await answerOf(share(sharing), 200, AccountView);
});

test('[C13] a cluster of another project is its own, and told to relays in the scope of its gateway; what they say reaches it', async () => {
  const [inventory, looked] = await Promise.all([
    answerOf(callApi('GET', `${path()}/inventory`, { key: editor }), 200, InventoryFacts),
    answerNext(gateway, 'observe-inventory', { ok: true, value: { verb: 'observe-inventory', inventory: INVENTORY } }),
  ]);
  expect([inventory, looked.scope]).toEqual([INVENTORY, scope]);
  const cluster = await answerOf(create('theirs'), 201, ClusterView);
  const told = await answerNext(gateway, 'observe-inventory', {
    ...{ ok: true, value: { verb: 'observe-inventory', inventory: INVENTORY } },
  });
  expect(told).toMatchObject({ clusterId: cluster.id, scope });
  // Its identity is sealed for the gateway's scope, and the MAAS key is: both open under the one that a command comes with.
  expect(told.body).toMatchObject({ account: { accountId: account.id } });
  const at = (key: string) => callApi('GET', `/v1/clusters/${cluster.id}`, { key });
  await expect
    .poll(async () => (await answerOf(at(editor), 200, ClusterView)).waitingOn.map(({ code }) => code))
    .toContain('no-matching-machine');
  await problemOf(at(admin), 'NOT_FOUND');
  const held = await callApi('DELETE', `/v1/gateways/${gateway.node.gatewayId}`, { key: admin });
  expect(await held.json()).toMatchObject({
    code: 'GATEWAY_HAS_CLUSTERS',
    clusters: [{ id: cluster.id, name: 'theirs' }],
  });
  // Whoever may not know the other project's clusters learns only that there are some.
  const inUse = await callApi('DELETE', path(), { key: admin });
  const detail = expect.stringContaining('other projects');
  expect(await inUse.json()).toMatchObject({ code: 'ACCOUNT_IN_USE', clusters: [], detail });
});

test('[C13] a change of the account is told to the clusters of other projects too; shared no more, those that stand stay', async () => {
  const [renamed] = await Promise.all([
    answerOf(callApi('PATCH', path(), { key: admin, json: { name: 'renamed', sharing: 'tenant' } }), 200, AccountView),
    answerNext(gateway, 'observe-account', accountOk),
  ]);
  const told = await env.CATALOGUE.prepare(
    "select account_version as version from clusters where name = 'theirs'",
  ).first();
  expect(told).toEqual({ version: renamed.keyVersion });
  await problemOf(create('too-late'), 'ACCOUNT_NOT_SHARED');
  const list = callApi('GET', '/v1/clusters', { key: editor });
  expect(await (await list).text()).toContain('"name":"theirs"');
});

test('[I1] a registration may share the account; one that says nothing of it leaves what an admin made of it', async () => {
  const installer = await connectGateway(admin, 'shares');
  const silent = installationOf(installer.node.gatewayId, null);
  const saying = { ...silent, account: { ...silent.account, sharing: 'all' as const } };
  const made = `/v1/cloud-accounts/${silent.account.access.accountId}`;
  const kept = () => answerOf(callApi('GET', made, { key: admin }), 200, AccountView);
  await register(installer, saying);
  expect(await kept()).toMatchObject({ sharing: 'all', keyVersion: 1 });
  await register(installer, silent);
  expect(await kept()).toMatchObject({ sharing: 'all' });
  const unknown = { ...saying, account: { ...saying.account, sharing: { projects: [ProjectId.parse('prj_nobody')] } } };
  expect(await register(installer, unknown)).toMatchObject({ refused: { code: 'PROJECT_NOT_FOUND' } });
});
