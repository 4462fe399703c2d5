// The recovery key of a gateway, through the Worker: a relay that holds the gateway's key is asked for a copy, admins get it as a
// bundle, and the edge has nothing but ciphertext.
import { runInDurableObject } from 'cloudflare:test';
import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from '@hpke/core';
import { beforeAll, expect, test, vi } from 'vitest';
import { GatewayCreated } from '../../functions/api/gateways.ts';
import { gatewayStub } from '../../functions/env.ts';
import { fromBase64url, toBase64url } from '../../functions/sign-command.ts';
import type { Command, CommandOutcome } from '../../shared/command.ts';
import { GatewayView } from '../../shared/gateway-view.ts';
import { objectName, type Scope } from '../../shared/ids.ts';
import { RecoveryBundle, type RecoveryCopy, recoveryContext } from '../../shared/recovery.ts';
import { connectGateway, pairByApi } from './api-gateway.ts';
import { answerOf, callApi, makeKey, makeOtherTenant, problemOf, setUp } from './call-api.ts';
import { edgeEnv, FakeRelay, makeKeys } from './fake-relay.ts';

const CANARY = 'the-private-half-of-the-gateway-key';
const suite = new CipherSuite({ kem: new DhkemX25519HkdfSha256(), kdf: new HkdfSha256(), aead: new Aes256Gcm() });
const ANOTHER_KEY = 'B'.repeat(42).concat('A');

let admin: string;
let scope: Scope;
beforeAll(async () => {
  ({ key: admin, scope } = await setUp());
});

const create = (name: string, recoveryKey?: unknown) =>
  callApi('POST', '/v1/gateways', { key: admin, json: { name, recoveryKey } });
const bundleOf = (id: string, key = admin) => callApi('GET', `/v1/gateways/${id}/recovery-bundle`, { key });
const viewOf = (id: string) => answerOf(callApi('GET', `/v1/gateways/${id}`, { key: admin }), 200, GatewayView);

async function makeRecoveryKey() {
  const pair = await suite.kem.generateKeyPair();
  const recoveryKey = toBase64url(new Uint8Array(await suite.kem.serializePublicKey(pair.publicKey)));
  const open = async (bundle: RecoveryBundle): Promise<string> => {
    const { info, aad } = recoveryContext(bundle);
    const from = { recipientKey: pair.privateKey, enc: fromBase64url(bundle.encapsulatedKey), info };
    return new TextDecoder().decode(await suite.open(from, fromBase64url(bundle.ciphertext), aad));
  };
  return { recoveryKey, open };
}

/** What a holder does with `ensure-recovery-bundle`. */
async function copyFor({ scope: at, gatewayId, body }: Command): Promise<RecoveryCopy> {
  if (body.verb !== 'ensure-recovery-bundle') throw new Error(`not asked for a copy but ${body.verb}`);
  const { recoveryKey, keyVersion } = body;
  const { info, aad } = recoveryContext({ scope: at, gatewayId, recoveryKey, keyVersion });
  const recipientPublicKey = await suite.kem.deserializePublicKey(fromBase64url(recoveryKey));
  const sealed = await suite.seal({ recipientPublicKey, info }, new TextEncoder().encode(CANARY), aad);
  const [encapsulatedKey = '', ciphertext = ''] = [sealed.enc, sealed.ct].map((part) =>
    toBase64url(new Uint8Array(part)),
  );
  return { v: 1, recoveryKey, keyVersion, encapsulatedKey, ciphertext };
}

const told = (copy: RecoveryCopy): CommandOutcome => ({ ok: true, value: { verb: 'ensure-recovery-bundle', copy } });

test('[N9] a relay that holds the key makes a copy, admins get it as a bundle, and nothing lies in the clear', async () => {
  const { recoveryKey, open } = await makeRecoveryKey();
  const gateway = await connectGateway(admin, 'recovers', { recoveryKey });
  const { node, relay } = gateway;
  expect((await problemOf(bundleOf(node.gatewayId), 'NOT_FOUND')).detail).toContain('No relay has made it yet');
  expect((await viewOf(node.gatewayId)).recovery).toBeNull();
  const [order] = await relay.commands(node, 1);
  if (order === undefined) throw new Error('not asked');
  expect(order).toMatchObject({ scope, body: { recoveryKey, keyVersion: 1 } });
  relay.send({ type: 'report', commandId: order.commandId, outcome: told(await copyFor(order)), epoch: null });
  await relay.next('report-ack');

  const bundle = await answerOf(bundleOf(node.gatewayId), 200, RecoveryBundle);
  expect(bundle).toMatchObject({ scope, gatewayId: node.gatewayId, recoveryKey, keyVersion: 1 });
  expect(await open(bundle)).toBe(CANARY);
  const view = await viewOf(node.gatewayId);
  const digest = await crypto.subtle.digest('SHA-256', fromBase64url(recoveryKey));
  const fingerprint = Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
  expect([view.recovery, view.outstandingCommands]).toEqual([{ fingerprint, keyVersion: 1 }, 0]);
  expect(relay.unread('deliver')).toBe(0);
  const stub = gatewayStub(edgeEnv, 'default', objectName(scope, node.gatewayId));
  const stored = await runInDurableObject(stub, (_object, state) =>
    JSON.stringify(state.storage.sql.exec('SELECT * FROM recovery').toArray()),
  );
  expect(stored).toContain(bundle.ciphertext);
  expect(stored).not.toContain(CANARY);
  // Whoever is no tenant admin of this tenant gets nothing.
  await problemOf(bundleOf(node.gatewayId, (await makeKey(admin, 'project-admin')).key), 'FORBIDDEN');
  await problemOf(bundleOf(node.gatewayId, (await makeOtherTenant()).key), 'NOT_FOUND');
});

test('a gateway without a recovery key asks for nothing and says so; what is no key makes no gateway', async () => {
  const { node, relay } = await connectGateway(admin, 'plain');
  expect((await problemOf(bundleOf(node.gatewayId), 'NOT_FOUND')).detail).toContain('without a recovery key');
  expect((await viewOf(node.gatewayId)).recovery).toBeNull();
  expect(relay.unread('deliver')).toBe(0);
  await problemOf(bundleOf('gw_nobody'), 'NOT_FOUND');
  // Too short; no bytes; a point that shares nothing; a second spelling of a key.
  const { recoveryKey } = await makeRecoveryKey();
  const second = `${recoveryKey.slice(0, -1)}${String.fromCharCode(recoveryKey.charCodeAt(42) + 1)}`;
  for (const bad of ['short', `${'*'.repeat(43)}`, 'A'.repeat(43), second, 7]) {
    const { errors } = await problemOf(create('never', bad), 'BODY_INVALID');
    expect(errors?.map(({ field }) => field)).toEqual(['recoveryKey']);
  }
  await answerOf(create('never', recoveryKey), 201, GatewayCreated);
});

test('[N9] a copy for another key or version is not taken, and is asked for anew; so is what fails', async () => {
  const { recoveryKey } = await makeRecoveryKey();
  const gateway = await connectGateway(admin, 'mistakes', { recoveryKey });
  const { node, relay } = gateway;
  const ids: string[] = [];
  const answers: ((copy: RecoveryCopy) => CommandOutcome)[] = [
    (copy) => told({ ...copy, recoveryKey: ANOTHER_KEY }),
    (copy) => told({ ...copy, keyVersion: 2 }),
    () => ({ ok: false, error: { code: 'RELAY_STORAGE', detail: 'full' } }),
  ];
  try {
    for (const answer of answers) {
      const [order] = await relay.commands(node, 1);
      if (order === undefined) throw new Error('not asked');
      ids.push(order.commandId);
      const outcome = answer(await copyFor(order));
      relay.send({ type: 'report', commandId: order.commandId, outcome, epoch: null });
      await relay.next('report-ack');
      expect((await viewOf(node.gatewayId)).recovery).toBeNull();
      vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 60_000 });
      relay.send({ type: 'node-status', sealingKey: node.sealingKey, addresses: [], at: Date.now() });
    }
    const [last] = await relay.commands(node, 1);
    if (last === undefined) throw new Error('not asked');
    expect(new Set([...ids, last.commandId]).size).toBe(4);
    // The right copy, from a node that says it has lost the key meanwhile.
    relay.send({ type: 'node-status', sealingKey: null, addresses: [], at: Date.now() });
    relay.send({ type: 'report', commandId: last.commandId, outcome: told(await copyFor(last)), epoch: null });
    await relay.next('report-ack');
    expect((await viewOf(node.gatewayId)).recovery).toBeNull();
  } finally {
    vi.useRealTimers();
  }
});

test('[N6] [N9] when the key is given up the bundle stands until the next key has one', async () => {
  const { recoveryKey, open } = await makeRecoveryKey();
  const gateway = await connectGateway(admin, 'resets', { recoveryKey });
  const { gatewayId } = gateway.node;
  const base = `/v1/gateways/${gatewayId}`;
  const [first] = await gateway.relay.commands(gateway.node, 1);
  if (first === undefined) throw new Error('not asked');
  gateway.relay.send({ type: 'report', commandId: first.commandId, outcome: told(await copyFor(first)), epoch: null });
  await gateway.relay.next('report-ack');
  gateway.relay.hangUp();
  await vi.waitFor(async () => {
    const reset = await callApi('POST', `${base}/reset-key?confirm=resets`, { key: admin });
    expect(reset.status, await reset.text()).toBe(200);
  });
  expect(await answerOf(bundleOf(gatewayId), 200, RecoveryBundle)).toMatchObject({ keyVersion: 1 });

  const { pairingCode } = await answerOf(
    callApi('POST', `${base}/pairing-code`, { key: admin }),
    201,
    GatewayCreated.pick({ pairingCode: true, pairingCodeExpiresAt: true }),
  );
  const keys = await makeKeys();
  const node = { ...keys, ...(await pairByApi(pairingCode, keys)), sealingKey: keys.sealingKey };
  const relay = await FakeRelay.join(node, 1);
  await relay.next('welcome');
  const [next] = await relay.commands(node, 1);
  if (next === undefined) throw new Error('not asked');
  expect(next.body).toMatchObject({ verb: 'ensure-recovery-bundle', keyVersion: 2 });
  relay.send({ type: 'report', commandId: next.commandId, outcome: told(await copyFor(next)), epoch: null });
  await relay.next('report-ack');
  const bundle = await answerOf(bundleOf(gatewayId), 200, RecoveryBundle);
  expect([bundle.keyVersion, await open(bundle)]).toEqual([2, CANARY]);
});
