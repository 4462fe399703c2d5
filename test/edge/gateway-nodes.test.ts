// Further nodes of a gateway, through the Worker: the key's way from one relay to another, as real ciphertext, and what the
// edge has of it at the end.
import { runInDurableObject } from 'cloudflare:test';
import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from '@hpke/core';
import { beforeAll, expect, test, vi } from 'vitest';
import { gatewayStub } from '../../functions/env.ts';
import { fromBase64url, toBase64url } from '../../functions/sign-command.ts';
import type { BodyOf } from '../../shared/command.ts';
import { type WrappedGatewayKey, wrapContext } from '../../shared/gateway-key.ts';
import { GatewayView } from '../../shared/gateway-view.ts';
import { objectName } from '../../shared/ids.ts';
import { pairingText } from '../../shared/pairing.ts';
import { SCOPE } from '../storage/command-samples.ts';
import { connectGateway } from './api-gateway.ts';
import { answerOf, callApi, problemOf, setUp } from './call-api.ts';
import { edgeEnv, FakeRelay, gatewayAt, joined, type Keys, makeKeys, type Node, ORIGIN, sha256 } from './fake-relay.ts';

const CANARY = 'the-private-half-of-the-gateway-key';
const suite = new CipherSuite({ kem: new DhkemX25519HkdfSha256(), kdf: new HkdfSha256(), aead: new Aes256Gcm() });
const until = (look: () => Promise<unknown>) => vi.waitFor(look, { timeout: 4_000, interval: 20 });

type Newcomer = Node & { open(wrapped: WrappedGatewayKey): Promise<string> };

/** Pairs a further node that brings a key-agreement key of its own. */
async function newcomerTo(id: string): Promise<Newcomer> {
  const keys: Keys = await makeKeys();
  const agreement = await suite.kem.generateKeyPair();
  const keyAgreementKey = toBase64url(new Uint8Array(await suite.kem.serializePublicKey(agreement.publicKey)));
  const codeHash = await sha256(`further code of ${id}`);
  await gatewayAt(id).renewPairingCode(codeHash, Date.now() + 60_000);
  const challenge = await gatewayAt(id).pairingChallenge(codeHash, ORIGIN);
  if (!challenge.ok) throw new Error(challenge.error.code);
  const { identityKey, sealingKey } = keys;
  const about = { codeHash, nonce: challenge.value.nonce, identityKey, sealingKey, keyAgreementKey };
  const request = { ...about, hostname: 'relay-2', relayVersion: '0.1.0' };
  const signature = await keys.sign(pairingText(request, ORIGIN));
  const paired = await gatewayAt(id).pair({ ...request, signature }, ORIGIN);
  if (!paired.ok) throw new Error(paired.error.code);
  const { gatewayId, nodeId, commandKey, tunnelPath } = paired.value;
  return {
    ...{ ...keys, gatewayId, nodeId, commandKey, tunnelPath },
    sealingKey: paired.value.sealingKey ?? '',
    open: async (wrapped) => {
      const { info, aad } = wrapContext(SCOPE, gatewayId, wrapped);
      const from = { recipientKey: agreement.privateKey, enc: fromBase64url(wrapped.encapsulatedKey), info };
      return new TextDecoder().decode(await suite.open(from, fromBase64url(wrapped.ciphertext), aad));
    },
  };
}

/** What a holder does with `ensure-node-key`. */
async function wrap(order: BodyOf<'ensure-node-key'>, holder: Node): Promise<WrappedGatewayKey> {
  const { nodeId, keyVersion } = order;
  const { info, aad } = wrapContext(SCOPE, holder.gatewayId, { nodeId, keyVersion });
  const recipientPublicKey = await suite.kem.deserializePublicKey(fromBase64url(order.keyAgreementKey));
  const sealed = await suite.seal({ recipientPublicKey, info }, new TextEncoder().encode(CANARY), aad);
  const [encapsulatedKey, ciphertext] = [sealed.enc, sealed.ct].map((part) => toBase64url(new Uint8Array(part)));
  return { v: 1, nodeId, keyVersion, encapsulatedKey: encapsulatedKey ?? '', ciphertext: ciphertext ?? '' };
}

test('[N2] [N3] [N4] a holder wraps, the edge carries, the newcomer opens and becomes active; nothing lies in the clear', async () => {
  const { node, relay } = await joined('gw_wraps');
  const newcomer = await newcomerTo('gw_wraps');
  expect(newcomer.sealingKey).toBe(node.sealingKey);
  const [order] = await relay.commands(node, 1);
  if (order?.body.verb !== 'ensure-node-key') throw new Error(`not asked to wrap but ${order?.body.verb}`);
  expect(order.body).toMatchObject({ nodeId: newcomer.nodeId, keyVersion: 1 });
  const view = await gatewayAt('gw_wraps').view();
  const shown = view?.nodes.find(({ nodeId }) => nodeId === newcomer.nodeId);
  expect(order.body.identityFingerprint).toBe(shown?.keyFingerprint);
  const wrapped = await wrap(order.body, node);
  const second = await FakeRelay.join(newcomer, 1);
  expect((await second.next('welcome')).outstanding).toEqual([]);
  second.send({ type: 'node-status', sealingKey: null, addresses: [], at: Date.now() });
  expect(await second.next('standing')).toMatchObject({ state: 'waiting-for-key', leader: false });
  const value = { verb: 'ensure-node-key' as const, wrapped };
  relay.send({ type: 'report', commandId: order.commandId, outcome: { ok: true, value }, epoch: null });
  await relay.next('report-ack');
  const [bundle] = await second.commands(newcomer, 1);
  if (bundle?.body.verb !== 'ensure-gateway-key') throw new Error('not given the key');
  expect(await newcomer.open(bundle.body.wrapped)).toBe(CANARY);
  expect(relay.unread('deliver')).toBe(0);
  const given = { verb: 'ensure-gateway-key' as const, sealingKey: node.sealingKey };
  second.send({ type: 'report', commandId: bundle.commandId, outcome: { ok: true, value: given }, epoch: null });
  expect(await second.next('standing')).toMatchObject({ state: 'active', leader: false });
  expect((await gatewayAt('gw_wraps').view())?.nodes.map(({ state }) => state)).toEqual(['active', 'active']);
  expect((await gatewayAt('gw_wraps').view())?.outstandingCommands).toBe(0);
  const stub = gatewayStub(edgeEnv, 'default', objectName(SCOPE, node.gatewayId));
  const stored = await runInDurableObject(stub, (_object, state) =>
    state.storage.sql
      .exec("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\'")
      .toArray()
      .map(({ name }) => JSON.stringify(state.storage.sql.exec(`SELECT * FROM "${name}"`).toArray())),
  );
  const everything = stored.join('\n');
  expect(everything).toContain(node.sealingKey);
  expect(everything).not.toContain(CANARY);
  expect(everything).not.toContain(btoa(CANARY));
});

test('[N3] only a holder’s bundle counts, and a newcomer speaks for itself only; what fails is tried anew', async () => {
  const { node, relay } = await joined('gw_forges');
  const newcomer = await newcomerTo('gw_forges');
  const [order] = await relay.commands(node, 1);
  if (order?.body.verb !== 'ensure-node-key') throw new Error('not asked to wrap');
  const second = await FakeRelay.join(newcomer, 1);
  await second.next('welcome');
  // The newcomer answers in the holder's place.
  const value = { verb: 'ensure-node-key' as const, wrapped: await wrap(order.body, node) };
  second.send({ type: 'report', commandId: order.commandId, outcome: { ok: true, value }, epoch: null });
  await second.next('report-ack');
  expect((await gatewayAt('gw_forges').view())?.nodes.map(({ state }) => state)).toEqual(['active', 'waiting-for-key']);
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 10_000 });
  relay.send({ type: 'node-status', sealingKey: node.sealingKey, addresses: ['a:1'], at: Date.now() });
  const [again] = await relay.commands(node, 1);
  vi.useRealTimers();
  expect(again?.body.verb).toBe('ensure-node-key');
  expect(again?.commandId).not.toBe(order.commandId);
});

test('[N5] a node that has lost the key says so, leads no more, and is given it again', async () => {
  const { node, relay } = await joined('gw_loses');
  const newcomer = await newcomerTo('gw_loses');
  const second = await FakeRelay.join(newcomer, 1);
  await second.next('welcome');
  second.send({ type: 'node-status', sealingKey: node.sealingKey, addresses: [], at: Date.now() });
  expect(await second.next('standing')).toMatchObject({ state: 'active' });
  second.send({ type: 'node-status', sealingKey: null, addresses: [], at: Date.now() });
  expect(await second.next('standing')).toMatchObject({ state: 'waiting-for-key' });
  await until(async () => expect(relay.unread('deliver')).toBeGreaterThan(0));
});

let admin: string;
beforeAll(async () => {
  ({ key: admin } = await setUp());
});

test('[N6] [N7] the API removes a node at once, and gives a key up only when it is confirmed and no holder is connected', async () => {
  const { node, relay } = await connectGateway(admin, 'nodes-api');
  const base = `/v1/gateways/${node.gatewayId}`;
  const call = (method: string, path: string) => callApi(method, `${base}${path}`, { key: admin });
  await problemOf(call('DELETE', '/nodes/nod_nobody'), 'NOT_FOUND');
  await problemOf(call('DELETE', `/nodes/${node.nodeId}`), 'CONFIRMATION_REQUIRED');
  await problemOf(call('POST', '/reset-key'), 'CONFIRMATION_REQUIRED');
  await problemOf(call('POST', '/reset-key?confirm=nodes-api'), 'GATEWAY_KEY_HELD');
  expect((await call('DELETE', `/nodes/${node.nodeId}?confirm=nodes-api`)).status).toBe(204);
  expect(await relay.closing()).toBe(4003);
  expect(await (await FakeRelay.join(node, 9)).closing()).toBe(4003);
  const reset = await answerOf(call('POST', '/reset-key?confirm=nodes-api'), 200, GatewayView);
  expect(reset).toMatchObject({ sealingKey: null, phase: 'unpaired' });
  expect(reset.conditions).toMatchObject([{ type: 'TunnelConnected' }, {}, { type: 'KeyHeld', reason: 'KeyGivenUp' }]);
});
