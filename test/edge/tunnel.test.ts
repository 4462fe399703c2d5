import { evictDurableObject, runDurableObjectAlarm } from 'cloudflare:test';
import { exports } from 'cloudflare:workers';
import { expect, test, vi } from 'vitest';
import { gatewayStub } from '../../functions/env.ts';
import { GatewayId, objectName } from '../../shared/ids.ts';
import { CLOSE } from '../../shared/tunnel-frame.ts';
import { aCommand, SCOPE } from '../storage/command-samples.ts';
import { edgeEnv, FakeRelay, gatewayAt, makeNode, type Node, ORIGIN, pairNode, sha256 } from './fake-relay.ts';

const stubOf = (node: Node) => gatewayStub(edgeEnv, 'default', objectName(SCOPE, node.gatewayId));
const until = (look: () => Promise<unknown>) => vi.waitFor(look, { timeout: 4_000, interval: 20 });

test('[T1] the tunnel is dialled by the relay: no upgrade is a problem, a browser is refused, an unknown name is not found', async () => {
  const path = `${ORIGIN}/v1/tunnel?object=`;
  const known = await makeNode('gw_upgrade');
  const plain = await exports.default.fetch(`${ORIGIN}${known.tunnelPath}`);
  expect(plain.status).toBe(426);
  expect(await plain.json()).toMatchObject({ code: 'UPGRADE_REQUIRED' });
  const upgrade = { upgrade: 'websocket' };
  const browser = await exports.default.fetch(`${ORIGIN}${known.tunnelPath}`, {
    headers: { ...upgrade, origin: ORIGIN },
  });
  expect(browser.status).toBe(403);
  for (const name of [
    '',
    'nonsense',
    'default/ten_test/prj_test/clu_x',
    'default/ten_test/prj_test/gw_nobody',
    'mars/ten_test/prj_test/gw_x',
  ])
    expect((await exports.default.fetch(`${path}${encodeURIComponent(name)}`, { headers: upgrade })).status).toBe(404);
});

test('[T2] a hello that is signed over the challenge is welcomed, and the gateway is connected', async () => {
  const node = await makeNode('gw_hello');
  const relay = await FakeRelay.join(node, 1);
  const welcome = await relay.next('welcome');
  expect(welcome.outstanding).toEqual([]);
  expect(welcome.redialSpreadMs).toBeGreaterThan(0);
  expect(await gatewayAt('gw_hello').view()).toMatchObject({
    phase: 'connected',
    nodes: [{ connected: true, leader: true, relayVersion: '0.1.0' }],
  });
});

test('[T2] a signature over another origin, by another key, or for another challenge closes with 4002', async () => {
  const node = await makeNode('gw_forged');
  const other = await makeNode('gw_forgedother');
  const elsewhere = await FakeRelay.dial(node.tunnelPath);
  await elsewhere.hello(node, 1, 'boot-1', { origin: 'https://elsewhere.test' });
  expect(await elsewhere.closing()).toBe(CLOSE.BAD_HANDSHAKE);
  const wrongKey = await FakeRelay.dial(node.tunnelPath);
  await wrongKey.hello({ ...node, sign: other.sign }, 1);
  expect(await wrongKey.closing()).toBe(CLOSE.BAD_HANDSHAKE);
  const foreign = await FakeRelay.dial(node.tunnelPath);
  await foreign.hello(other, 1);
  expect(await foreign.closing()).toBe(CLOSE.REVOKED);
  expect(await gatewayAt('gw_forged').view()).toMatchObject({ phase: 'disconnected' });
});

test('[T2] anything but a hello closes with 4002, and so does a second one', async () => {
  const node = await makeNode('gw_early');
  const early = await FakeRelay.dial(node.tunnelPath);
  early.send({ type: 'lease-request', epoch: null });
  expect(await early.closing()).toBe(CLOSE.BAD_HANDSHAKE);
  const garbled = await FakeRelay.dial(node.tunnelPath);
  garbled.sendText('{');
  expect(await garbled.closing()).toBe(CLOSE.BAD_HANDSHAKE);
});

test('[T2] who says nothing for 10 s is closed', async () => {
  const node = await makeNode('gw_silent');
  const relay = await FakeRelay.dial(node.tunnelPath);
  await relay.next('challenge');
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 10_001 });
  expect(await runDurableObjectAlarm(stubOf(node))).toBe(true);
  vi.useRealTimers();
  expect(await relay.closing()).toBe(CLOSE.HANDSHAKE_TIMEOUT);
});

test('[T3] a counter that does not rise closes both copies with 4008 and locks the node until it is paired again', async () => {
  const node = await makeNode('gw_cloned');
  const original = await FakeRelay.join(node, 7);
  await original.next('welcome');
  const copy = await FakeRelay.join(node, 7);
  expect(await copy.closing()).toBe(CLOSE.CLONE_DETECTED);
  expect(await original.closing()).toBe(CLOSE.CLONE_DETECTED);
  const later = await FakeRelay.join(node, 8);
  expect(await later.closing()).toBe(CLOSE.CLONE_DETECTED);
  const clones = async () =>
    (await gatewayAt('gw_cloned').view())?.conditions.filter(({ type }) => type === 'CloneDetected');
  expect(await clones()).toMatchObject([{ status: 'True' }]);
  const codeHash = await sha256('unlock');
  await gatewayAt('gw_cloned').renewPairingCode(codeHash, Date.now() + 60_000);
  const again = await pairNode('gw_cloned', codeHash, node);
  expect(again.nodeId).toBe(node.nodeId);
  await (await FakeRelay.join(again, 9)).next('welcome');
  expect(await clones()).toEqual([]);
});

test('[T4] the newest session of a node wins, and the older is closed with 4001', async () => {
  const node = await makeNode('gw_newest');
  const older = await FakeRelay.join(node, 1);
  await older.next('welcome');
  const newer = await FakeRelay.join(node, 2);
  await newer.next('welcome');
  expect(await older.closing()).toBe(CLOSE.SUPERSEDED);
  await gatewayAt('gw_newest').enqueue([aCommand({ gatewayId: node.gatewayId })]);
  expect((await newer.delivered(node)).commands).toHaveLength(1);
});

test('[T6] deliver frames are signed by the pinned key, name node and session, and count on without a gap', async () => {
  const node = await makeNode('gw_signed');
  const relay = await FakeRelay.join(node, 1);
  const { sessionId } = await relay.next('welcome');
  const subjects = Array.from({ length: 250 }, (_, index) => `s-${index}`);
  const commands = subjects.map((subject) => aCommand({ subject, gatewayId: node.gatewayId }));
  await Promise.all([0, 50, 100, 150, 200].map((at) => gatewayAt('gw_signed').enqueue(commands.slice(at, at + 50))));
  const got: string[] = [];
  for (let seq = 0; got.length < subjects.length; seq += 1) {
    const payload = await relay.delivered(node);
    expect(payload).toMatchObject({ seq, sessionId, nodeId: node.nodeId, gatewayId: node.gatewayId });
    expect(payload.commands.length).toBeLessThanOrEqual(100);
    got.push(...payload.commands.map(({ subject }) => subject));
  }
  expect([...got].sort()).toEqual([...subjects].sort());
});

test('[T7] a ping is answered by the runtime, and its time is what liveness is read from', async () => {
  const node = await makeNode('gw_ping');
  const relay = await FakeRelay.join(node, 1);
  await relay.next('welcome');
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 80_000 });
  expect(await gatewayAt('gw_ping').view()).toMatchObject({ phase: 'disconnected' });
  vi.useRealTimers();
  relay.sendText('ping');
  await until(async () => expect(relay.texts).toEqual(['pong']));
  expect(await gatewayAt('gw_ping').view()).toMatchObject({ phase: 'connected' });
});

test('[T8] the welcome says over what time a mass redial is spread', async () => {
  const node = await makeNode('gw_spread');
  const relay = await FakeRelay.join(node, 1);
  expect((await relay.next('welcome')).redialSpreadMs).toBeGreaterThanOrEqual(1_000);
});

test('[T9] a frame of an unknown type or a later version closes with 4004, a broken one with 4005', async () => {
  const node = await makeNode('gw_versions');
  const cases = [
    [JSON.stringify({ v: 2, type: 'receipt', commandIds: ['x'] }), CLOSE.VERSION_UNSUPPORTED],
    [JSON.stringify({ v: 1, type: 'sing' }), CLOSE.VERSION_UNSUPPORTED],
    [JSON.stringify({ v: 1, type: 'receipt', commandIds: [] }), CLOSE.BAD_FRAME],
    [JSON.stringify({ v: 1, type: 'receipt', commandIds: ['not an id'] }), CLOSE.BAD_FRAME],
    ['not json', CLOSE.BAD_FRAME],
  ] as const;
  for (const [index, [text, code]] of cases.entries()) {
    const relay = await FakeRelay.join(node, index + 1);
    await relay.next('welcome');
    relay.sendText(text);
    expect(await relay.closing()).toBe(code);
  }
});

test('a session outlives the hibernation of its object', async () => {
  const node = await makeNode('gw_sleeps');
  const relay = await FakeRelay.join(node, 1);
  await relay.next('welcome');
  await gatewayAt('gw_sleeps').enqueue([aCommand({ subject: 'before', gatewayId: node.gatewayId })]);
  expect(await relay.delivered(node)).toMatchObject({ seq: 0 });
  await evictDurableObject(stubOf(node));
  await gatewayAt('gw_sleeps').enqueue([aCommand({ subject: 'after', gatewayId: node.gatewayId })]);
  expect(await relay.delivered(node)).toMatchObject({ seq: 1, commands: [{ subject: 'after' }] });
});

test('a removed gateway closes its sockets with 4003, and every later one', async () => {
  const node = await makeNode('gw_removed');
  const relay = await FakeRelay.join(node, 1);
  await relay.next('welcome');
  await gatewayAt('gw_removed').remove();
  expect(await relay.closing()).toBe(CLOSE.REVOKED);
  expect(await (await FakeRelay.dial(node.tunnelPath)).closing()).toBe(CLOSE.REVOKED);
  expect(await gatewayAt('gw_removed').view()).toBeNull();
  expect(GatewayId.parse('gw_removed')).toBe(node.gatewayId);
});
