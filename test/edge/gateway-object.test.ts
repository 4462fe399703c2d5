import { evictDurableObject, runDurableObjectAlarm } from 'cloudflare:test';
import { expect, test, vi } from 'vitest';
import { clusterOf, gatewayStub } from '../../functions/env.ts';
import type { CommandOutcome } from '../../shared/command.ts';
import { ClusterId, objectName } from '../../shared/ids.ts';
import { GATEWAY_QUEUE_MAX } from '../../shared/limits.ts';
import { aCreation } from '../storage/cluster-sample.ts';
import { aCommand, aRelease, SCOPE } from '../storage/command-samples.ts';
import { breakState, mendState, storedState } from './cluster-storage-access.ts';
import { addNode, edgeEnv, FakeRelay, gatewayAt, joined, makeNode, type Node } from './fake-relay.ts';

const stubOf = (node: Node) => gatewayStub(edgeEnv, 'default', objectName(SCOPE, node.gatewayId));
const until = (look: () => Promise<unknown>) => vi.waitFor(look, { timeout: 4_000, interval: 20 });
const outstanding = async (node: Node) => (await gatewayAt(node.gatewayId).view())?.outstandingCommands;
const failed: CommandOutcome = { ok: false, error: { code: 'DEADLINE_PASSED', detail: 'too late' } };

test('[C3] a command waits while no relay is connected, and is delivered when one is', async () => {
  const node = await makeNode('gw_waits');
  const command = aCommand({ gatewayId: node.gatewayId });
  expect(await gatewayAt('gw_waits').enqueue([command])).toEqual({ ok: true, value: null });
  await evictDurableObject(stubOf(node));
  const relay = await FakeRelay.join(node, 1);
  expect((await relay.next('welcome')).outstanding).toEqual([command.commandId]);
  expect((await relay.delivered(node)).commands).toEqual([command]);
  relay.send({ type: 'receipt', commandIds: [command.commandId] });
  expect(await outstanding(node)).toBe(1);
});

test('[T5] what is unsettled is delivered again to each session, and nothing twice to one', async () => {
  const { node, relay } = await joined('gw_again');
  const commands = ['a', 'b', 'c'].map((subject) => aCommand({ subject, gatewayId: node.gatewayId }));
  await gatewayAt('gw_again').enqueue(commands);
  expect(await relay.commands(node, 3)).toEqual(commands);
  await gatewayAt('gw_again').enqueue(commands);
  await evictDurableObject(stubOf(node), { webSockets: 'close' });
  const next = await FakeRelay.join(node, 2);
  expect((await next.next('welcome')).outstanding).toEqual(commands.map(({ commandId }) => commandId));
  expect(await next.commands(node, 3)).toEqual(commands);
  expect(relay.unread('deliver')).toBe(0);
});

test('[C2] one id has one body: a repeat is delivered once, another body under it is told and not taken', async () => {
  const { node, relay } = await joined('gw_oneid');
  const command = aCommand({ gatewayId: node.gatewayId });
  await gatewayAt('gw_oneid').enqueue([command, aCommand({ subject: 'other', gatewayId: node.gatewayId })]);
  expect(await relay.commands(node, 2)).toContainEqual(command);
  const logged = vi.spyOn(console, 'log');
  await gatewayAt('gw_oneid').enqueue([{ ...command, deadlineAt: command.deadlineAt - 1 }]);
  expect(logged.mock.calls.flat().join()).toContain('CONFIGURATION_CHANGED');
  const next = await FakeRelay.join(node, 2);
  expect(await next.commands(node, 2)).toContainEqual(command);
});

test('[C5] a newer attempt takes the place of the older, and the relay is told to stop that one', async () => {
  const { node, relay } = await joined('gw_newer');
  const [older, newer] = [aRelease('w-0'), aRelease('w-0', { attempt: 1 })];
  await gatewayAt('gw_newer').enqueue([older]);
  await relay.commands(node, 1);
  await gatewayAt('gw_newer').enqueue([newer]);
  expect((await relay.next('withdraw')).commandIds).toEqual([older.commandId]);
  expect(await relay.commands(node, 1)).toEqual([newer]);
  expect(await outstanding(node)).toBe(1);
});

test('[C6] a standing command stays unsettled and comes again with each new leader', async () => {
  const { node, relay } = await joined('gw_stands');
  const watch = aCommand({
    gatewayId: node.gatewayId,
    body: { verb: 'observe-cluster', account: aCreation('clu_x').account, access: null, machines: [], inventory: true },
  });
  await gatewayAt('gw_stands').enqueue([watch]);
  await relay.commands(node, 1);
  const standby = await FakeRelay.join(await addNode('gw_stands', node), 1);
  await standby.next('welcome');
  relay.hangUp();
  expect((await standby.next('deliver')).payload).toContain(watch.commandId);
});

test('a withdrawn command is forgotten, and the relay is told', async () => {
  const { node, relay } = await joined('gw_withdraws');
  const command = aCommand({ gatewayId: node.gatewayId });
  await gatewayAt('gw_withdraws').enqueue([command]);
  await relay.commands(node, 1);
  await gatewayAt('gw_withdraws').withdraw([command.commandId]);
  expect((await relay.next('withdraw')).commandIds).toEqual([command.commandId]);
  expect(await outstanding(node)).toBe(0);
});

test('a full queue takes nothing new and says so', async () => {
  const node = await makeNode('gw_full');
  const many = Array.from({ length: GATEWAY_QUEUE_MAX }, (_, index) =>
    aCommand({ subject: `s-${index}`, gatewayId: node.gatewayId }),
  );
  for (let at = 0; at < many.length; at += 100) await gatewayAt('gw_full').enqueue(many.slice(at, at + 100));
  expect(await gatewayAt('gw_full').enqueue([aCommand({ subject: 'one-more' })])).toMatchObject({
    error: { code: 'GATEWAY_QUEUE_FULL' },
  });
  expect(await gatewayAt('gw_full').enqueue(many.slice(0, 3))).toEqual({ ok: true, value: null });
});

test('[C9] a report is acknowledged after the cluster has it, not before, and a repeat is harmless', async () => {
  const { node, relay } = await joined('gw_reports');
  const cluster = () => clusterOf(edgeEnv, SCOPE, ClusterId.parse('clu_reports'));
  await cluster().create(aCreation('clu_reports', node.gatewayId));
  const [command] = await relay.commands(node, 1);
  if (command === undefined) throw new Error('no command');
  await breakState('clu_reports');
  const logged = vi.spyOn(console, 'log');
  relay.send({ type: 'report', commandId: command.commandId, outcome: failed, epoch: null });
  await until(async () => expect(logged.mock.calls.flat().join()).toContain('report-not-stored'));
  expect(relay.unread('report-ack')).toBe(0);
  expect(await outstanding(node)).toBeGreaterThan(0);
  await mendState('clu_reports');
  relay.send({ type: 'report', commandId: command.commandId, outcome: failed, epoch: null });
  expect((await relay.next('report-ack')).commandIds).toEqual([command.commandId]);
  relay.send({ type: 'report', commandId: command.commandId, outcome: failed, epoch: null });
  expect((await relay.next('report-ack')).commandIds).toEqual([command.commandId]);
  relay.send({ type: 'receipt', commandIds: [command.commandId] });
  await until(async () => expect((await cluster().view())?.waitingOn.length).toBeGreaterThan(0));
});

test('[C9] observations reach their cluster before they are acknowledged, and a stranger’s are dropped', async () => {
  const { node, relay } = await joined('gw_sees');
  const cluster = () => clusterOf(edgeEnv, SCOPE, ClusterId.parse('clu_sees'));
  const stranger = () => clusterOf(edgeEnv, SCOPE, ClusterId.parse('clu_stranger'));
  await cluster().create(aCreation('clu_sees', node.gatewayId));
  await stranger().create(aCreation('clu_stranger', (await makeNode('gw_elsewhere')).gatewayId));
  await relay.commands(node, 1);
  const fact = { kind: 'api-server', ready: true, detail: '' } as const;
  const observations = ['clu_sees', 'clu_stranger'].map((id) => ({
    clusterId: ClusterId.parse(id),
    at: Date.now(),
    fact,
  }));
  relay.send({ type: 'observations', seq: 7, observations });
  expect(await relay.next('observation-ack')).toMatchObject({ seq: 7 });
  expect((await storedState('clu_sees')).api?.ready).toBe(true);
  expect((await storedState('clu_stranger')).api).toBeNull();
});

test('a cluster is told whether its gateway is connected, when it is new there and at each change', async () => {
  const { node, relay } = await joined('gw_tells');
  await clusterOf(edgeEnv, SCOPE, ClusterId.parse('clu_told')).create(aCreation('clu_told', node.gatewayId));
  await relay.commands(node, 1);
  await until(async () => expect((await storedState('clu_told')).gateway?.connected).toBe(true));
  relay.hangUp();
  await until(async () => expect((await storedState('clu_told')).gateway?.connected).toBe(false));
  await FakeRelay.join(node, 2);
  await until(async () => expect((await storedState('clu_told')).gateway?.connected).toBe(true));
});

test('a cluster that could not be told is told the newest word when it answers again', async () => {
  const { node, relay } = await joined('gw_retells');
  await clusterOf(edgeEnv, SCOPE, ClusterId.parse('clu_retold')).create(aCreation('clu_retold', node.gatewayId));
  await until(async () => expect((await storedState('clu_retold')).gateway?.connected).toBe(true));
  relay.hangUp();
  await until(async () => expect((await storedState('clu_retold')).gateway?.connected).toBe(false));
  await breakState('clu_retold');
  const logged = vi.spyOn(console, 'log');
  const failures = () => logged.mock.calls.flat().filter((line) => String(line).includes('notice-failed')).length;
  const next = await FakeRelay.join(node, 2);
  await until(async () => expect(failures()).toBe(1));
  next.hangUp();
  await until(async () => expect(failures()).toBe(2));
  const last = await FakeRelay.join(node, 3);
  await last.next('welcome');
  await until(async () => expect(failures()).toBe(3));
  await mendState('clu_retold');
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 60_000 });
  await runDurableObjectAlarm(stubOf(node));
  vi.useRealTimers();
  expect((await storedState('clu_retold')).gateway?.connected).toBe(true);
});

test('ask runs one command for whoever waits: answered, unanswered, and without a relay', async () => {
  const { node, relay } = await joined('gw_asked');
  const question = aCommand({ clusterId: null, owner: 'req_1', gatewayId: node.gatewayId });
  const answer = gatewayAt('gw_asked').ask(question, 4_000);
  expect(await relay.commands(node, 1)).toEqual([question]);
  relay.send({ type: 'report', commandId: question.commandId, outcome: failed, epoch: null });
  expect(await answer).toEqual({ ok: true, value: failed });
  await relay.next('report-ack');
  const unanswered = aCommand({ clusterId: null, owner: 'req_2', gatewayId: node.gatewayId });
  expect(await gatewayAt('gw_asked').ask(unanswered, 30)).toMatchObject({ error: { code: 'GATEWAY_NO_ANSWER' } });
  relay.hangUp();
  await until(async () =>
    expect(await gatewayAt('gw_asked').ask(unanswered, 30)).toMatchObject({ error: { code: 'GATEWAY_NOT_RUNNING' } }),
  );
});

test('an ask follows its gateway to the next session', async () => {
  const { node, relay } = await joined('gw_follows');
  const question = aCommand({ clusterId: null, owner: 'req_3', gatewayId: node.gatewayId });
  const answer = gatewayAt('gw_follows').ask(question, 4_000);
  await relay.commands(node, 1);
  const next = await FakeRelay.join(node, 2);
  expect((await next.next('welcome')).outstanding).toEqual([question.commandId]);
  await next.commands(node, 1);
  next.send({ type: 'report', commandId: question.commandId, outcome: failed, epoch: null });
  expect(await answer).toEqual({ ok: true, value: failed });
});
