// The logic of both objects in plain Node, as a simulator runs it: every port in memory, time passed in.
import { expect, test, vi } from 'vitest';
import { ClusterLogic } from '../../functions/objects/cluster-logic.ts';
import { GatewayLogic } from '../../functions/objects/gateway-logic.ts';
import { plannerBrain } from '../../functions/objects/planner-brain.ts';
import type { CatalogueRow } from '../../functions/objects/run-effects.ts';
import type { SessionState, TunnelSocket } from '../../functions/objects/tunnel-session.ts';
import { PRODUCTION_WAITS, TUNNEL_DEAD_MS } from '../../shared/limits.ts';
import { DeliverPayload, EdgeFrame, encodeFrame, PROTOCOL_VERSION } from '../../shared/tunnel-frame.ts';
import { NO_OWN_MACHINES } from '../support/no-own-machines.ts';
import { nodeSql } from '../support/node-sql.ts';
import { aCreation } from './cluster-sample.ts';
import { aCommand, GATEWAY_ID, SCOPE } from './command-samples.ts';

const CODE_HASH = 'c'.repeat(43);
const ORIGIN = 'https://slipway.test';

/** One gateway and one cluster on a clock that the test moves. */
function aWorld() {
  const world = {
    now: 1_800_000_000_000,
    alarms: { cluster: 0, gateway: 0 },
    projected: [] as CatalogueRow[],
    gatewayIsUp: true,
    clusterIsUp: true,
    timers: [] as { ms: number; call: () => void }[],
    signing: Promise.resolve(),
  };
  const work: Promise<void>[] = [];
  const sockets: TunnelSocket[] = [];
  const shared = {
    now: () => world.now,
    background: (one: Promise<void>) => void work.push(one),
    log: () => undefined,
  };
  const alarmOf = (name: 'cluster' | 'gateway') => ({
    set: (at: number | null) => {
      world.alarms[name] = at ?? 0;
    },
    fired: () => undefined,
  });
  const gateway: GatewayLogic = new GatewayLogic({
    ...shared,
    ...NO_OWN_MACHINES,
    guardMs: PRODUCTION_WAITS.leaseGuardMs,
    sql: nodeSql(),
    alarm: alarmOf('gateway'),
    sockets: { all: () => sockets.filter((socket) => socket.isOpen()) },
    cluster: () => {
      if (!world.clusterIsUp) throw new Error('the cluster is down');
      return cluster;
    },
    sign: async () => {
      await world.signing;
      return 'signed';
    },
    releaseKey: null,
    commandKey: async () => 'k'.repeat(43),
    verify: async () => true,
    keyFingerprint: async (key) => key,
    randomBytes: (count) => new Uint8Array(count).fill(7),
    after: (ms, call) => {
      world.timers.push({ ms, call });
      return () => undefined;
    },
  });
  const cluster: ClusterLogic = new ClusterLogic({
    ...shared,
    waits: PRODUCTION_WAITS,
    sql: nodeSql(),
    alarm: alarmOf('cluster'),
    brain: plannerBrain,
    gateway: () => ({
      enqueue: async (commands) => {
        if (!world.gatewayIsUp) throw new Error('the gateway is down');
        return gateway.enqueue(commands);
      },
      leaveQueue: (id) => gateway.leaveQueue(id),
      link: async (id, believed, queued) => {
        if (!world.gatewayIsUp) throw new Error('the gateway is down');
        return gateway.link(id, believed, queued);
      },
      withdraw: (ids) => gateway.withdraw(ids),
      revokeRelayOf: (claim) => gateway.revokeRelayOf(claim),
    }),
    project: async (_scope, row) => void world.projected.push(row),
    erase: async () => undefined,
  });
  const settle = async () => {
    while (work.length > 0) await work.shift();
  };
  return { world, gateway, cluster, sockets, settle };
}

function aSocket(): { socket: TunnelSocket; frames: EdgeFrame[] } {
  const frames: EdgeFrame[] = [];
  let state: SessionState = { phase: 'challenged', nonce: '', origin: '', since: 0 };
  let open = true;
  const socket: TunnelSocket = {
    isOpen: () => open,
    state: () => state,
    keep: (next) => {
      state = next;
    },
    send: (text) => void frames.push(EdgeFrame.parse(JSON.parse(text))),
    close: () => {
      open = false;
    },
    lastPongAt: () => null,
  };
  return { socket, frames };
}

async function connect({ gateway, sockets }: ReturnType<typeof aWorld>) {
  await gateway.create({
    scope: SCOPE,
    gatewayId: GATEWAY_ID,
    name: 'sample',
    codeHash: CODE_HASH,
    codeExpiresAt: 1_900_000_000_000,
  });
  const challenge = await gateway.pairingChallenge(CODE_HASH, ORIGIN);
  if (!challenge.ok) throw new Error(challenge.error.code);
  const keys = { identityKey: 'i'.repeat(43), sealingKey: 's'.repeat(43), hostname: 'relay', relayVersion: '0' };
  const paired = await gateway.pair(
    { codeHash: CODE_HASH, nonce: challenge.value.nonce, ...keys, signature: 'signed' },
    ORIGIN,
  );
  if (!paired.ok) throw new Error(paired.error.code);
  const { nodeId } = paired.value;
  const join = async (joinCounter: number) => {
    const { socket, frames } = aSocket();
    sockets.push(socket);
    gateway.opened(socket, ORIGIN);
    const own = { gatewayId: GATEWAY_ID, nodeId, bootId: 'boot', joinCounter, relayVersion: '0', signature: 'signed' };
    await gateway.received(socket, encodeFrame({ v: PROTOCOL_VERSION, type: 'hello', ...own }));
    return { socket, frames };
  };
  return { ...(await join(1)), join };
}

const delivered = (frames: readonly EdgeFrame[]) =>
  frames.flatMap((frame) => (frame.type === 'deliver' ? DeliverPayload.parse(JSON.parse(frame.payload)).commands : []));

test('a command goes from the plan to the relay and its outcome back, without workerd', async () => {
  const all = aWorld();
  const { socket, frames } = await connect(all);
  await all.cluster.create(aCreation('clu_test'));
  await all.settle();
  const commands = delivered(frames);
  expect(commands.length).toBeGreaterThan(0);
  expect(all.world.projected.at(-1)).toMatchObject({ id: 'clu_test', phase: 'pending' });
  const { commandId } = commands[0] ?? { commandId: '' };
  const outcome = { ok: false, error: { code: 'DEADLINE_PASSED', detail: 'late' } };
  const report = { v: PROTOCOL_VERSION, type: 'report', commandId, outcome, epoch: null };
  await all.gateway.received(socket, JSON.stringify(report));
  expect(frames.at(-1)).toMatchObject({ type: 'report-ack', commandIds: [commandId] });
  // A request to enqueue it that comes late changes nothing: another relay's journal does not have it ([C5]).
  const outstanding = async () => (await all.gateway.view())?.outstandingCommands;
  const before = await outstanding();
  await all.gateway.enqueue(commands.slice(0, 1));
  expect(await outstanding()).toBe(before);
});

test('[C9] an outcome that its cluster did not store is told again, though the relay that told it never comes back', async () => {
  const all = aWorld();
  const { socket, frames } = await connect(all);
  await all.cluster.create(aCreation('clu_test'));
  await all.settle();
  const [command] = delivered(frames);
  if (command === undefined) throw new Error('no command');
  const { commandId } = command;
  const outcome = { ok: false, error: { code: 'DEADLINE_PASSED', detail: 'late' } };
  all.world.clusterIsUp = false;
  const report = { v: PROTOCOL_VERSION, type: 'report', commandId, outcome, epoch: null };
  await all.gateway.received(socket, JSON.stringify(report));
  all.world.timers.at(-1)?.call();
  await vi.waitFor(() => expect(all.world.timers.map(({ ms }) => ms)).toEqual([5_000, 10_000]));
  expect(frames.some((frame) => frame.type === 'report-ack')).toBe(false);
  all.world.clusterIsUp = true;
  all.world.timers.at(-1)?.call();
  await vi.waitFor(() => expect(frames.at(-1)).toMatchObject({ type: 'report-ack', commandIds: [commandId] }));
});

test('while the gateway is down the outbox waits longer each time, and drains when it is back', async () => {
  const all = aWorld();
  const { frames } = await connect(all);
  all.world.gatewayIsUp = false;
  await all.cluster.create(aCreation('clu_test'));
  await all.settle();
  const pauses: number[] = [];
  for (let failure = 0; failure < 4; failure += 1) {
    pauses.push(all.world.alarms.cluster - all.world.now);
    all.world.now = all.world.alarms.cluster;
    await all.cluster.alarm();
    await all.settle();
  }
  expect(pauses[3]).toBeGreaterThan(pauses[0] ?? 0);
  all.world.gatewayIsUp = true;
  all.world.now = all.world.alarms.cluster;
  await all.cluster.alarm();
  await all.settle();
  expect(delivered(frames).length).toBeGreaterThan(0);
});

test('[T10] [WA2] a cluster that wakes asks before it judges: a relay that fell silent is taken for gone, though its socket is open', async () => {
  const all = aWorld();
  const { socket, frames } = await connect(all);
  await all.cluster.create(aCreation('clu_test'));
  await all.settle();
  const sent = delivered(frames).length;
  all.world.now += TUNNEL_DEAD_MS;
  await all.cluster.alarm();
  expect(socket.isOpen()).toBe(false);
  await all.settle();
  expect((await all.cluster.view())?.waitingOn[0]?.code).toBe('gateway-offline');
  // Long past every deadline: nothing is asked anew while nobody can answer.
  all.world.now += PRODUCTION_WAITS.commandDeadlineMs * 3;
  await all.cluster.alarm();
  await all.settle();
  expect((await all.gateway.view())?.outstandingCommands).toBe(sent);
});

test('[T10] a cluster without commands at the gateway is told too that a relay is back', async () => {
  const all = aWorld();
  const { frames, join } = await connect(all);
  await all.cluster.create(aCreation('clu_test'));
  await all.settle();
  all.world.now += TUNNEL_DEAD_MS;
  await all.cluster.alarm();
  await all.settle();
  await all.gateway.withdraw(delivered(frames).map(({ commandId }) => commandId));
  expect((await all.gateway.view())?.outstandingCommands).toBe(0);
  await join(2);
  await all.settle();
  expect((await all.cluster.view())?.waitingOn.map(({ code }) => code)).not.toContain('gateway-offline');
});

test('[C5] whoever withdraws a command withdraws what it would have superseded, though it never came', async () => {
  const all = aWorld();
  const { frames } = await connect(all);
  const [standing, other] = [aCommand({ attempt: 1 }), aCommand({ subject: 'other', attempt: 1 })];
  await all.gateway.enqueue([standing, other]);
  await all.settle();
  await all.gateway.withdraw([aCommand({ attempt: 2 }).commandId]);
  const withdrawn = frames.flatMap((frame) => (frame.type === 'withdraw' ? frame.commandIds : []));
  expect(withdrawn).toContain(standing.commandId);
  expect(withdrawn).not.toContain(other.commandId);
  expect((await all.gateway.view())?.outstandingCommands).toBe(1);
});

test('[C5] what was withdrawn or superseded is not taken again when the request to enqueue it comes late', async () => {
  const all = aWorld();
  await connect(all);
  const [first, second] = [aCommand({ attempt: 1 }), aCommand({ attempt: 2 })];
  const neverCame = aCommand({ subject: 'other' });
  await all.gateway.enqueue([first]);
  await all.gateway.enqueue([second]);
  await all.gateway.withdraw([second.commandId, neverCame.commandId]);
  await all.gateway.enqueue([first, second, neverCame]);
  expect((await all.gateway.view())?.outstandingCommands).toBe(0);
  await all.gateway.enqueue([aCommand({ attempt: 3 })]);
  expect((await all.gateway.view())?.outstandingCommands).toBe(1);
});

test('of what was withdrawn, the newest ten thousand are remembered', async () => {
  const all = aWorld();
  await connect(all);
  const commands = Array.from({ length: 10_001 }, (_, at) => aCommand({ subject: `s${at}` }));
  await all.gateway.withdraw(commands.map(({ commandId }) => commandId));
  await all.gateway.enqueue([...commands.slice(0, 2), ...commands.slice(-2)]);
  expect((await all.gateway.view())?.outstandingCommands).toBe(1);
});

test('a command that is withdrawn while its frame is signed is not sent', async () => {
  const all = aWorld();
  const { frames } = await connect(all);
  let signed = () => {};
  all.world.signing = new Promise((resolve) => {
    signed = resolve;
  });
  const [withdrawn, kept] = [aCommand({ subject: 'a' }), aCommand({ subject: 'b' })];
  await all.gateway.enqueue([withdrawn, kept]);
  await all.gateway.withdraw([withdrawn.commandId]);
  signed();
  await all.settle();
  expect(delivered(frames)).toEqual([kept]);
});
