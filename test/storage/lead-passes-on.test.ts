// Who leads when a relay falls silent, with production's waits on a clock that the test moves (ruling 13.9: a standby acts
// within 20 s; subjects with an unsettled mutation of the one before within 70 s).
import { afterEach, expect, test } from 'vitest';
import { Claim } from '../../shared/claim.ts';
import type { BodyOf } from '../../shared/command.ts';
import { SystemId } from '../../shared/ids.ts';
import { LEASE_MS } from '../../shared/limits.ts';
import type { ClusterFact } from '../../shared/observation.ts';
import { CLOSE } from '../../shared/tunnel-frame.ts';
import { ACCOUNT, aCommand, aRelease, CLUSTER_ID } from './command-samples.ts';
import { agreementKeyOf, type BenchNode, type BenchSocket, GatewayBench } from './gateway-bench.ts';

const ACTS_MS_MAX = 20_000;
const GUARDED_MS_MAX = 70_000;
const failed = { ok: false, error: { code: 'DEADLINE_PASSED', detail: 'late' } } as const;

const STEP = { name: 'join', script: 'true', timeoutSeconds: 1, attempts: 1, pauseSeconds: 0, beforeRetry: null };

let bench: GatewayBench;
afterEach(() => bench.sql.close());

/** Two nodes that hold the key, the first connected first. */
async function pairOfRelays(): Promise<{ leader: BenchSocket; standby: BenchSocket; nodes: BenchNode[] }> {
  bench = new GatewayBench();
  const first = await bench.pair();
  const leader = await bench.join(first);
  await bench.advance(10);
  const second = await bench.pair();
  const standby = await bench.join(second);
  return { leader, standby, nodes: [first, second] };
}

async function status(socket: BenchSocket, name: string, sealingKey = agreementKeyOf('gateway')): Promise<void> {
  await bench.say(socket, { type: 'node-status', sealingKey, addresses: [`${name}:8443`], at: bench.now });
}

/** Asks as often as a relay does, until the lease is granted; how long that took. */
async function leaseAfter(socket: BenchSocket, alive: BenchSocket[]): Promise<number> {
  const began = bench.now;
  for (;;) {
    await bench.say(socket, { type: 'lease-request', epoch: null });
    const refused = socket.frames.at(-1);
    if (refused?.type === 'lease') return bench.now - began;
    if (refused?.type !== 'lease-refused') throw new Error('no answer to a lease request');
    await bench.advance(refused.retryAfterMs, alive);
  }
}

test('[L1] [L3] a leader paused with mutations under way: the standby acts within 20 s, on what may be half done within 70 s', async () => {
  const { leader, standby } = await pairOfRelays();
  await bench.logic.enqueue([aRelease('w-0')]);
  await bench.settle();
  await bench.receipts(leader);
  await bench.say(leader, { type: 'lease-request', epoch: null });
  expect(leader.last('lease')).toMatchObject({ epoch: 1 });
  // SIGSTOP, at the worst moment: directly after a renewal.
  const paused = bench.now;
  await bench.logic.enqueue([aRelease('w-1')]);
  await bench.settle();
  expect(standby.delivered()).toEqual([]);
  await bench.advance(LEASE_MS, [standby]);
  expect(standby.delivered().map(({ subject }) => subject)).toEqual(['w-0', 'w-1']);
  await leaseAfter(standby, [standby]);
  expect(bench.now - paused).toBeLessThanOrEqual(ACTS_MS_MAX);
  const { epoch, guards } = standby.last('lease') ?? { epoch: 0, guards: [] };
  expect(epoch).toBe(2);
  expect(guards.map(({ subject }) => subject)).toEqual(['w-0', 'w-1']);
  const freeAt = bench.now + Math.max(...guards.map(({ waitMs }) => waitMs));
  expect(freeAt - paused).toBeLessThanOrEqual(GUARDED_MS_MAX);
  // L5: what it reads first when it wakes.
  expect(leader.last('withdraw')?.commandIds).toHaveLength(2);
  await bench.say(leader, { type: 'lease-request', epoch: 1 });
  expect(leader.last('lease-refused')?.retryAfterMs).toBeGreaterThan(0);
});

test('[L6] a leader that does not even receive is passed over within 20 s, though it never had the lease', async () => {
  const { leader, standby } = await pairOfRelays();
  await bench.logic.enqueue([aRelease('w-0')]);
  await bench.settle();
  expect(leader.delivered()).toHaveLength(1);
  const sent = bench.now;
  await bench.advance(12_000, [standby]);
  expect(standby.delivered()).toHaveLength(1);
  expect(await leaseAfter(standby, [standby])).toBe(0);
  expect(bench.now - sent).toBeLessThanOrEqual(ACTS_MS_MAX);
  // Nobody ever had the lease but this one: nothing can be half done.
  expect(standby.last('lease')?.guards).toEqual([]);
});

test('[L6] a document that waits for its machine counts as work: the lease that goes with it lapses, and the standby takes over', async () => {
  const { leader, standby } = await pairOfRelays();
  const body: BodyOf<'ensure-bootstrap'> = {
    verb: 'ensure-bootstrap',
    claim: Claim.parse('slipway/gw_test/clu_test/w-0/1'),
    systemId: SystemId.parse('abc123'),
    access: { server: 'https://10.0.0.9:6443', identity: { ...ACCOUNT.sealedKey, purpose: 'cluster-identity' } },
    document: { v: 1, nodeName: 'n', nodeSubnet: '10.0.0.0/24', files: [], steps: [STEP] },
  };
  await bench.logic.enqueue([aCommand({ subject: 'w-0.1', body })]);
  await bench.settle();
  await bench.receipts(leader);
  await bench.say(leader, { type: 'lease-request', epoch: null });
  await bench.advance(LEASE_MS, [standby]);
  expect(standby.delivered()).toHaveLength(1);
});

test('[L6] a leader that only looks on is watched while it has the lease, and no more once it has given it back', async () => {
  const { leader, standby } = await pairOfRelays();
  await status(leader, 'one');
  await status(standby, 'two');
  await bench.say(leader, { type: 'lease-request', epoch: null });
  expect(bench.alarmAt).toBe(bench.now + LEASE_MS);
  await bench.say(leader, { type: 'lease-release', epoch: 1 });
  expect(bench.alarmAt).toBeNull();
  await bench.say(leader, { type: 'lease-request', epoch: null });
  await bench.advance(LEASE_MS, [standby]);
  expect(standby.last('standing')).toMatchObject({ leader: true });
  expect(leader.last('standing')).toMatchObject({ leader: false });
});

test('[L5] a leader whose socket drops finds another at work when it is back: it is to stop all it had', async () => {
  const { leader, standby, nodes } = await pairOfRelays();
  const [first] = nodes;
  if (first === undefined) throw new Error('no node');
  const command = aRelease('w-0');
  await bench.logic.enqueue([command]);
  await bench.settle();
  await bench.receipts(leader);
  await bench.say(leader, { type: 'lease-request', epoch: null });
  await bench.drop(leader);
  expect(standby.delivered()).toEqual([command]);
  await leaseAfter(standby, [standby]);
  const back = await bench.join(first, 2);
  expect(back.last('welcome')?.outstanding).toEqual([]);
  expect(back.delivered()).toEqual([]);
  await bench.say(standby, { type: 'report', commandId: command.commandId, outcome: failed, epoch: 2 });
  // It hears of the end too, before any lease it is granted later.
  expect(back.last('withdraw')?.commandIds).toEqual([command.commandId]);
});

test('[L6] at rest nothing is watched: no alarm, whoever stands by', async () => {
  const { leader, standby } = await pairOfRelays();
  const watch = { account: ACCOUNT, access: null, machines: [], inventory: true };
  const body: BodyOf<'observe-cluster'> = { verb: 'observe-cluster', ...watch };
  await bench.logic.enqueue([aCommand({ body })]);
  await bench.settle();
  expect(bench.alarmAt).not.toBeNull();
  await bench.receipts(leader);
  await status(leader, 'one');
  await status(standby, 'two');
  expect(bench.alarmAt).toBeNull();
});

test('[N5] each relay is told whether it leads and where the others serve, and hears of every change', async () => {
  const { leader, standby } = await pairOfRelays();
  await status(leader, 'one');
  await status(standby, 'two');
  expect(leader.last('standing')).toMatchObject({ state: 'active', leader: true, peers: ['two:8443'] });
  expect(standby.last('standing')).toMatchObject({ state: 'active', leader: false, peers: ['one:8443'] });
  await status(leader, 'moved');
  expect(standby.last('standing')).toMatchObject({ peers: ['moved:8443'] });
  const told = leader.all('standing').length;
  await status(leader, 'moved');
  expect(leader.all('standing')).toHaveLength(told);
  await bench.drop(leader);
  expect(standby.last('standing')).toMatchObject({ leader: true });
  const view = await bench.logic.view();
  expect(view?.nodes.map((node) => [node.leader, node.connected])).toEqual([
    [false, false],
    [true, true],
  ]);
  expect(view?.conditions.map(({ type, status: is }) => `${type}=${is}`)).toEqual([
    'TunnelConnected=True',
    'Leader=True',
    'KeyHeld=True',
    'ClockInSync=True',
    'MaasReachable=Unknown',
    'MaasAuthenticated=Unknown',
    'DnsResolves=Unknown',
    'EgressOk=Unknown',
    'DiskOk=Unknown',
  ]);
});

test('[N5] the one that leads is named first of the others, and another order is told when the lead has passed on', async () => {
  const { leader, standby } = await pairOfRelays();
  const third = await bench.join(await bench.pair());
  for (const [socket, name] of [
    [leader, 'one'],
    [standby, 'two'],
    [third, 'three'],
  ] as const)
    await status(socket, name);
  expect(third.last('standing')?.peers).toEqual(['one:8443', 'two:8443']);
  await bench.drop(leader);
  expect(third.last('standing')?.peers).toEqual(['two:8443', 'one:8443']);
});

test('[L7] what a former leader had left to tell of its watch is acknowledged and not passed on; what a machine said is', async () => {
  const { leader, standby, nodes } = await pairOfRelays();
  const [first] = nodes;
  if (first === undefined) throw new Error('no node');
  const body = { verb: 'observe-cluster' as const, account: ACCOUNT, access: null, machines: [], inventory: false };
  await bench.logic.enqueue([aCommand({ body })]);
  await bench.settle();
  const claim = Claim.parse('slipway/gw_test/clu_test/w-0/1');
  const tell = (socket: BenchSocket, seq: number, ...facts: ClusterFact[]) => {
    const observations = facts.map((fact) => ({ clusterId: CLUSTER_ID, at: bench.now, fact }));
    return bench.say(socket, { type: 'observations', seq, observations });
  };
  const api = (detail: string): ClusterFact => ({ kind: 'api-server', ready: true, detail });
  await tell(leader, 1, api('of the first'));
  await bench.drop(leader);
  expect(standby.delivered()).toHaveLength(1);
  await tell(standby, 1, api('of the second'));
  const again = await bench.join(first, 2);
  await tell(again, 2, api('left to tell'), {
    kind: 'enrolled',
    claim,
    systemId: SystemId.parse('abc'),
    address: '10.0.0.1',
  });
  expect(again.last('observation-ack')).toMatchObject({ seq: 2 });
  expect(bench.observed.map(({ fact }) => (fact.kind === 'api-server' ? fact.detail : fact.kind))).toEqual([
    'of the first',
    'of the second',
    'enrolled',
  ]);
});

test('[L7] the same process goes on telling in a new session', async () => {
  bench = new GatewayBench();
  const node = await bench.pair();
  const body = { verb: 'observe-cluster' as const, account: ACCOUNT, access: null, machines: [], inventory: false };
  const socket = await bench.join(node);
  await bench.logic.enqueue([aCommand({ body })]);
  await bench.settle();
  await bench.drop(socket);
  const again = await bench.join(node, 2);
  const fact: ClusterFact = { kind: 'api-server', ready: true, detail: '' };
  await bench.say(again, { type: 'observations', seq: 1, observations: [{ clusterId: CLUSTER_ID, at: 1, fact }] });
  expect(bench.observed).toHaveLength(1);
});

test('[N2] a node without the key is given nothing to do and no lease, and does not make the gateway connected', async () => {
  bench = new GatewayBench();
  await bench.pair(agreementKeyOf('gateway'));
  const newcomer = await bench.pair(agreementKeyOf('other'));
  const socket = await bench.join(newcomer);
  await bench.logic.enqueue([aRelease('w-0')]);
  await bench.settle();
  await bench.say(socket, { type: 'lease-request', epoch: null });
  expect(socket.last('lease-refused')?.retryAfterMs).toBeGreaterThan(0);
  expect(socket.delivered()).toEqual([]);
  expect(socket.last('welcome')?.outstanding).toEqual([]);
  const view = await bench.logic.view();
  expect([view?.phase, view?.nodes[1]?.state]).toEqual(['disconnected', 'waiting-for-key']);
  expect(await bench.logic.ask(aCommand(), 1_000)).toMatchObject({ error: { code: 'GATEWAY_NOT_RUNNING' } });
});

test('[N7] a removed node is closed as revoked at once, and so is every later session of it', async () => {
  const { leader, standby, nodes } = await pairOfRelays();
  const [first] = nodes;
  if (first === undefined) throw new Error('no node');
  await bench.logic.enqueue([aRelease('w-0')]);
  await bench.settle();
  expect(await bench.logic.revokeNode(first.nodeId, false)).toEqual({ ok: true, value: null });
  expect(leader.closedWith).toBe(CLOSE.REVOKED);
  await bench.logic.closed(leader.edge);
  await bench.settle();
  expect(standby.delivered()).toHaveLength(1);
  expect((await bench.join(first, 5)).closedWith).toBe(CLOSE.REVOKED);
  expect((await bench.logic.view())?.nodes).toHaveLength(1);
});

test('[N6] [N7] the last holder goes only when the key is given up; a lost key is reset only while no holder is connected', async () => {
  bench = new GatewayBench();
  const only = await bench.pair(agreementKeyOf('gateway'));
  const socket = await bench.join(only);
  expect(await bench.logic.revokeNode(only.nodeId, false)).toMatchObject({ error: { code: 'CONFIRMATION_REQUIRED' } });
  expect(await bench.logic.resetKey()).toMatchObject({ error: { code: 'GATEWAY_KEY_HELD' } });
  await bench.drop(socket);
  const waiting = await bench.pair(agreementKeyOf('second'));
  expect(waiting.sealingKey).toBe(agreementKeyOf('gateway'));
  expect(await bench.logic.resetKey()).toEqual({ ok: true, value: null });
  expect((await bench.logic.view())?.conditions.find(({ type }) => type === 'KeyHeld')).toMatchObject({
    status: 'False',
    reason: 'KeyGivenUp',
  });
  expect((await bench.join(only, 3)).closedWith).toBe(CLOSE.REVOKED);
  const fresh = await bench.pair(agreementKeyOf('fresh'));
  expect(fresh.sealingKey).toBe(agreementKeyOf('fresh'));
  expect((await bench.logic.view())?.nodes.map(({ state }) => state).sort()).toEqual(['active', 'paired']);
});
