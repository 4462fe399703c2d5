import { evictDurableObject, runDurableObjectAlarm } from 'cloudflare:test';
import { expect, test, vi } from 'vitest';
import { gatewayStub } from '../../functions/env.ts';
import type { CommandOutcome } from '../../shared/command.ts';
import { objectName } from '../../shared/ids.ts';
import { LEASE_MS, LEASE_RELAY_MS } from '../../shared/limits.ts';
import { aCommand, aRelease, SCOPE } from '../storage/command-samples.ts';
import { addNode, edgeEnv, FakeRelay, gatewayAt, joined, type Node } from './fake-relay.ts';

const stubOf = (node: Node) => gatewayStub(edgeEnv, 'default', objectName(SCOPE, node.gatewayId));
const until = (look: () => Promise<unknown>) => vi.waitFor(look, { timeout: 4_000, interval: 20 });
const failed: CommandOutcome = { ok: false, error: { code: 'DEADLINE_PASSED', detail: 'too late' } };

test('commands go to the holder of the lease, though another has been connected for longer', async () => {
  const { node, relay } = await joined('gw_holder');
  const second = await addNode('gw_holder', node);
  const holder = await FakeRelay.join(second, 1);
  await holder.next('welcome');
  holder.send({ type: 'lease-request', epoch: null });
  await holder.next('lease');
  await gatewayAt('gw_holder').enqueue([aRelease('w-0')]);
  expect((await holder.delivered(second)).commands).toHaveLength(1);
  expect(relay.unread('deliver')).toBe(0);
  const leaders = (await gatewayAt('gw_holder').view())?.nodes.filter(({ leader }) => leader);
  expect(leaders).toMatchObject([{ nodeId: second.nodeId }]);
});

test('[L1] [L2] the lease is one incarnation’s: renewed with its epoch, refused to another until it ends', async () => {
  const { node, relay } = await joined('gw_leases');
  relay.send({ type: 'lease-request', epoch: null });
  expect(await relay.next('lease')).toMatchObject({ epoch: 1, durationMs: LEASE_RELAY_MS, guards: [] });
  relay.send({ type: 'lease-request', epoch: 1 });
  expect(await relay.next('lease')).toMatchObject({ epoch: 1 });
  const standby = await FakeRelay.join(await addNode('gw_leases', node), 1);
  await standby.next('welcome');
  standby.send({ type: 'lease-request', epoch: null });
  const { retryAfterMs } = await standby.next('lease-refused');
  expect(retryAfterMs).toBeGreaterThan(LEASE_MS - 5_000);
  expect(retryAfterMs).toBeLessThanOrEqual(LEASE_MS);
  await evictDurableObject(stubOf(node));
  standby.send({ type: 'lease-request', epoch: null });
  await standby.next('lease-refused');
  relay.hangUp();
  await until(async () =>
    expect((await gatewayAt('gw_leases').view())?.nodes.filter(({ connected }) => connected)).toHaveLength(1),
  );
  standby.send({ type: 'lease-request', epoch: null });
  await standby.next('lease-refused');
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + LEASE_MS + 1 });
  standby.send({ type: 'lease-request', epoch: null });
  expect(await standby.next('lease')).toMatchObject({ epoch: 2 });
  vi.useRealTimers();
});

test('[L2] [L8] an incarnation that comes back keeps its epoch; the same node after a restart takes over under a new one', async () => {
  const { node, relay } = await joined('gw_returns');
  relay.send({ type: 'lease-request', epoch: null });
  expect(await relay.next('lease')).toMatchObject({ epoch: 1 });
  const same = await FakeRelay.join(node, 2);
  await same.next('welcome');
  same.send({ type: 'lease-request', epoch: 1 });
  expect(await same.next('lease')).toMatchObject({ epoch: 1 });
  const restarted = await FakeRelay.join(node, 3, 'boot-2');
  await restarted.next('welcome');
  restarted.send({ type: 'lease-request', epoch: null });
  expect(await restarted.next('lease')).toMatchObject({ epoch: 2 });
});

test('[L3] a new epoch guards what an older one may still be changing, and nothing else', async () => {
  const { node, relay } = await joined('gw_guards');
  const [open, settled, withdrawn, observed] = [
    aRelease('w-0'),
    aRelease('w-1'),
    aRelease('w-2'),
    aCommand({ subject: 'w-3' }),
  ];
  await gatewayAt('gw_guards').enqueue([open, settled, withdrawn, observed]);
  await relay.commands(node, 4);
  relay.send({ type: 'lease-request', epoch: null });
  expect((await relay.next('lease')).guards).toEqual([]);
  relay.send({ type: 'report', commandId: settled.commandId, outcome: failed, epoch: 1 });
  await relay.next('report-ack');
  await gatewayAt('gw_guards').withdraw([withdrawn.commandId]);
  const standby = await FakeRelay.join(await addNode('gw_guards', node), 1);
  await standby.next('welcome');
  relay.hangUp();
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + LEASE_MS + 1 });
  await until(async () => expect(standby.unread('deliver')).toBe(1));
  standby.send({ type: 'lease-request', epoch: null });
  const { epoch, guards } = await standby.next('lease');
  expect(epoch).toBe(2);
  expect(guards.map(({ subject }) => subject)).toEqual(['w-0', 'w-2']);
  expect(guards.every(({ clusterId, waitMs }) => clusterId === 'clu_test' && waitMs === 50_000)).toBe(true);
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 50_001 });
  standby.send({ type: 'lease-request', epoch: 2 });
  expect((await standby.next('lease')).guards).toEqual([]);
  vi.useRealTimers();
});

test('[L1] a leader that lets its lease lapse with work to do is passed over within 20 s', async () => {
  const { node, relay } = await joined('gw_lapses');
  await gatewayAt('gw_lapses').enqueue([aRelease('w-0')]);
  await relay.commands(node, 1);
  relay.send({ type: 'lease-request', epoch: null });
  await relay.next('lease');
  const standby = await FakeRelay.join(await addNode('gw_lapses', node), 1);
  await standby.next('welcome');
  expect(standby.unread('deliver')).toBe(0);
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + LEASE_MS + 1 });
  expect(await runDurableObjectAlarm(stubOf(node))).toBe(true);
  expect((await standby.next('deliver')).payload).toContain('w-0');
  vi.useRealTimers();
});
