// Pairing and hello under every attack that needs no broken mathematics: races, replays, foreign and altered proofs (I18).
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { PairingRequest } from '../../shared/pairing.ts';
import { CLOSE, encodeFrame } from '../../shared/tunnel-frame.ts';
import { agreementKeyOf, type BenchKeys, benchKeys, GatewayBench, ORIGIN } from './gateway-bench.ts';

const RACERS = 100;
const ROUNDS = 200;
const ALTERED = 10_000;

let racers: BenchKeys[] = [];
const benches: GatewayBench[] = [];
const bench = (): GatewayBench => {
  const made = new GatewayBench();
  benches.push(made);
  return made;
};
const hashOf = (name: string | number): string => String(name).padEnd(43, 'h');

beforeAll(async () => {
  racers = await Promise.all(Array.from({ length: RACERS }, benchKeys));
});
afterAll(() => {
  for (const { sql } of benches) sql.close();
});

test('100 relays race for one code, 200 times: one wins each time, and only it may ask again', async () => {
  const gateway = bench();
  await gateway.create(hashOf(0));
  for (let round = 0; round < ROUNDS; round += 1) {
    const codeHash = hashOf(round);
    await gateway.renew(codeHash);
    // The nodes of the rounds before stay: who has paired may race again.
    const requests = await Promise.all(racers.map((keys) => gateway.request(keys, codeHash)));
    const answers = await Promise.all(requests.map((request) => gateway.logic.pair(request, ORIGIN)));
    const winners = answers.flatMap((answer, at) => (answer.ok ? [{ at, node: answer.value.nodeId }] : []));
    expect(winners).toHaveLength(1);
    const codes = new Set(answers.flatMap((answer) => (answer.ok ? [] : [answer.error.code])));
    expect(codes).toEqual(new Set(['PAIRING_CODE_USED']));
    const [winner] = winners;
    const again = requests[winner?.at ?? 0];
    if (again === undefined) throw new Error('no winner');
    expect(await gateway.logic.pair(again, ORIGIN)).toMatchObject({ ok: true, value: { nodeId: winner?.node } });
  }
  const nodes = (await gateway.logic.view())?.nodes ?? [];
  expect(nodes.length).toBeLessThanOrEqual(RACERS);
}, 120_000);

test('a replayed, expired, foreign or unknown code lets nobody in', async () => {
  const [gateway, other] = [bench(), bench()];
  const [keys, stranger] = await Promise.all([benchKeys(), benchKeys()]);
  await gateway.create(hashOf('ours'));
  await other.create(hashOf('theirs'));
  const request = await gateway.request(keys, hashOf('ours'));
  const foreign = await other.request(keys, hashOf('theirs'));
  const refused = async (attempt: PairingRequest, origin = ORIGIN) => {
    const answer = await gateway.logic.pair(attempt, origin);
    return answer.ok ? 'in' : answer.error.code;
  };
  expect(await refused(foreign)).toBe('PAIRING_CODE_UNKNOWN');
  expect(await refused({ ...request, nonce: foreign.nonce })).toBe('PAIRING_PROOF_INVALID');
  expect(await refused(request, 'https://elsewhere.test')).toBe('PAIRING_PROOF_INVALID');
  gateway.now += 121_000;
  expect(await refused(request)).toBe('PAIRING_PROOF_INVALID');
  gateway.now += 86_400_000;
  expect(await refused(request)).toBe('PAIRING_CODE_EXPIRED');
  await gateway.renew(hashOf('second'));
  expect(await refused(request)).toBe('PAIRING_CODE_UNKNOWN');
  const good = await gateway.request(keys, hashOf('second'));
  expect(await refused(good)).toBe('in');
  // The code is used: another key gets nothing for it, not even with a challenge of its own.
  expect(await refused(await gateway.request(stranger, hashOf('second')))).toBe('PAIRING_CODE_USED');
  expect((await gateway.logic.view())?.nodes).toHaveLength(1);
});

test('of 10,000 altered handshakes none is let in', async () => {
  const gateway = bench();
  const node = await gateway.pair();
  await gateway.renew(hashOf('altered'));
  const keys = await benchKeys();
  let random = 7;
  const draw = (below: number): number => {
    random = (random * 48_271) % 2_147_483_647;
    return random % below;
  };
  const outcomes = new Set<string>();
  let request = await gateway.request(keys, hashOf('altered'));
  for (let at = 0; at < ALTERED / 2; at += 1) {
    // Challenges are good for two minutes and at most 100 a code.
    if (at % 50 === 0) request = await gateway.request(keys, hashOf('altered'));
    const answer = await gateway.logic.pair(alteredIn(request, PAIRING_FIELDS, draw), ORIGIN);
    outcomes.add(answer.ok ? 'in' : answer.error.code);
  }
  expect(outcomes).toEqual(new Set(['PAIRING_PROOF_INVALID', 'PAIRING_CODE_UNKNOWN']));
  const closes = new Set<number | null>();
  for (let at = 0; at < ALTERED / 2; at += 1) {
    const socket = gateway.dial();
    const hello = await gateway.helloOn(socket, node, at + 1, 'boot');
    await gateway.receive(socket, JSON.stringify(alteredIn({ ...hello }, HELLO_FIELDS, draw)));
    closes.add(socket.closedWith);
    expect(socket.last('welcome')).toBeUndefined();
  }
  expect([...closes].every((code) => code === CLOSE.BAD_HANDSHAKE || code === CLOSE.REVOKED)).toBe(true);
  const view = await gateway.logic.view();
  expect([view?.nodes.length, view?.phase]).toEqual([1, 'disconnected']);
  // What was not altered is let in, by the same bench.
  const whole = gateway.dial();
  await gateway.receive(whole, encodeFrame(await gateway.helloOn(whole, node, ALTERED, 'boot')));
  expect(whole.last('welcome')).toBeDefined();
  expect((await gateway.logic.pair(request, ORIGIN)).ok).toBe(true);
}, 120_000);

const PAIRING_FIELDS = [
  'codeHash',
  'nonce',
  'identityKey',
  'sealingKey',
  'keyAgreementKey',
  'hostname',
  'relayVersion',
  'signature',
] as const;
const HELLO_FIELDS = ['gatewayId', 'nodeId', 'bootId', 'joinCounter', 'relayVersion', 'signature'] as const;
/** What every field but the counter may hold. */
const LETTERS = 'abcdefghijklmnopqrstuvwxyz0123456789';

/** One character of one field is another. The last of a signature is left: base64url has bits to spare there. */
function alteredIn<T extends object>(whole: T, fields: readonly (keyof T)[], draw: (below: number) => number): T {
  const field = fields[draw(fields.length)];
  if (field === undefined) throw new Error('no field');
  const value = whole[field];
  if (typeof value === 'number') return { ...whole, [field]: value + 1 + draw(1_000) };
  const text = String(value);
  // The prefix of an id is its kind, not its name.
  const first = text.indexOf('_') === 2 || text.indexOf('_') === 3 ? text.indexOf('_') + 1 : 0;
  const place = first + draw(text.length - first - 1);
  const others = [...LETTERS].filter((letter) => letter !== text[place]);
  const letter = others[draw(others.length)] ?? '';
  return { ...whole, [field]: `${text.slice(0, place)}${letter}${text.slice(place + 1)}` };
}

test('[N1] a further relay never replaces the gateway’s key, whatever it offers and whoever is connected', async () => {
  const gateway = bench();
  const first = await gateway.pair(agreementKeyOf('the-first'));
  expect(first.sealingKey).toBe(agreementKeyOf('the-first'));
  const second = await gateway.pair(agreementKeyOf('another'));
  expect(second.sealingKey).toBe(agreementKeyOf('the-first'));
  const view = await gateway.logic.view();
  expect(view?.sealingKey).toBe(agreementKeyOf('the-first'));
  expect(view?.nodes.map(({ state }) => state)).toEqual(['active', 'paired']);
});
