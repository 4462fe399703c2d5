import { expect, test, vi } from 'vitest';
import { commandSigner, fromBase64url } from '../../functions/sign-command.ts';
import { RelayNodeId } from '../../shared/ids.ts';
import {
  addNode,
  edgeEnv,
  FakeRelay,
  gatewayAt,
  makeGateway,
  makeKeys,
  makeNode,
  ORIGIN,
  pairingRequest,
  pairNode,
  sha256,
} from './fake-relay.ts';

test('a code pairs one relay: keys, node and tunnel path come back, and the gateway shows them', async () => {
  const codeHash = await makeGateway('gw_pairs');
  expect(await gatewayAt('gw_pairs').view()).toMatchObject({ phase: 'unpaired', sealingKey: null, nodes: [] });
  const node = await pairNode('gw_pairs', codeHash);
  expect(RelayNodeId.safeParse(node.nodeId).success).toBe(true);
  expect(node.commandKey).toBe((await commandSigner(edgeEnv)).publicKey);
  expect(fromBase64url(node.commandKey)).toHaveLength(32);
  expect(node.tunnelPath).toBe(`/v1/tunnel?object=${encodeURIComponent('default/ten_test/prj_test/gw_pairs')}`);
  expect(await gatewayAt('gw_pairs').view()).toMatchObject({
    phase: 'disconnected',
    sealingKey: node.sealingKey,
    nodes: [{ nodeId: node.nodeId, hostname: 'relay-1', connected: false }],
  });
});

test('of 20 relays that use one code at once exactly one wins', async () => {
  const codeHash = await makeGateway('gw_race');
  const tries = await Promise.all(
    Array.from({ length: 20 }, async () => {
      const keys = await makeKeys();
      const challenge = await gatewayAt('gw_race').pairingChallenge(codeHash, ORIGIN);
      if (!challenge.ok) throw new Error(challenge.error.code);
      return pairingRequest(keys, codeHash, challenge.value.nonce);
    }),
  );
  const answers = await Promise.all(tries.map((request) => gatewayAt('gw_race').pair(request, ORIGIN)));
  expect(answers.filter((answer) => answer.ok)).toHaveLength(1);
  const refused = answers.flatMap((answer) => (answer.ok ? [] : [answer.error.code]));
  expect(new Set(refused)).toEqual(new Set(['PAIRING_CODE_USED']));
  expect((await gatewayAt('gw_race').view())?.nodes).toHaveLength(1);
});

test('the winner may repeat its request and gets the same answer', async () => {
  const codeHash = await makeGateway('gw_repeat');
  const keys = await makeKeys();
  const challenge = await gatewayAt('gw_repeat').pairingChallenge(codeHash, ORIGIN);
  if (!challenge.ok) throw new Error(challenge.error.code);
  const request = await pairingRequest(keys, codeHash, challenge.value.nonce);
  const first = await gatewayAt('gw_repeat').pair(request, ORIGIN);
  expect(first.ok).toBe(true);
  expect(await gatewayAt('gw_repeat').pair(request, ORIGIN)).toEqual(first);
});

test('a proof that does not fit is refused and the code stays usable', async () => {
  const codeHash = await makeGateway('gw_proof');
  const [keys, other] = [await makeKeys(), await makeKeys()];
  const challenge = await gatewayAt('gw_proof').pairingChallenge(codeHash, ORIGIN);
  if (!challenge.ok) throw new Error(challenge.error.code);
  const request = await pairingRequest(keys, codeHash, challenge.value.nonce);
  const forged = [
    { ...request, sealingKey: other.sealingKey },
    { ...request, identityKey: other.identityKey },
    { ...request, signature: 'AAAA' },
    await pairingRequest(keys, codeHash, 'a-nonce-nobody-gave'),
  ];
  for (const attempt of forged)
    expect(await gatewayAt('gw_proof').pair(attempt, ORIGIN)).toMatchObject({
      error: { code: 'PAIRING_PROOF_INVALID' },
    });
  expect(await gatewayAt('gw_proof').pair(request, 'https://elsewhere.test')).toMatchObject({
    error: { code: 'PAIRING_PROOF_INVALID' },
  });
  expect(await gatewayAt('gw_proof').pair(request, ORIGIN)).toMatchObject({ ok: true });
});

test('an unknown, an expired and a replaced code say which they are', async () => {
  const codeHash = await makeGateway('gw_codes');
  const unknown = await sha256('no such code');
  expect(await gatewayAt('gw_codes').pairingChallenge(unknown, ORIGIN)).toMatchObject({
    error: { code: 'PAIRING_CODE_UNKNOWN' },
  });
  expect(await gatewayAt('gw_nobody').pairingChallenge(codeHash, ORIGIN)).toMatchObject({
    error: { code: 'PAIRING_CODE_UNKNOWN' },
  });
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 61_000 });
  expect(await gatewayAt('gw_codes').pairingChallenge(codeHash, ORIGIN)).toMatchObject({
    error: { code: 'PAIRING_CODE_EXPIRED' },
  });
  vi.useRealTimers();
  await gatewayAt('gw_codes').renewPairingCode(await sha256('a newer code'), Date.now() + 60_000);
  expect(await gatewayAt('gw_codes').pairingChallenge(codeHash, ORIGIN)).toMatchObject({
    error: { code: 'PAIRING_CODE_UNKNOWN' },
  });
});

test('a challenge is good for two minutes', async () => {
  const codeHash = await sha256('slow');
  const base = await makeGateway('gw_slow');
  await gatewayAt('gw_slow').renewPairingCode(codeHash, Date.now() + 3_600_000);
  expect(base).not.toBe(codeHash);
  const challenge = await gatewayAt('gw_slow').pairingChallenge(codeHash, ORIGIN);
  if (!challenge.ok) throw new Error(challenge.error.code);
  const request = await pairingRequest(await makeKeys(), codeHash, challenge.value.nonce);
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 121_000 });
  expect(await gatewayAt('gw_slow').pair(request, ORIGIN)).toMatchObject({ error: { code: 'PAIRING_PROOF_INVALID' } });
  vi.useRealTimers();
});

test('a relay with another sealing key can not take over while one that has it is connected', async () => {
  const first = await makeNode('gw_keys');
  const relay = await FakeRelay.join(first, 1);
  await relay.next('welcome');
  const codeHash = await sha256('stranger');
  await gatewayAt('gw_keys').renewPairingCode(codeHash, Date.now() + 60_000);
  await expect(pairNode('gw_keys', codeHash)).rejects.toThrow(/PAIRING_PROOF_INVALID/);
  const second = await addNode('gw_keys', first);
  expect(second.nodeId).not.toBe(first.nodeId);
  expect((await gatewayAt('gw_keys').view())?.sealingKey).toBe(first.sealingKey);
});
