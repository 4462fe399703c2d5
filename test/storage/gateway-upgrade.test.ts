// The upgrade of a gateway on a clock that the test moves: what its relays are told, what is stored, and who waits.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { GatewayLogic } from '../../functions/objects/gateway-logic.ts';
import { ClusterId } from '../../shared/ids.ts';
import { QUEUED_CLUSTERS_MAX, UPGRADE_NODE_DEADLINE_MS } from '../../shared/limits.ts';
import { type BenchNode, GatewayBench, ORIGIN } from './gateway-bench.ts';
import { ask, clusterCommand, exchange, exchangeOn, lines, published } from './upgrade-scene.ts';

type Word = { readonly id: string; readonly connected: boolean; readonly ahead: number | null | undefined };

let bench: GatewayBench;
let node: BenchNode;
let words: Word[];
/** Clusters that do not answer. */
let deaf: Set<string>;

beforeEach(async () => {
  [words, deaf] = [[], new Set()];
  bench = new GatewayBench({
    cluster: (_scope, id) => ({
      report: async () => undefined,
      gatewayConnected: async (connected, ahead) => {
        if (deaf.has(id)) throw new Error('deaf');
        words.push({ id, connected, ahead });
      },
    }),
  });
  node = await bench.pair();
});
afterEach(() => bench.sql.close());

const stage = async () => (await bench.logic.view())?.upgrade?.stage;
const id = (name: string) => ClusterId.parse(`clu_${name}`);
const enqueue = async (name: string) => {
  const answer = await bench.logic.enqueue([clusterCommand(name)]);
  await bench.settle();
  return answer.ok ? 'taken' : answer.error.code;
};

test('[UP8] a release is offered and told once, however often it is published, and not to who runs it', async () => {
  await bench.join(node, 1, 'boot', { relayVersion: '0.1.0' });
  for (const version of ['0.2.0', '0.2.0', '0.1.5']) await bench.logic.releasePublished(published(version));
  expect(await bench.logic.view()).toMatchObject({
    version: '0.1.0',
    availableUpgrade: { to: '0.2.0', from: '0.1.0' },
  });
  expect((await lines(bench)).filter((line) => line.includes('is available'))).toEqual([
    'Release 0.2.0 is available (severity high): Mends a leak.',
  ]);
  await bench.join(node, 2, 'boot-2', { relayVersion: '0.2.0' });
  expect(await bench.logic.view()).toMatchObject({ version: '0.2.0', availableUpgrade: null, upgrade: null });
});

test('[UP8] a release that was published before a relay paired is told of when it has', async () => {
  const empty = new GatewayBench();
  await empty.create('c'.repeat(43));
  await empty.logic.releasePublished(published('0.2.0'));
  expect(await lines(empty)).toEqual([]);
  await empty.pair();
  expect((await lines(empty)).map((line) => line.slice(0, 20))).toEqual([
    'A relay on relay (no',
    'Release 0.2.0 is ava',
  ]);
  empty.sql.close();
});

test('[U1] [U5] [UP2] [UP3] the standby is exchanged first, then the leader, and each is told alone', async () => {
  const other = await bench.pair();
  const [leader, standby] = [await bench.join(node), await bench.join(other)];
  expect(await ask(bench)).toMatchObject({ ok: true, value: { upgrade: { stage: 'relays', to: '0.2.0' } } });
  await bench.settle();
  expect(exchangeOn(standby)).toMatchObject({ clusterId: null, subject: other.nodeId, generation: 1, attempt: 1 });
  expect(exchangeOn(leader)).toBeUndefined();
  expect(exchangeOn(standby)?.body).toMatchObject({ release: published('0.2.0').release });
  const next = await exchange(bench, other, 2);
  expect(standby.closedWith).not.toBeNull();
  expect(exchangeOn(leader)).toMatchObject({ subject: node.nodeId });
  expect(next.last('report-ack') ?? next.last('withdraw')).toBeDefined();
  await exchange(bench, node, 2);
  expect(await stage()).toBe('done');
  expect(await bench.logic.view()).toMatchObject({ outstandingCommands: 0, version: '0.2.0', availableUpgrade: null });
});

test('[UP5] a node whose folder is paired anew by the older program runs what it ran: the upgrade goes on', async () => {
  const other = await bench.pair();
  await bench.join(node);
  await bench.join(other);
  await ask(bench);
  await bench.settle();
  await exchange(bench, other, 2);
  const code = 'r'.repeat(43);
  await bench.renew(code);
  expect(await bench.logic.pair(await bench.request(other, code), ORIGIN)).toMatchObject({ ok: true });
  await bench.settle();
  expect(await bench.logic.view()).toMatchObject({ upgrade: { stage: 'relays', failure: null } });
  await exchange(bench, node, 2);
  expect(await stage()).toBe('done');
});

test('[UP4] a refusal stops it, the command is gone, and the next upgrade has a command of its own', async () => {
  const socket = await bench.join(node);
  await ask(bench);
  await bench.settle();
  const command = exchangeOn(socket);
  if (command === undefined) throw new Error('no exchange');
  const outcome = { ok: false, error: { code: 'RELEASE_UNTRUSTED', detail: 'another key' } } as const;
  await bench.say(socket, { type: 'report', commandId: command.commandId, outcome, epoch: null });
  expect(socket.last('report-ack')).toMatchObject({ commandIds: [command.commandId] });
  expect(await bench.logic.view()).toMatchObject({
    outstandingCommands: 0,
    upgrade: { stage: 'failed', failure: { code: 'RELEASE_UNTRUSTED' }, waitingOn: [] },
  });
  await ask(bench);
  await bench.settle();
  expect(exchangeOn(socket)?.commandId).toContain('/ensure-relay-program/2/1');
});

test('[UP4] an outcome counts from the node it is about only', async () => {
  const other = await bench.pair();
  const [leader, standby] = [await bench.join(node), await bench.join(other)];
  await ask(bench);
  await bench.settle();
  const commandId = exchangeOn(standby)?.commandId;
  if (commandId === undefined) throw new Error('no exchange');
  const outcome = { ok: false, error: { code: 'RELEASE_UNTRUSTED', detail: '' } } as const;
  await bench.say(leader, { type: 'report', commandId, outcome, epoch: null });
  expect(await stage()).toBe('relays');
});

test('[UP4] twenty minutes without an end: the alarm ends it, and the relay is told to stop', async () => {
  const socket = await bench.join(node);
  await ask(bench);
  await bench.advance(UPGRADE_NODE_DEADLINE_MS - 1, [socket]);
  expect(await stage()).toBe('relays');
  await bench.advance(1, [socket]);
  expect(await bench.logic.view()).toMatchObject({ upgrade: { failure: { code: 'DEADLINE_PASSED' } } });
  expect(socket.last('withdraw')?.commandIds).toEqual([exchangeOn(socket)?.commandId]);
});

test('[UP1] [UP9] a window: scheduled, the same again answered, another refused, cancelled, and begun when it opens', async () => {
  const socket = await bench.join(node);
  const window = { startsAt: bench.now + 60_000, endsAt: bench.now + 120_000 };
  expect(await ask(bench, '0.2.0', window)).toMatchObject({
    ok: true,
    value: { upgrade: { stage: 'scheduled', window } },
  });
  expect(await ask(bench, '0.2.0', window)).toMatchObject({ ok: true });
  expect(await ask(bench, '0.2.0')).toMatchObject({ ok: false, error: { code: 'UPGRADE_UNDER_WAY' } });
  expect(await bench.logic.cancelUpgrade()).toMatchObject({ ok: true, value: { upgrade: { stage: 'cancelled' } } });
  expect(await bench.logic.cancelUpgrade()).toMatchObject({ ok: true });
  await ask(bench, '0.2.0', window);
  await bench.advance(59_999, [socket]);
  expect(exchangeOn(socket)).toBeUndefined();
  await bench.advance(1, [socket]);
  expect(exchangeOn(socket)).toBeDefined();
  expect(await bench.logic.cancelUpgrade()).toMatchObject({ ok: false, error: { code: 'UPGRADE_NOT_SCHEDULED' } });
  expect(await ask(bench)).toMatchObject({ ok: true });
});

test('[UP1] a window in which no relay was there is missed', async () => {
  const socket = await bench.join(node);
  const window = { startsAt: bench.now + 60_000, endsAt: bench.now + 120_000 };
  await ask(bench, '0.2.0', window);
  await bench.drop(socket);
  await bench.advance(120_000);
  expect(await stage()).toBe('missed');
});

test('[UP9] deletion of the gateway ends its upgrade, and nothing is asked of one that is being deleted', async () => {
  const socket = await bench.join(node);
  await ask(bench);
  await bench.settle();
  bench.sql.run("INSERT INTO own (one, cluster_id, machines) VALUES (1, 'clu_own', ?)", JSON.stringify(OWN));
  await bench.logic.requestDeletion('tester').catch(() => undefined);
  const [row] = bench.sql.run("SELECT json_extract(state, '$.failure.code') AS code FROM upgrade");
  expect(row).toEqual({ code: 'GATEWAY_DELETING' });
  expect(socket.last('withdraw')?.commandIds).toEqual([exchangeOn(socket)?.commandId]);
  expect(await ask(bench)).toMatchObject({ ok: false, error: { code: 'NOT_FOUND' } });
});
const OWN = {
  ...{ size: 1, zones: [], podCidr: '10.1.0.0/16', serviceCidr: '10.2.0.0/16' },
  minimums: { cpuCores: 4, memoryMiB: 8_192, diskGB: 60 },
};

test('[U6] clusters that are new during an upgrade stand in line and are told their place; those from before go on', async () => {
  const socket = await bench.join(node);
  expect(await enqueue('old')).toBe('taken');
  await ask(bench);
  expect([await enqueue('one'), await enqueue('two'), await enqueue('old')]).toEqual([
    ...['GATEWAY_UPGRADING', 'GATEWAY_UPGRADING', 'taken'],
  ]);
  expect(words.slice(-2)).toEqual([
    { id: 'clu_one', connected: true, ahead: 0 },
    { id: 'clu_two', connected: true, ahead: 1 },
  ]);
  expect(await bench.logic.view()).toMatchObject({ queuedClusters: 2, outstandingCommands: 2 });
  expect(socket.delivered().map(({ clusterId }) => clusterId)).not.toContain('clu_one');
});

test('[U6] when the upgrade has ended they begin first in, first out, also when it failed', async () => {
  const socket = await bench.join(node);
  await ask(bench);
  for (const name of ['one', 'two', 'three']) await enqueue(name);
  words.length = 0;
  await bench.advance(UPGRADE_NODE_DEADLINE_MS, [socket]);
  expect(await stage()).toBe('failed');
  expect(words.map((word) => [word.id, word.ahead])).toEqual([
    ...[
      ['clu_one', null],
      ['clu_two', null],
      ['clu_three', null],
    ],
  ]);
  expect([await enqueue('two'), await enqueue('new')]).toEqual(['taken', 'taken']);
  expect((await lines(bench)).at(-1)).toBe('3 clusters that waited begin, first in, first out.');
});

test('[U6] who gives up frees its place, and those behind hear of it', async () => {
  await bench.join(node);
  await ask(bench);
  for (const name of ['one', 'two', 'three']) await enqueue(name);
  words.length = 0;
  await bench.logic.leaveQueue(id('one'));
  await bench.logic.leaveQueue(id('one'));
  await bench.settle();
  expect(words.map((word) => [word.id, word.ahead])).toEqual([
    ['clu_two', 0],
    ['clu_three', 1],
  ]);
});

test('[U6] a cluster that did not hear is told again, and who believes otherwise hears when it asks', async () => {
  const socket = await bench.join(node);
  await ask(bench);
  deaf.add('clu_one');
  await enqueue('one');
  expect(words.filter((word) => word.id === 'clu_one')).toEqual([]);
  deaf.clear();
  await bench.advance(10_000, [socket]);
  expect(words.at(-1)).toEqual({ id: 'clu_one', connected: true, ahead: 0 });
  words.length = 0;
  await bench.logic.link(id('one'), true, true);
  await bench.settle();
  expect(words).toEqual([]);
  await bench.logic.link(id('one'), true, false);
  await bench.settle();
  expect(words).toEqual([{ id: 'clu_one', connected: true, ahead: 0 }]);
});

test('[U6] the line outlives the object, and has a bound', async () => {
  await bench.join(node);
  await ask(bench);
  await enqueue('one');
  const again = new GatewayLogic(bench.ports);
  expect(await again.view()).toMatchObject({ queuedClusters: 1, upgrade: { stage: 'relays' } });
  for (let n = 1; n < QUEUED_CLUSTERS_MAX; n += 1)
    bench.sql.run('INSERT INTO queued (cluster_id, at) VALUES (?, 0)', `clu_n${n}`);
  expect(await enqueue('more')).toBe('UPGRADE_QUEUE_FULL');
  expect(await enqueue('one')).toBe('GATEWAY_UPGRADING');
});
