// How a gateway on machines grows and ends, through the API: PATCH, DELETE, and DELETE with orphan=true.
import { env } from 'cloudflare:workers';
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { clusterOf } from '../../functions/env.ts';
import { ClusterObject } from '../../functions/objects/cluster-object.ts';
import { openCatalogue } from '../../functions/store/catalogue.ts';
import { beginGatewayDeletion } from '../../functions/store/gateways.ts';
import { sweep } from '../../functions/sweep.ts';
import { BUILTIN_PROFILE } from '../../shared/builtin-profile.ts';
import { ClusterView } from '../../shared/cluster-view.ts';
import { GatewayView, OrphanedGateway } from '../../shared/gateway-view.ts';
import type { ClusterId, Scope } from '../../shared/ids.ts';
import { GATEWAY_ORPHAN_MS } from '../../shared/limits.ts';
import { type ApiGateway, connectGateway } from './api-gateway.ts';
import { answerOf, callApi, problemOf, setUp } from './call-api.ts';
import { rewriteState, storedState, tablesOf } from './cluster-storage-access.ts';
import { edgeEnv, FakeRelay } from './fake-relay.ts';
import { claimAt, giveMachine, installationOf, installed, MACHINES, register, until } from './own-machines.ts';

let admin: string;
let scope: Scope;
beforeAll(async () => {
  ({ key: admin, scope } = await setUp());
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const at = (method: string, { node }: ApiGateway, more: { query?: string; json?: object } = {}) => {
  const { query = '', json } = more;
  return callApi(method, `/v1/gateways/${node.gatewayId}${query}`, {
    key: admin,
    ...(json === undefined ? {} : { json }),
  });
};
const viewOf = (gateway: ApiGateway) => answerOf(at('GET', gateway), 200, GatewayView);
const resize = (gateway: ApiGateway, size: number) => at('PATCH', gateway, { json: { size } });

async function carried(name: string, size: 1 | 3 = 1): Promise<{ gateway: ApiGateway; clusterId: ClusterId }> {
  const gateway = await connectGateway(admin, name);
  return { gateway, clusterId: await installed(gateway, { ...MACHINES, size }) };
}

/** The cluster's object says that it is as the planner would say once all machines serve. */
function showAs(changes: Partial<ClusterView>): void {
  const { view } = ClusterObject.prototype;
  vi.spyOn(ClusterObject.prototype, 'view').mockImplementation(async function (this: ClusterObject) {
    const real = await view.call(this);
    return real === null ? null : { ...real, ...changes };
  });
}

async function userCluster(gateway: ApiGateway, name: string): Promise<ClusterView> {
  const { accountId } = installationOf(gateway.node.gatewayId).account.access;
  const json = { name, profileId: BUILTIN_PROFILE.profileId, accountId };
  return answerOf(callApi('POST', '/v1/clusters', { key: admin, json }), 201, ClusterView);
}

describe('PATCH /v1/gateways/{id}', () => {
  test('lets a running gateway grow from one machine to three, and says the same again', async () => {
    const { gateway, clusterId } = await carried('grows');
    showAs({ phase: 'running' });
    expect(await answerOf(resize(gateway, 3), 202, GatewayView)).toMatchObject({ machines: { clusterId, size: 3 } });
    const { generation, spec } = await storedState(clusterId, scope);
    expect(spec.pools).toMatchObject([{ size: 3 }]);
    await answerOf(resize(gateway, 3), 202, GatewayView);
    expect((await storedState(clusterId, scope)).generation).toBe(generation);
  });

  test('never lets one shrink', async () => {
    const { gateway, clusterId } = await carried('shrinks', 3);
    showAs({ phase: 'running' });
    await problemOf(resize(gateway, 1), 'GATEWAY_SHRINK_UNSUPPORTED');
    expect((await storedState(clusterId, scope)).spec.pools).toMatchObject([{ size: 3 }]);
  });

  test('waits for a gateway that is whole, and refuses one on a host of its own', async () => {
    const { gateway, clusterId } = await carried('not-yet');
    await problemOf(resize(gateway, 3), 'GATEWAY_NOT_HEALTHY');
    expect((await storedState(clusterId, scope)).spec.pools).toMatchObject([{ size: 1 }]);
    const host = await connectGateway(admin, 'on-a-host');
    await problemOf(resize(host, 3), 'GATEWAY_WITHOUT_MACHINES');
    await problemOf(resize(gateway, 2), 'BODY_INVALID');
  });
});

describe('DELETE /v1/gateways/{id}', () => {
  test('is refused while a user’s cluster stands, and leaves the gateway as it was', async () => {
    const { gateway } = await carried('used');
    const { id, name } = await userCluster(gateway, 'tenant-of-used');
    expect(await problemOf(at('DELETE', gateway), 'GATEWAY_HAS_CLUSTERS')).toMatchObject({ clusters: [{ id, name }] });
    expect(await problemOf(at('DELETE', gateway, { query: '?orphan=true' }), 'GATEWAY_HAS_CLUSTERS')).toMatchObject({
      clusters: [{ id, name }],
    });
    expect((await viewOf(gateway)).phase).toBe('connected');
    await userCluster(gateway, 'another-of-used');
  });

  test('[I5] gives the machines back first, then ends sessions, rows and name by itself', async () => {
    const { gateway, clusterId } = await carried('ends');
    const { gatewayId } = gateway.node;
    const deletion = vi.spyOn(ClusterObject.prototype, 'requestDeletion');
    // Something has to be given back: MAAS has not said yet that it is.
    const claim = claimAt(gatewayId, clusterId);
    await rewriteState(clusterId, (state) => ({ ...state, provisionedAt: state.createdAt }), scope);
    await giveMachine(scope, clusterId, claim);
    expect(await answerOf(at('DELETE', gateway), 202, GatewayView)).toMatchObject({
      phase: 'deleting',
      machines: { clusterId, phase: 'deleting' },
    });
    expect(deletion).toHaveBeenCalledWith('admin');
    expect(await answerOf(at('DELETE', gateway), 202, GatewayView)).toMatchObject({ phase: 'deleting' });
    expect(deletion).toHaveBeenCalledTimes(1);
    expect(await register(gateway, installationOf(gatewayId))).toMatchObject({ refused: { code: 'GATEWAY_DELETING' } });
    // Nothing new stands on it.
    const { accountId } = installationOf(gatewayId).account.access;
    const json = { name: 'too-late', profileId: BUILTIN_PROFILE.profileId, accountId };
    await problemOf(callApi('POST', '/v1/clusters', { key: admin, json }), 'ACCOUNT_NOT_FOUND');
    gateway.relay.send({ type: 'node-leave' });
    // The last machine is seen to go.
    await rewriteState(clusterId, (state) => ({ ...state, machines: [] }), scope);
    await clusterOf(edgeEnv, scope, clusterId).poke();
    expect(await gateway.relay.closing()).toBe(4003);
    await until(async () => problemOf(at('GET', gateway), 'NOT_FOUND'));
    await problemOf(callApi('GET', `/v1/cloud-accounts/${accountId}`, { key: admin }), 'NOT_FOUND');
    await connectGateway(admin, 'ends');
  });

  test('[I5] of one that was never provisioned aborts what it asked for', async () => {
    const { gateway, clusterId } = await carried('aborts');
    const abort = vi.spyOn(ClusterObject.prototype, 'requestAbort');
    expect([202, 204]).toContain((await at('DELETE', gateway)).status);
    expect(abort).toHaveBeenCalledWith('admin');
    expect(await gateway.relay.closing()).toBe(4003);
    await until(async () => problemOf(at('GET', gateway), 'NOT_FOUND'));
    expect((await storedState(clusterId, scope)).intent.kind).toBe('aborted');
    // Its machines' name is free at once: a gateway of this name may be installed again.
    const next = await connectGateway(admin, 'aborts');
    expect(await register(next, installationOf(next.node.gatewayId))).toMatchObject({ refused: null });
  });

  test('[I5] that died before the gateway’s object knew is taken up by the sweep', async () => {
    const { gateway } = await carried('forgotten');
    const db = openCatalogue(env.CATALOGUE);
    expect(await beginGatewayDeletion(db, scope, gateway.node.gatewayId, 1)).toBe(true);
    expect((await viewOf(gateway)).phase).toBe('connected');
    await sweep(edgeEnv);
    expect(await gateway.relay.closing()).toBe(4003);
    await until(async () => problemOf(at('GET', gateway), 'NOT_FOUND'));
  });
});

describe('DELETE /v1/gateways/{id}?orphan=true', () => {
  const orphan = (gateway: ApiGateway) => at('DELETE', gateway, { query: '?orphan=true' });
  const later = (ms: number) => vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + ms });

  test('is refused while a relay is there, and for 15 minutes after', async () => {
    const { gateway, clusterId } = await carried('reachable');
    await problemOf(orphan(gateway), 'GATEWAY_REACHABLE');
    gateway.relay.hangUp();
    await until(async () => expect((await viewOf(gateway)).phase).toBe('disconnected'));
    later(GATEWAY_ORPHAN_MS - 60_000);
    await problemOf(orphan(gateway), 'GATEWAY_REACHABLE');
    expect((await viewOf(gateway)).machines).toMatchObject({ clusterId });
  });

  test('says what stays behind, and forgets everything of ours', async () => {
    const { gateway, clusterId } = await carried('lost');
    const { gatewayId } = gateway.node;
    const claim = claimAt(gatewayId, clusterId);
    await giveMachine(scope, clusterId, claim);
    const address = {
      fqdn: 'lost.maas',
      subnetCidr: '10.0.0.0/24',
      candidates: ['10.0.0.9'],
      chosenAt: 1,
      doubt: null,
    };
    await rewriteState(
      clusterId,
      (state) => ({ ...state, address: { ...address, ip: '10.0.0.9', releasedAt: null } }),
      scope,
    );
    gateway.relay.hangUp();
    await until(async () => expect((await viewOf(gateway)).phase).toBe('disconnected'));
    later(GATEWAY_ORPHAN_MS + 60_000);
    expect(await answerOf(orphan(gateway), 200, OrphanedGateway)).toEqual({
      machines: [{ claim, systemId: 'sys-1', hostname: 'gateway-0-1' }],
      address: { ip: '10.0.0.9', fqdn: 'lost.maas' },
    });
    vi.useRealTimers();
    await problemOf(at('GET', gateway), 'NOT_FOUND');
    const { accountId } = installationOf(gatewayId).account.access;
    await problemOf(callApi('GET', `/v1/cloud-accounts/${accountId}`, { key: admin }), 'NOT_FOUND');
    expect(await tablesOf(clusterId, scope)).toEqual([]);
    const { results } = await env.CATALOGUE.prepare('select phase from clusters where id = ?').bind(clusterId).all();
    expect(results).toEqual([{ phase: 'deleted' }]);
    expect(await (await FakeRelay.dial(gateway.node.tunnelPath)).closing()).toBe(4003);
    await connectGateway(admin, 'lost');
  });

  test('of a gateway on a host leaves nothing behind', async () => {
    const gateway = await connectGateway(admin, 'lost-host');
    gateway.relay.hangUp();
    await until(async () => expect((await viewOf(gateway)).phase).toBe('disconnected'));
    later(GATEWAY_ORPHAN_MS + 60_000);
    expect(await answerOf(orphan(gateway), 200, OrphanedGateway)).toEqual({ machines: [], address: null });
  });
});
