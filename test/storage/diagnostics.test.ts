// Relays that look around when they are asked (N8), and what the gateway's conditions make of it (features G13).
import { afterEach, expect, test } from 'vitest';
import { RequestId } from '../../shared/ids.ts';
import { DIAGNOSTICS_MS_MAX, EVIDENCE_MS_MAX, TUNNEL_DEAD_MS } from '../../shared/limits.ts';
import { NODE_CHECKS, type NodeCheck } from '../../shared/node-check.ts';
import { ACCOUNT } from './command-samples.ts';
import { agreementKeyOf, type BenchNode, type BenchSocket, GatewayBench } from './gateway-bench.ts';

let bench: GatewayBench;
let timeouts: (() => void)[];
let requests = 0;
afterEach(() => bench.sql.close());

/** Two nodes that hold the key, the first connected first. */
async function pairOfRelays(): Promise<{ leader: BenchSocket; standby: BenchSocket; nodes: [BenchNode, BenchNode] }> {
  timeouts = [];
  bench = new GatewayBench({
    after: (ms, call) => {
      const late = () => void (ms === DIAGNOSTICS_MS_MAX && call());
      timeouts.push(late);
      return () => void timeouts.splice(timeouts.indexOf(late), 1);
    },
  });
  const first = await bench.pair();
  const leader = await bench.join(first);
  await bench.advance(10);
  const second = await bench.pair();
  return { leader, standby: await bench.join(second), nodes: [first, second] };
}

function diagnose() {
  requests += 1;
  return bench.logic.diagnose(RequestId.parse(`req_${requests}`), [ACCOUNT]);
}

const allWell: NodeCheck[] = NODE_CHECKS.map((name) => ({ name, status: 'ok', detail: 'well', todo: '' }));
const but = (name: NodeCheck['name'], status: NodeCheck['status']): NodeCheck[] =>
  allWell.map((check) => (check.name === name ? { name, status, detail: 'as seen', todo: 'do this' } : check));

async function answer(socket: BenchSocket, checks: NodeCheck[], on = socket): Promise<void> {
  const command = on.delivered().at(-1);
  if (command?.body.verb !== 'observe-node') throw new Error('was not asked to look around');
  const outcome = { ok: true as const, value: { verb: 'observe-node' as const, checks } };
  await bench.say(socket, { type: 'report', commandId: command.commandId, outcome, epoch: null });
}

async function look(all: readonly (readonly [BenchSocket, NodeCheck[]])[]) {
  const asked = diagnose();
  await bench.settle();
  for (const [socket, checks] of all) await answer(socket, checks);
  return asked;
}

const conditions = async () => (await bench.logic.view())?.conditions ?? [];
const condition = async (type: string) => (await conditions()).find((one) => one.type === type);

test('[N8] every connected node is asked, the standby too, and speaks for itself only', async () => {
  const { leader, standby, nodes } = await pairOfRelays();
  const asked = diagnose();
  await bench.settle();
  for (const [at, socket] of [leader, standby].entries()) {
    expect(socket.delivered()).toMatchObject([
      { clusterId: null, subject: nodes[at]?.nodeId, body: { verb: 'observe-node', accounts: [ACCOUNT] } },
    ]);
  }
  // The leader answers in the place of the standby: acknowledged, and worth nothing.
  await answer(leader, but('dns', 'failed'), standby);
  await answer(standby, but('maas', 'failed'));
  await answer(leader, allWell);
  const found = await asked;
  if (!found.ok) throw new Error(found.error.code);
  expect(found.value.nodes.map(({ nodeId, leader: leads }) => [nodeId, leads])).toEqual([
    [nodes[0].nodeId, true],
    [nodes[1].nodeId, false],
  ]);
  const failed = found.value.nodes.map(({ checks }) => checks.filter(({ status }) => status !== 'ok'));
  expect(failed).toEqual([[], [{ name: 'maas', status: 'failed', detail: 'as seen', todo: 'do this' }]]);
  expect(found.value.nodes.map(({ checks }) => checks[0]?.name)).toEqual(['tunnel', 'tunnel']);
});

test('[N8] it is asked of a node once: a later session is not sent it again, and a node without an answer or a tunnel is told', async () => {
  const { leader, standby, nodes } = await pairOfRelays();
  await bench.drop(standby);
  const asked = diagnose();
  await bench.settle();
  // An older relay drops its connection at a verb that it does not know.
  await bench.drop(leader);
  const back = await bench.join(nodes[0], 2);
  expect(back.delivered()).toEqual([]);
  for (const late of [...timeouts]) late();
  const found = await asked;
  if (!found.ok) throw new Error(found.error.code);
  expect(found.value.nodes.map(({ checks }) => checks)).toMatchObject([
    [{ name: 'tunnel', status: 'failed', detail: expect.stringContaining('no answer within 40 s') }],
    [{ name: 'tunnel', status: 'failed', detail: expect.stringMatching(/not connected; last seen at 2027-/) }],
  ]);
});

test('[N8] nobody connected, or nobody heard of: refused', async () => {
  const { leader, standby } = await pairOfRelays();
  await bench.advance(TUNNEL_DEAD_MS);
  expect(await diagnose()).toMatchObject({ ok: false, error: { code: 'GATEWAY_NOT_RUNNING' } });
  await bench.drop(leader);
  await bench.drop(standby);
  expect(await diagnose()).toMatchObject({ ok: false, error: { code: 'GATEWAY_NOT_RUNNING' } });
});

test('conditions: unknown until somebody looks; then what was found, since when, from what', async () => {
  const { leader, standby } = await pairOfRelays();
  const sealingKey = agreementKeyOf('gateway');
  await bench.say(leader, { type: 'node-status', sealingKey, addresses: [], at: bench.now });
  const probed = ['MaasReachable', 'MaasAuthenticated', 'DnsResolves', 'EgressOk', 'DiskOk'];
  const before = await conditions();
  expect(before.map(({ type }) => type)).toEqual(['TunnelConnected', 'Leader', 'KeyHeld', 'ClockInSync', ...probed]);
  for (const type of probed)
    expect(await condition(type)).toMatchObject({ status: 'Unknown', reason: 'NotLookedAt', evidence: null });
  expect(before[0]?.evidence).toMatchObject({ at: bench.now });

  const began = bench.now;
  await look([
    [leader, allWell],
    [standby, allWell],
  ]);
  for (const type of probed) {
    const evidence = { at: began, detail: 'checks of relay' };
    expect(await condition(type)).toMatchObject({ status: 'True', lastTransition: began, evidence });
  }
  await bench.advance(60_000, [leader, standby]);
  await look([
    [leader, but('disk', 'failed')],
    [standby, but('maas key', 'skipped')],
  ]);
  const failed = bench.now;
  expect(await condition('DiskOk')).toMatchObject({
    ...{ status: 'False', message: 'relay: as seen. do this', lastTransition: failed },
    evidence: { at: failed, detail: 'check disk of relay' },
  });
  expect(await condition('DnsResolves')).toMatchObject({ lastTransition: began, evidence: { at: failed } });
  expect(await condition('MaasAuthenticated')).toMatchObject({ status: 'True', lastTransition: began });

  await bench.advance(60_000, [leader, standby]);
  await look([
    [leader, but('disk', 'failed')],
    [standby, allWell],
  ]);
  expect(await condition('DiskOk')).toMatchObject({ lastTransition: failed, evidence: { at: bench.now } });
});

test('conditions: what was found long ago, or by a relay that is away, says nothing of now', async () => {
  const { leader, standby } = await pairOfRelays();
  await look([
    [leader, but('disk', 'failed')],
    [standby, allWell],
  ]);
  const at = bench.now;
  await bench.drop(leader);
  expect(await condition('DiskOk')).toMatchObject({ status: 'True' });
  await bench.advance(EVIDENCE_MS_MAX - 1, [standby]);
  expect(await condition('DiskOk')).toMatchObject({ status: 'True', evidence: { at } });
  await bench.advance(1, [standby]);
  expect(await condition('DiskOk')).toMatchObject({ status: 'Unknown', reason: 'EvidenceOld', evidence: null });
  await bench.drop(standby);
  expect(await condition('DiskOk')).toMatchObject({ status: 'Unknown', reason: 'NoTunnel' });
  expect(await condition('ClockInSync')).toMatchObject({ status: 'Unknown' });
});
