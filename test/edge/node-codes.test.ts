// One-time codes that a gateway's own relay makes for the relays of its machines (I3), through the Worker, as such a relay pairs.
import { beforeAll, expect, test, vi } from 'vitest';
import { PairingCodeMade } from '../../functions/api/gateways.ts';
import { GatewayView } from '../../shared/gateway-view.ts';
import { ClusterId, objectName, type Scope } from '../../shared/ids.ts';
import { NODE_CODE_MS, NODE_CODES_MAX } from '../../shared/limits.ts';
import { type ApiGateway, connectGateway, pairByApi } from './api-gateway.ts';
import { answerOf, callApi, problemOf, setUp } from './call-api.ts';
import { FakeRelay, makeKeys, sha256 } from './fake-relay.ts';
import { claimAt, giveMachine, installed, keysLike, machineRelay, makeNodeCode, until } from './own-machines.ts';

let admin: string;
let scope: Scope;
beforeAll(async () => {
  ({ key: admin, scope } = await setUp());
});

const objectOf = ({ node }: ApiGateway) => objectName(scope, node.gatewayId);
const nodesOf = async ({ node }: ApiGateway) =>
  (await answerOf(callApi('GET', `/v1/gateways/${node.gatewayId}`, { key: admin }), 200, GatewayView)).nodes;

/** A gateway with one machine, and the claim of that. */
async function carried(name: string) {
  const gateway = await connectGateway(admin, name);
  const clusterId = await installed(gateway);
  const claim = claimAt(gateway.node.gatewayId, clusterId);
  await giveMachine(scope, clusterId, claim);
  return { gateway, clusterId, claim };
}

/** Sends a code that must not be acknowledged, then one that must: frames of one socket are answered in order. */
async function isRefused(
  { relay }: ApiGateway,
  codeHash: string,
  claim: Parameters<typeof makeNodeCode>[2],
  good: Parameters<typeof makeNodeCode>[2],
) {
  const last = await sha256(`after ${codeHash}`);
  relay.send({ type: 'pairing-code', codeHash, claim });
  relay.send({ type: 'pairing-code', codeHash: last, claim: good });
  expect((await relay.next('pairing-code-ack')).codeHash).toBe(last);
}

test('[I3] a code of a relay pairs the relay of one machine, once, and the object finds it without the catalogue', async () => {
  const { gateway, claim } = await carried('once');
  const { node } = await machineRelay(gateway, scope, claim, 'a code');
  expect(await nodesOf(gateway)).toMatchObject([{}, { nodeId: node.nodeId, state: 'active', connected: true }]);
  await expect(pairByApi('a code', await makeKeys(), objectOf(gateway))).rejects.toThrow(/PAIRING_CODE_USED/);
  await makeNodeCode(gateway, 'unseen by the catalogue', claim);
  await expect(pairByApi('unseen by the catalogue', await makeKeys())).rejects.toThrow(/PAIRING_CODE_UNKNOWN/);
});

test('[I3] the winner of a code may repeat its request; a replay with other keys is nobody', async () => {
  const { gateway, claim } = await carried('replayed');
  await makeNodeCode(gateway, 'replayed code', claim);
  const keys = await keysLike(gateway.node);
  const first = await pairByApi('replayed code', keys, objectOf(gateway));
  expect(await pairByApi('replayed code', keys, objectOf(gateway))).toEqual(first);
  const thief = await keysLike(gateway.node);
  await expect(pairByApi('replayed code', thief, objectOf(gateway))).rejects.toThrow(/PAIRING_CODE_USED/);
  expect(await nodesOf(gateway)).toHaveLength(2);
});

test('[I3] a code is worth nothing to another gateway, nor under a name that is none', async () => {
  const { gateway, claim } = await carried('here');
  const other = await connectGateway(admin, 'elsewhere');
  await makeNodeCode(gateway, 'ours', claim);
  const keys = await keysLike(gateway.node);
  await expect(pairByApi('ours', keys, objectOf(other))).rejects.toThrow(/PAIRING_CODE_UNKNOWN/);
  await expect(pairByApi('ours', keys, objectName(scope, ClusterId.parse('clu_x')))).rejects.toThrow(/UNKNOWN/);
  await expect(pairByApi('ours', keys, '../gateways')).rejects.toThrow(/PAIRING_CODE_UNKNOWN/);
  expect((await pairByApi('ours', keys, objectOf(gateway))).gatewayId).toBe(gateway.node.gatewayId);
});

test('[I3] a code is good for 30 minutes', async () => {
  const { gateway, claim } = await carried('late');
  await makeNodeCode(gateway, 'a late code', claim);
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + NODE_CODE_MS + 1 });
  const codeHash = await sha256('a late code');
  const headers = { 'cf-connecting-ip': '192.0.2.77' };
  const json = { codeHash, object: objectOf(gateway) };
  const problem = await problemOf(callApi('POST', '/v1/pairing/challenge', { json, headers }), 'PAIRING_CODE_EXPIRED');
  vi.useRealTimers();
  expect(problem.detail).toContain('30 minutes');
});

test('[I3] codes of relays and the code of an admin stand beside each other', async () => {
  const { gateway, claim } = await carried('beside');
  const renew = () => callApi('POST', `/v1/gateways/${gateway.node.gatewayId}/pairing-code`, { key: admin });
  const first = await answerOf(renew(), 201, PairingCodeMade);
  await makeNodeCode(gateway, 'beside it', claim);
  expect((await pairByApi(first.pairingCode, await keysLike(gateway.node))).gatewayId).toBe(gateway.node.gatewayId);
  await answerOf(renew(), 201, PairingCodeMade);
  await pairByApi('beside it', await keysLike(gateway.node), objectOf(gateway));
  expect(await nodesOf(gateway)).toHaveLength(3);
});

test('[I3] a code is made for a machine of this gateway only, and by a node that holds the key', async () => {
  const { gateway, clusterId, claim } = await carried('whose');
  const { gatewayId } = gateway.node;
  const strange = await sha256('strange');
  await isRefused(gateway, strange, claimAt(gatewayId, ClusterId.parse('clu_users')), claim);
  await isRefused(
    gateway,
    strange,
    claimAt((await connectGateway(admin, 'whose-not')).node.gatewayId, clusterId),
    claim,
  );
  const { pairingCode } = await answerOf(
    callApi('POST', `/v1/gateways/${gatewayId}/pairing-code`, { key: admin }),
    201,
    PairingCodeMade,
  );
  // It offers another sealing key, so it waits for the gateway's; too old to be given it, it is not let in at all.
  await expect(pairByApi(pairingCode, await makeKeys())).rejects.toThrow(/PAIRING_PROOF_INVALID/);
  gateway.relay.send({ type: 'node-status', sealingKey: null, addresses: [], at: Date.now() });
  gateway.relay.send({ type: 'pairing-code', codeHash: strange, claim });
  gateway.relay.send({ type: 'node-status', sealingKey: gateway.node.sealingKey, addresses: [], at: Date.now() });
  await makeNodeCode(gateway, 'holds it again', claim);
});

test('[I3] at most 32 codes wait to be used', async () => {
  const { gateway, claim } = await carried('many');
  for (let at = 0; at < NODE_CODES_MAX; at += 1) await makeNodeCode(gateway, `code ${at}`, claim);
  gateway.relay.send({ type: 'pairing-code', codeHash: await sha256('one too many'), claim });
  // One that stands is acknowledged again.
  await makeNodeCode(gateway, 'code 3', claim);
  await pairByApi('code 7', await keysLike(gateway.node), objectOf(gateway));
  await makeNodeCode(gateway, 'one too many', claim);
});

test('[I3] a machine that is set up again has one relay still: the former is a node no more', async () => {
  const { gateway, claim } = await carried('again');
  const former = await machineRelay(gateway, scope, claim, 'first time');
  const latter = await machineRelay(gateway, scope, claim, 'second time');
  expect(await former.relay.closing()).toBe(4003);
  expect(await (await FakeRelay.join(former.node, 5)).closing()).toBe(4003);
  expect((await nodesOf(gateway)).map(({ nodeId }) => nodeId)).toEqual([gateway.node.nodeId, latter.node.nodeId]);
});

test('[I3] a machine that is given back: its relay is shut out, and its codes are worth nothing', async () => {
  const { gateway, clusterId, claim } = await carried('given-back');
  const { relay } = await machineRelay(gateway, scope, claim, 'its own');
  // No machine stands under this claim any more, so its relay has no business there.
  const stray = claimAt(gateway.node.gatewayId, clusterId, 'gateway-0', 9);
  await makeNodeCode(gateway, 'left over', stray);
  await makeNodeCode(gateway, 'left over too', stray);
  await pairByApi('left over', await keysLike(gateway.node), objectOf(gateway));
  await until(async () => expect(await nodesOf(gateway)).toHaveLength(2));
  await expect(pairByApi('left over too', await makeKeys(), objectOf(gateway))).rejects.toThrow(/UNKNOWN/);
  expect(relay.closed).toBeNull();
});

test('[I4] a node leaves when another stays that holds the key, and not before', async () => {
  const { gateway, claim } = await carried('leaves');
  gateway.relay.send({ type: 'node-leave' });
  await makeNodeCode(gateway, 'still here', claim);
  const { node, relay } = await machineRelay(gateway, scope, claim, 'takes over');
  relay.hangUp();
  await until(async () => expect(await nodesOf(gateway)).toMatchObject([{}, { connected: false }]));
  // It holds the key, but nobody is there.
  gateway.relay.send({ type: 'node-leave' });
  await makeNodeCode(gateway, 'here yet', claim);
  const back = await FakeRelay.join(node, 2);
  await back.next('welcome');
  gateway.relay.send({ type: 'node-leave' });
  expect(await gateway.relay.closing()).toBe(4003);
  expect(await nodesOf(gateway)).toMatchObject([{ nodeId: node.nodeId, leader: true }]);
});
