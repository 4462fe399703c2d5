import { evictDurableObject, runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { beforeAll, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { gatewayStub } from '../../functions/env.ts';
import { openCatalogue } from '../../functions/store/catalogue.ts';
import { addAccount } from '../../functions/store/cloud-accounts.ts';
import { sweep } from '../../functions/sweep.ts';
import { BUILTIN_PROFILE } from '../../shared/builtin-profile.ts';
import { ClusterView, TimelineEntry } from '../../shared/cluster-view.ts';
import { GatewayView } from '../../shared/gateway-view.ts';
import { AccountId, objectName, type Scope } from '../../shared/ids.ts';
import { QUEUED_CLUSTERS_MAX } from '../../shared/limits.ts';
import { CLOSE } from '../../shared/tunnel-frame.ts';
import { ACCOUNT } from '../storage/command-samples.ts';
import { ACCOUNT_FACTS, type ApiGateway, connectGateway } from './api-gateway.ts';
import { publish } from './api-releases.ts';
import { answerOf, callApi, problemOf, setUp } from './call-api.ts';
import { edgeEnv, FakeRelay } from './fake-relay.ts';

let admin: string;
let scope: Scope;
beforeAll(async () => {
  ({ key: admin, scope } = await setUp());
});
const until = (look: () => Promise<unknown>) => vi.waitFor(look, { timeout: 8_000, interval: 30 });

const at = (method: string, { node }: ApiGateway, part = '', json?: object) =>
  callApi(method, `/v1/gateways/${node.gatewayId}${part}`, { key: admin, ...(json === undefined ? {} : { json }) });
const viewOf = (gateway: ApiGateway) => answerOf(at('GET', gateway), 200, GatewayView);
const upgrade = (gateway: ApiGateway, json: object = {}) => at('POST', gateway, '/upgrade', json);
const timelineOf = async (gateway: ApiGateway, query = '') => {
  const Entries = z.object({ items: z.array(TimelineEntry) });
  return (await answerOf(at('GET', gateway, `/timeline${query}`), 200, Entries)).items;
};

/** The new program dials in the old one's place, and says that it runs. */
async function exchange({ relay, node }: ApiGateway, version: string, join = 2): Promise<FakeRelay> {
  const [command] = await relay.commands(node, 1);
  expect(command?.body.verb).toBe('ensure-relay-program');
  const next = await FakeRelay.dial(node.tunnelPath);
  await next.hello(node, join, `boot-${join}`, { relayVersion: version });
  await next.next('welcome');
  expect(await relay.closing()).toBe(CLOSE.SUPERSEDED);
  const outcome = { ok: true, value: { verb: 'ensure-relay-program', version } } as const;
  next.send({ type: 'report', commandId: command?.commandId ?? never(), outcome, epoch: null });
  return next;
}

test('nothing is published: there is no release to upgrade to', async () => {
  await problemOf(upgrade(await connectGateway(admin, 'early')), 'RELEASE_UNKNOWN');
});

test('[U5] [UP3] a gateway is upgraded now: offered, under way, done, and the timeline tells it', async () => {
  const gateway = await connectGateway(admin, 'now');
  await publish('0.2.0');
  expect(await viewOf(gateway)).toMatchObject({ version: '0.1.0', availableUpgrade: { to: '0.2.0' }, upgrade: null });
  const begun = await answerOf(upgrade(gateway, { version: '0.2.0' }), 202, GatewayView);
  expect(begun.upgrade).toMatchObject({ stage: 'relays', from: '0.1.0', to: '0.2.0', waitingOn: [{ slot: null }] });
  await answerOf(upgrade(gateway), 202, GatewayView);
  await exchange(gateway, '0.2.0');
  await until(async () => expect((await viewOf(gateway)).upgrade?.stage).toBe('done'));
  expect(await viewOf(gateway)).toMatchObject({ version: '0.2.0', availableUpgrade: null, outstandingCommands: 0 });
  await problemOf(upgrade(gateway), 'UPGRADE_NOT_NEWER');
  await problemOf(at('DELETE', gateway, '/upgrade'), 'UPGRADE_NOT_SCHEDULED');
  const entries = await timelineOf(gateway);
  expect(entries.map(({ kind }) => kind)).toEqual(['paired', 'release', ...Array(4).fill('upgrade')]);
  expect(entries.at(-1)?.message).toBe('The gateway runs 0.2.0.');
  const [, second] = entries;
  expect(await timelineOf(gateway, `?after=${second?.seq}&limit=1`)).toEqual([entries[2]]);
});

test('[UP2] a relay that runs its installed program again is offered the same release again, and takes it', async () => {
  const gateway = await connectGateway(admin, 'fell-back');
  await answerOf(upgrade(gateway, { version: '0.2.0' }), 202, GatewayView);
  const upgraded = await exchange(gateway, '0.2.0');
  await until(async () => expect((await viewOf(gateway)).upgrade?.stage).toBe('done'));
  const back = await FakeRelay.dial(gateway.node.tunnelPath);
  await back.hello(gateway.node, 3, 'boot-3', { relayVersion: '0.1.0' });
  await back.next('welcome');
  expect(await upgraded.closing()).toBe(CLOSE.SUPERSEDED);
  const offered = { version: '0.1.0', availableUpgrade: { from: '0.1.0', to: '0.2.0' }, upgrade: { stage: 'done' } };
  await until(async () => expect(await viewOf(gateway)).toMatchObject(offered));
  const again = await answerOf(upgrade(gateway, { version: '0.2.0' }), 202, GatewayView);
  expect(again.upgrade).toMatchObject({ stage: 'relays', from: '0.1.0', to: '0.2.0' });
  await exchange({ ...gateway, relay: back }, '0.2.0', 4);
  await until(async () => expect((await viewOf(gateway)).upgrade?.stage).toBe('done'));
  expect(await viewOf(gateway)).toMatchObject({ version: '0.2.0', availableUpgrade: null, outstandingCommands: 0 });
});

test('[UP9] another release is refused while one is under way, an unknown one always', async () => {
  await publish('0.3.0');
  const gateway = await connectGateway(admin, 'busy');
  await answerOf(upgrade(gateway, { version: '0.2.0' }), 202, GatewayView);
  await problemOf(upgrade(gateway, { version: '0.3.0' }), 'UPGRADE_UNDER_WAY');
  await problemOf(upgrade(gateway, { version: '9.9.9' }), 'RELEASE_UNKNOWN');
  await problemOf(upgrade(gateway, { version: 'v1' }), 'BODY_INVALID');
});

test('[UP11] one whose alarm the platform lost is woken by the sweep, which forgets it when nothing is left to wake it for', async () => {
  const gateway = await connectGateway(admin, 'overslept');
  const window = { startsAt: Date.now() + 3_600_000, endsAt: Date.now() + 7_200_000 };
  await answerOf(upgrade(gateway, { window }), 202, GatewayView);
  const stub = gatewayStub(edgeEnv, scope.jurisdiction, objectName(scope, gateway.node.gatewayId));
  const alarm = () => runInDurableObject(stub, (_object, { storage }) => storage.getAlarm());
  const due = async () => {
    const query = env.CATALOGUE.prepare('SELECT upgrade_due_at AS due FROM gateways WHERE id = ?');
    return (await query.bind(gateway.node.gatewayId).first<{ due: number | null }>())?.due;
  };
  expect([await due(), await alarm()]).toEqual([window.startsAt, window.startsAt]);
  await runInDurableObject(stub, (_object, { storage }) => storage.deleteAlarm());
  await evictDurableObject(stub);
  await sweep(edgeEnv);
  expect(await alarm()).toBeNull();
  const late = env.CATALOGUE.prepare('UPDATE gateways SET upgrade_due_at = 1 WHERE id = ?');
  await late.bind(gateway.node.gatewayId).run();
  await sweep(edgeEnv);
  expect([await due(), await alarm()]).toEqual([window.startsAt, window.startsAt]);
  // Refused, and so it moves nothing.
  const later = { startsAt: window.startsAt + 1, endsAt: window.endsAt + 1 };
  await problemOf(upgrade(gateway, { window: later }), 'UPGRADE_UNDER_WAY');
  expect(await due()).toBe(window.startsAt);
  await answerOf(at('DELETE', gateway, '/upgrade'), 200, GatewayView);
  await late.bind(gateway.node.gatewayId).run();
  await sweep(edgeEnv);
  expect(await due()).toBeNull();
});

test('[UP1] in a window: scheduled, kept by an object that is lost, and cancelled', async () => {
  const gateway = await connectGateway(admin, 'window');
  const window = { startsAt: Date.now() + 3_600_000, endsAt: Date.now() + 7_200_000 };
  const { upgrade: scheduled } = await answerOf(upgrade(gateway, { window }), 202, GatewayView);
  expect(scheduled).toMatchObject({ stage: 'scheduled', window, startedAt: null });
  expect(scheduled?.waitingOn).toMatchObject([{ code: 'maintenance-window', deadlineAt: window.endsAt }]);
  await evictDurableObject(gatewayStub(env, 'default', objectName(scope, gateway.node.gatewayId)));
  expect((await viewOf(gateway)).upgrade).toMatchObject({ stage: 'scheduled' });
  const cancelled = await answerOf(at('DELETE', gateway, '/upgrade'), 200, GatewayView);
  expect(cancelled.upgrade?.stage).toBe('cancelled');
  await problemOf(upgrade(gateway, { window: { startsAt: 2, endsAt: 1 } }), 'WINDOW_INVALID');
});

test('[UP9] without a relay an upgrade can not begin', async () => {
  const gateway = await connectGateway(admin, 'away');
  gateway.relay.hangUp();
  await until(async () => expect((await viewOf(gateway)).phase).toBe('disconnected'));
  await problemOf(upgrade(gateway), 'GATEWAY_NOT_RUNNING');
});

test('[UP4] [U5] a relay that refuses stops it, and the code says why', async () => {
  const gateway = await connectGateway(admin, 'refuses');
  await answerOf(upgrade(gateway), 202, GatewayView);
  const [command] = await gateway.relay.commands(gateway.node, 1);
  const outcome = { ok: false, error: { code: 'RELEASE_ROLLED_BACK', detail: 'no heartbeat' } } as const;
  gateway.relay.send({ type: 'report', commandId: command?.commandId ?? never(), outcome, epoch: null });
  await gateway.relay.next('report-ack');
  expect((await viewOf(gateway)).upgrade).toMatchObject({ stage: 'failed', failure: { code: 'RELEASE_ROLLED_BACK' } });
});

const never = (): never => {
  throw new Error('no command');
};

async function anAccount({ node }: ApiGateway): Promise<string> {
  const accountId = AccountId.parse(`acc_${node.gatewayId.slice(3)}`);
  const row = { access: { ...ACCOUNT, accountId }, name: accountId, gatewayId: node.gatewayId, facts: ACCOUNT_FACTS };
  const times = { keyVersion: 1, validatedAt: 1, createdAt: 1 };
  expect(await addAccount(openCatalogue(env.CATALOGUE), { scope, sharing: 'tenant', ...row, ...times })).toBe(
    'written',
  );
  return accountId;
}

test('[U6] [QU1] [QU2] clusters that are created meanwhile are queued with their place, and begin afterwards in order', {
  timeout: 30_000,
}, async () => {
  await publish('0.4.0');
  const gateway = await connectGateway(admin, 'queues');
  const accountId = await anAccount(gateway);
  const create = (name: string) => {
    const json = { name, profileId: BUILTIN_PROFILE.profileId, accountId };
    return answerOf(callApi('POST', '/v1/clusters', { key: admin, json }), 201, ClusterView);
  };
  const seen = (id: string) => answerOf(callApi('GET', `/v1/clusters/${id}`, { key: admin }), 200, ClusterView);
  await answerOf(upgrade(gateway), 202, GatewayView);
  const [one, two, three] = [await create('one'), await create('two'), await create('three')];
  for (const { id } of [one, two, three]) await until(async () => expect((await seen(id)).phase).toBe('queued'));
  await until(async () =>
    expect((await seen(three.id)).waitingOn[0]?.sentence).toBe(
      'Waiting for the upgrade of its gateway to end; 2 clusters are ahead of it.',
    ),
  );
  expect((await viewOf(gateway)).queuedClusters).toBe(3);
  await answerOf(callApi('POST', `/v1/clusters/${one.id}/abort`, { key: admin }), 202, ClusterView);
  expect((await seen(one.id)).phase).toBe('deleted');
  await until(async () => expect((await seen(three.id)).waitingOn[0]?.sentence).toContain('1 cluster is ahead of it.'));
  const next = await exchange(gateway, '0.4.0');
  const owners = async () => (await next.delivered(gateway.node)).commands.map(({ clusterId }) => clusterId);
  const first: (string | null)[] = [];
  while (!first.includes(three.id)) first.push(...(await owners()));
  expect(first.filter((id) => id !== null)).not.toContain(one.id);
  expect(first.indexOf(two.id)).toBeLessThan(first.indexOf(three.id));
  expect((await seen(two.id)).phase).toBe('pending');
  expect(await viewOf(gateway)).toMatchObject({ queuedClusters: 0, upgrade: { stage: 'done' } });
});

test('[U6] beyond a thousand clusters in line no further one is taken', async () => {
  const gateway = await connectGateway(admin, 'full');
  const accountId = await anAccount(gateway);
  const { tenantId, projectId, jurisdiction } = scope;
  const columns =
    'tenant_id, project_id, jurisdiction, id, name, description, tags, phase, gateway_id, account_id, profile_id, account_version, machines_ready, machines_wanted, created_at, updated_at';
  const values = `with recursive n(i) as (select 1 union all select i + 1 from n where i < ${QUEUED_CLUSTERS_MAX})
    select ?, ?, ?, 'clu_q' || i, 'q' || i, '', '[]', 'queued', ?, ?, '', 1, 0, 1, 1, 1 from n`;
  await env.CATALOGUE.prepare(`insert into clusters (${columns}) ${values}`)
    .bind(tenantId, projectId, jurisdiction, gateway.node.gatewayId, accountId)
    .run();
  const json = { name: 'one-more', profileId: BUILTIN_PROFILE.profileId, accountId };
  await problemOf(callApi('POST', '/v1/clusters', { key: admin, json }), 'UPGRADE_QUEUE_FULL');
});
