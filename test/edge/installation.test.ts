// What an installer registers through its tunnel (I1, I2), down to the catalogue and the cluster's object.
import { env } from 'cloudflare:workers';
import { afterEach, beforeAll, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { pageOf } from '../../functions/api/page.ts';
import { ClusterObject } from '../../functions/objects/cluster-object.ts';
import { sweep } from '../../functions/sweep.ts';
import { BUILTIN_PROFILE } from '../../shared/builtin-profile.ts';
import { ClusterSummary, ClusterView } from '../../shared/cluster-view.ts';
import { AccountView, GatewayView } from '../../shared/gateway-view.ts';
import { ClusterId, type Scope } from '../../shared/ids.ts';
import type { Installation } from '../../shared/installation.ts';
import { type ApiGateway, connectGateway } from './api-gateway.ts';
import { answerOf, callApi, problemOf, setUp } from './call-api.ts';
import { rewriteState, storedState } from './cluster-storage-access.ts';
import { edgeEnv, FakeRelay } from './fake-relay.ts';
import {
  claimAt,
  giveMachine,
  installationOf,
  installed,
  MACHINES,
  machineRelay,
  register,
  until,
} from './own-machines.ts';

const ClusterPage = pageOf(ClusterSummary);
let admin: string;
let scope: Scope;

beforeAll(async () => {
  ({ key: admin, scope } = await setUp());
});
afterEach(() => vi.restoreAllMocks());

const get = <T extends z.ZodType>(path: string, schema: T) =>
  answerOf(callApi('GET', path, { key: admin }), 200, schema);
const viewOf = ({ node }: ApiGateway) => get(`/v1/gateways/${node.gatewayId}`, GatewayView);
const accountOf = ({ account }: Installation) => get(`/v1/cloud-accounts/${account.access.accountId}`, AccountView);
const provision = (id: ClusterId) => rewriteState(id, (state) => ({ ...state, provisionedAt: state.createdAt }), scope);
const fail = (id: ClusterId) => {
  const failure = { code: 'MAAS_UNAUTHORIZED', message: 'MAAS refuses the key.' };
  return rewriteState(id, (state) => ({ ...state, failure: { ...failure, at: state.createdAt } }), scope);
};

/** The same node from anew: after its socket broke, or, with another boot id, as the next run of the installer. */
async function again({ node, relay, open }: ApiGateway, joinCounter: number, bootId?: string): Promise<ApiGateway> {
  relay.hangUp();
  const next = await FakeRelay.join(node, joinCounter, bootId);
  await next.next('welcome');
  return { node, open, relay: next };
}

async function rowsOf(gateway: ApiGateway): Promise<{ id: string; phase: string; kind: string }[]> {
  const asked = env.CATALOGUE.prepare('select id, phase, kind from clusters where gateway_id = ? order by created_at');
  const { results } = await asked.bind(gateway.node.gatewayId).all();
  return z.array(z.object({ id: z.string(), phase: z.string(), kind: z.string() })).parse(results);
}

test('[I1] a registration makes the account and the machines once, however often it is said', async () => {
  const gateway = await connectGateway(admin, 'dc-1');
  const installation = installationOf(gateway.node.gatewayId);
  const first = await register(gateway, installation);
  expect(first).toMatchObject({ refused: null, phase: 'pending', failure: null });
  expect(first.machines).toMatchObject([{ slot: 'gateway-0', hostname: null, phase: 'planned', relay: null }]);
  expect(first.waitingOn.length).toBeGreaterThan(0);
  const again = await register(gateway, installation);
  expect(again.clusterId).toBe(first.clusterId);
  expect(await rowsOf(gateway)).toMatchObject([{ id: first.clusterId, kind: 'gateway' }]);
  expect(await accountOf(installation)).toMatchObject({ gatewayId: gateway.node.gatewayId, keyVersion: 1 });
});

test('[I1] the machines are one control plane that takes workloads, in the networks that were named', async () => {
  const gateway = await connectGateway(admin, 'spec');
  const id = await installed(gateway, { ...MACHINES, size: 3, zones: ['z1', 'z2'] });
  const { spec, profile, kind } = await storedState(id, scope);
  expect(kind).toBe('gateway');
  expect(spec).toMatchObject({ name: 'spec', profileId: BUILTIN_PROFILE.profileId });
  expect(spec.pools).toMatchObject([
    {
      role: 'control-plane',
      size: 3,
      allowWorkloads: true,
      minimums: MACHINES.minimums,
      placement: { zones: ['z1', 'z2'] },
    },
  ]);
  const { podCidr, serviceCidr } = MACHINES;
  expect(profile.layers).toContainEqual(
    expect.objectContaining({ kind: 'kubernetes', podSubnet: podCidr, serviceSubnet: serviceCidr }),
  );
  expect(profile.layers).toContainEqual(
    expect.objectContaining({ kind: 'cni', manifests: expect.stringContaining(`"Network": "${podCidr}"`) }),
  );
});

test('[I1] the machines of a gateway are shown by the gateway, and in no list of clusters', async () => {
  const gateway = await connectGateway(admin, 'shown');
  const id = await installed(gateway);
  expect((await viewOf(gateway)).machines).toMatchObject({ clusterId: id, size: 1, machines: [{ slot: 'gateway-0' }] });
  expect((await get('/v1/clusters?limit=200', ClusterPage)).items.map((item) => item.id)).not.toContain(id);
  expect((await get('/v1/clusters?name=shown', ClusterPage)).items).toEqual([]);
  // It is read like any cluster, but neither ended nor opened: who may do that to clusters may not do it to a gateway.
  expect(await get(`/v1/clusters/${id}`, ClusterView)).toMatchObject({ id });
  await problemOf(callApi('POST', `/v1/clusters/${id}/abort`, { key: admin }), 'NOT_FOUND');
  await problemOf(callApi('DELETE', `/v1/clusters/${id}?confirm=shown`, { key: admin }), 'NOT_FOUND');
  const json = { requestPem: 'x' };
  await problemOf(callApi('POST', `/v1/clusters/${id}/kubeconfig`, { key: admin, json }), 'NOT_FOUND');
});

test('[I1] the account of a gateway’s machines is in use, by the gateway', async () => {
  const gateway = await connectGateway(admin, 'in-use');
  const { account } = installationOf(gateway.node.gatewayId);
  await installed(gateway);
  const path = `/v1/cloud-accounts/${account.access.accountId}`;
  const problem = await problemOf(callApi('DELETE', path, { key: admin }), 'ACCOUNT_IN_USE');
  expect(problem).toMatchObject({ clusters: [], gateways: [{ id: gateway.node.gatewayId, name: 'in-use' }] });
});

test('[I1] a gateway on a host of its own registers its account, and no machine', async () => {
  const gateway = await connectGateway(admin, 'host');
  const installation = installationOf(gateway.node.gatewayId, null);
  expect(await register(gateway, installation)).toMatchObject({
    refused: null,
    clusterId: null,
    phase: null,
    machines: [],
  });
  await accountOf(installation);
  expect(await rowsOf(gateway)).toEqual([]);
  expect((await viewOf(gateway)).machines).toBeNull();
});

test('[I1] a registration that can not stand says why, and the next one may', async () => {
  const other = await connectGateway(admin, 'first-there');
  const taken = installationOf(other.node.gatewayId);
  await register(other, taken);
  const gateway = await connectGateway(admin, 'refused');
  const installation = installationOf(gateway.node.gatewayId);
  const named = { ...installation, account: { ...installation.account, name: taken.account.name } };
  expect(await register(gateway, named)).toMatchObject({ refused: { code: 'ACCOUNT_NAME_TAKEN' }, clusterId: null });
  const overlap = { ...installation, machines: { ...MACHINES, serviceCidr: '10.210.4.0/24' } };
  expect(await register(gateway, overlap)).toMatchObject({ refused: { code: 'CIDR_OVERLAP' }, clusterId: null });
  expect(await rowsOf(gateway)).toEqual([]);
  expect(await register(gateway, installation)).toMatchObject({ refused: null, phase: 'pending' });
});

test('[I1] a name that a cluster has, or that no machine could have, is refused', async () => {
  const owner = await connectGateway(admin, 'owner');
  await installed(owner);
  const { accountId } = installationOf(owner.node.gatewayId).account.access;
  const json = { name: 'namesake', profileId: BUILTIN_PROFILE.profileId, accountId };
  await answerOf(callApi('POST', '/v1/clusters', { key: admin, json }), 201, ClusterView);
  const namesake = await connectGateway(admin, 'namesake');
  const state = await register(namesake, installationOf(namesake.node.gatewayId));
  expect(state).toMatchObject({ refused: { code: 'CLUSTER_NAME_TAKEN' }, clusterId: null });
  const long = await connectGateway(admin, 'a'.repeat(33));
  const refused = await register(long, installationOf(long.node.gatewayId));
  expect(refused).toMatchObject({ refused: { code: 'GATEWAY_NAME_TOO_LONG' } });
});

test('[I1] what a lost call left half done is finished by the next, or by the sweep', async () => {
  const gateway = await connectGateway(admin, 'half');
  const installation = installationOf(gateway.node.gatewayId);
  const create = vi.spyOn(ClusterObject.prototype, 'create').mockRejectedValueOnce(new Error('lost'));
  gateway.relay.send({ type: 'installation', installation });
  await until(async () => expect(create).toHaveBeenCalledTimes(1));
  const [row] = await rowsOf(gateway);
  expect(await register(gateway, installation)).toMatchObject({ clusterId: row?.id, refused: null, phase: 'pending' });
  expect(await rowsOf(gateway)).toHaveLength(1);

  const swept = await connectGateway(admin, 'swept');
  create.mockRejectedValueOnce(new Error('lost'));
  swept.relay.send({ type: 'installation', installation: installationOf(swept.node.gatewayId) });
  await until(async () => expect(await rowsOf(swept)).toHaveLength(1));
  await env.CATALOGUE.prepare('update clusters set created_at = 0 where gateway_id = ?')
    .bind(swept.node.gatewayId)
    .run();
  await sweep(edgeEnv);
  expect((await viewOf(swept)).machines).toMatchObject({ clusterId: (await rowsOf(swept))[0]?.id, phase: 'pending' });
});

test('[I2] a new key or endpoint changes the account and is told; an admin’s change is not set back by a repeat', async () => {
  const gateway = await connectGateway(admin, 'rekeyed');
  const installation = installationOf(gateway.node.gatewayId);
  const id = await installed(gateway);
  const { account } = installation;
  const access = { ...account.access, endpoint: 'http://maas-2.test:5240/MAAS' };
  const changed = { ...installation, account: { ...account, access } };
  expect(await register(gateway, changed)).toMatchObject({ refused: null, clusterId: id });
  expect(await accountOf(installation)).toMatchObject({ endpoint: access.endpoint, keyVersion: 2 });
  expect((await storedState(id, scope)).account.endpoint).toBe(access.endpoint);
  await env.CATALOGUE.prepare('update cloud_accounts set key_version = 7 where id = ?').bind(access.accountId).run();
  await register(gateway, changed);
  expect((await accountOf(installation)).keyVersion).toBe(7);
});

test('[I2] other machines, while none stood: what was asked for is given back, and then asked for anew', async () => {
  const gateway = await connectGateway(admin, 'edited');
  const before = await installed(gateway);
  const abort = vi.spyOn(ClusterObject.prototype, 'requestAbort');
  const edited = installationOf(gateway.node.gatewayId, { ...MACHINES, size: 3 });
  const first = await register(gateway, edited);
  expect(first.waitingOn).toContain('What was asked for before is given back first.');
  expect(abort).toHaveBeenCalledTimes(1);
  await until(async () => expect((await register(gateway, edited)).clusterId).not.toBe(before));
  const state = await register(gateway, edited);
  expect(state).toMatchObject({ refused: null, phase: 'pending' });
  expect(state.machines).toHaveLength(3);
  expect(abort).toHaveBeenCalledTimes(1);
  expect(await rowsOf(gateway)).toMatchObject([{ id: state.clusterId }]);
});

test('[I2] an edit that is taken back while machines are given back begins anew too', async () => {
  const gateway = await connectGateway(admin, 'to-and-fro');
  const before = await installed(gateway);
  await register(gateway, installationOf(gateway.node.gatewayId, { ...MACHINES, size: 3 }));
  const back = installationOf(gateway.node.gatewayId);
  await until(async () => expect((await register(gateway, back)).clusterId).not.toBe(before));
  expect(await register(gateway, back)).toMatchObject({ refused: null, phase: 'pending' });
});

test('[I2] what failed is told as failed to the run that saw it, and the next run has it made anew, unchanged', async () => {
  const first = await connectGateway(admin, 'run-again');
  const installation = installationOf(first.node.gatewayId);
  const id = await installed(first);
  await fail(id);
  const failed = { clusterId: id, phase: 'failed', failure: { code: 'MAAS_UNAUTHORIZED' } };
  expect(await register(first, installation)).toMatchObject(failed);
  expect(await register(await again(first, 2), installation)).toMatchObject(failed);
  const second = await again(first, 3, 'boot-2');
  const waitingOn = ['What was asked for before is given back first.'];
  expect(await register(second, installation)).toMatchObject({ refused: null, failure: null, waitingOn });
  await until(async () => expect((await register(second, installation)).clusterId).not.toBe(id));
  const state = await register(second, installation);
  expect(state).toMatchObject({ refused: null, phase: 'pending', failure: null });
  expect(await rowsOf(second)).toMatchObject([{ id: state.clusterId }]);
  // What the second run made and sees fail is told to it in turn.
  const anew = ClusterId.parse(state.clusterId);
  await fail(anew);
  expect(await register(second, installation)).toMatchObject({ ...failed, clusterId: anew });
});

test('[I2] a run that carried on before it failed hears of it; a later one with a corrected account has the machines given back', async () => {
  const first = await connectGateway(admin, 'carried-on');
  const installation = installationOf(first.node.gatewayId);
  const id = await installed(first);
  const second = await again(first, 2, 'boot-2');
  expect(await register(second, installation)).toMatchObject({ clusterId: id, phase: 'pending' });
  await giveMachine(scope, id, claimAt(first.node.gatewayId, id));
  await fail(id);
  expect(await register(second, installation)).toMatchObject({ clusterId: id, phase: 'failed' });
  const third = await again(second, 3, 'boot-3');
  const access = { ...installation.account.access, endpoint: 'http://maas-3.test:5240/MAAS' };
  const account = { ...installation.account, access };
  expect(await register(third, { ...installation, account })).toMatchObject({ phase: 'aborting' });
  expect((await accountOf(installation)).endpoint).toBe(access.endpoint);
});

test('[I2] what failed after it was provisioned is not given back by a new run', async () => {
  const first = await connectGateway(admin, 'stood-once');
  const id = await installed(first);
  await provision(id);
  await fail(id);
  const second = await again(first, 2, 'boot-2');
  expect((await register(second, installationOf(first.node.gatewayId))).clusterId).toBe(id);
});

test('[I2] once provisioned, another size is the API’s, and other machines are refused', async () => {
  const gateway = await connectGateway(admin, 'stands');
  const id = await installed(gateway);
  await provision(id);
  const larger = await register(gateway, installationOf(gateway.node.gatewayId, { ...MACHINES, size: 3 }));
  expect(larger).toMatchObject({ refused: { code: 'GATEWAY_SIZE_DIFFERS', detail: expect.stringContaining('PATCH') } });
  const other = { ...MACHINES, podCidr: '10.212.0.0/16' };
  const refused = await register(gateway, installationOf(gateway.node.gatewayId, other));
  expect(refused).toMatchObject({ refused: { code: 'GATEWAY_MACHINES_FIXED' }, clusterId: id });
  expect(await register(gateway, installationOf(gateway.node.gatewayId))).toMatchObject({
    refused: null,
    clusterId: id,
  });
});

test('[I1] [I3] the installer sees the relay of each machine, and the machines hear of all relays', async () => {
  const gateway = await connectGateway(admin, 'relays');
  const id = await installed(gateway);
  const claim = claimAt(gateway.node.gatewayId, id);
  await giveMachine(scope, id, claim);
  const known = async () => (await storedState(id, scope)).relays;
  await until(async () => expect(await known()).toMatchObject([{ claim: null, state: 'active', connected: true }]));
  const { node, relay } = await machineRelay(gateway, scope, claim, 'of the first machine');
  await until(async () => expect(await known()).toMatchObject([{ claim: null }, { claim, connected: true }]));
  const shown = { nodeId: node.nodeId, state: 'active', connected: true };
  const { machines } = await register(gateway, installationOf(gateway.node.gatewayId));
  expect(machines).toMatchObject([{ slot: 'gateway-0', hostname: 'gateway-0-1', relay: shown }]);
  relay.hangUp();
  const gone = { claim, ...shown, connected: false };
  await until(async () => expect((await known())[1]).toEqual(gone));
});
