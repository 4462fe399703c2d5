// One connection and the redial, with a dial that the test plays.
import { expect, test } from 'vitest';
import type { Identity } from '../../relay/identity.ts';
import { type Caller, type ConnectionOutcome, connect, type Welcome } from '../../relay/tunnel/connection.ts';
import type { DialEvents } from '../../relay/tunnel/dial.ts';
import { keepTunnel, redialDelay } from '../../relay/tunnel/supervisor.ts';
import { REDIAL_MS_MAX, TUNNEL_PING_MS, TUNNEL_PONG_MS } from '../../shared/limits.ts';
import { err, ok } from '../../shared/result.ts';
import { CLOSE, encodeFrame, PONG } from '../../shared/tunnel-frame.ts';
import { GATEWAY, NODE, SCOPE } from '../support/fake-edge.ts';
import { identityCommand } from './commands.ts';
import { testLog, testPorts } from './memory-ports.ts';

const IDENTITY: Identity = {
  v: 1,
  scope: SCOPE,
  gatewayId: GATEWAY,
  gatewayName: 'rack-one',
  nodeId: NODE,
  commandKey: 'k'.repeat(43),
  tunnelPath: '/v1/tunnel',
  pairedAt: 1,
  origin: 'https://slipway.example',
  codeHash: 'h',
};
const CHALLENGE = encodeFrame({ v: 1, type: 'challenge', nonce: 'n'.repeat(22), origin: IDENTITY.origin });
const WELCOME: Welcome = { v: 1, type: 'welcome', sessionId: 's1', redialSpreadMs: 8_000, at: 1, outstanding: [] };

function connection(journalled = () => Promise.resolve()) {
  const ports = testPorts();
  const sent: string[] = [];
  const closes: number[] = [];
  const seen: string[] = [];
  const dialled: string[] = [];
  let events: DialEvents | null = null;
  const stop = new AbortController();
  const caller: Caller = {
    identity: IDENTITY,
    bootId: 'b1',
    relayVersion: '0.1.0',
    joinCounter: 7,
    sign: async () => 'c2ln',
    verify: async (_payload, signature) => signature === 'good',
  };
  const outcome = connect(
    caller,
    (url, given) => {
      dialled.push(url);
      events = given;
      return { send: (text) => sent.push(text), close: (code) => closes.push(code), destroy: () => closes.push(0) };
    },
    {
      began: () => seen.push('began'),
      delivered: ({ commands, unknown }) => {
        seen.push(`delivered ${commands.length}`, ...unknown);
        return journalled();
      },
      other: (frame) => seen.push(frame.type),
      ended: () => seen.push('ended'),
    },
    ports,
    testLog().log,
    stop.signal,
  );
  const says = async (text: string): Promise<void> => {
    events?.message(text);
    await ports.advance(0);
  };
  const delivers = (seq: number, more: object = {}, signature = 'good') => {
    const commands = [identityCommand()];
    const payload = { gatewayId: GATEWAY, nodeId: NODE, sessionId: 's1', seq, at: 1, commands, ...more };
    return says(encodeFrame({ v: 1, type: 'deliver', payload: JSON.stringify(payload), signature }));
  };
  const serve = async (): Promise<void> => {
    await says(CHALLENGE);
    await says(encodeFrame(WELCOME));
  };
  return { ports, sent, closes, seen, dialled, outcome, says, delivers, serve, stop, ends: () => events };
}

test('[T1, T2] dials the paired origin and answers its challenge with a signed hello', async () => {
  const one = connection();
  await one.serve();
  expect(one.dialled).toEqual(['wss://slipway.example/v1/tunnel']);
  expect(JSON.parse(one.sent[0] ?? '')).toMatchObject({
    type: 'hello',
    nodeId: NODE,
    joinCounter: 7,
    signature: 'c2ln',
  });
  expect(one.seen).toEqual(['began']);
});

test('[T2] signs nothing for a challenge of another origin, nor for a second one, nor for a silent console', async () => {
  const foreign = connection();
  await foreign.says(encodeFrame({ v: 1, type: 'challenge', nonce: 'n'.repeat(22), origin: 'https://evil.example' }));
  expect([foreign.sent, foreign.closes]).toEqual([[], [CLOSE.BAD_HANDSHAKE]]);
  const twice = connection();
  await twice.says(CHALLENGE);
  await twice.says(CHALLENGE);
  expect(twice.sent).toHaveLength(1);
  const silent = connection();
  await silent.ports.advance(20_000);
  expect((await silent.outcome).end).toEqual({ kind: 'handshake-timeout' });
});

test('[T2] takes no frame before the welcome', async () => {
  const one = connection();
  await one.says(CHALLENGE);
  await one.delivers(0);
  expect([one.closes, one.seen]).toEqual([[CLOSE.BAD_HANDSHAKE], []]);
});

test.for([
  ['a signature that does not fit', 0, {}, 'bad'],
  ['another gateway', 0, { gatewayId: 'gw_b' }, 'good'],
  ['another node', 0, { nodeId: 'nod_b' }, 'good'],
  ['another session', 0, { sessionId: 's0' }, 'good'],
  ['a number that is not the next', 3, {}, 'good'],
  ['an unknown form', 0, { more: 1 }, 'good'],
] as const)('[T6] closes with 4005 at a deliver with %s', async ([, seq, more, signature]) => {
  const one = connection();
  await one.serve();
  await one.delivers(seq, more, signature);
  expect([one.closes, one.seen]).toEqual([[CLOSE.BAD_FRAME], ['began', 'ended']]);
});

test('[T6] numbers rise by one: the next is taken, a repeat closes', async () => {
  const one = connection();
  await one.serve();
  await one.delivers(0);
  await one.delivers(1);
  await one.delivers(1);
  expect(one.seen).toEqual(['began', 'delivered 1', 'delivered 1', 'ended']);
  expect(one.closes).toEqual([CLOSE.BAD_FRAME]);
});

test('[C14] sets apart a command of a form of a later release, and closes at one without an id', async () => {
  const one = connection();
  await one.serve();
  const known = identityCommand();
  const verb = { ...known, commandId: 'clu_a/cluster/ensure-later/1/1', body: { verb: 'ensure-later' } };
  const option = identityCommand({ attempt: 2 });
  const field = identityCommand({ attempt: 3 });
  const later = [verb, { ...option, body: { ...option.body, later: true } }, { ...field, later: true }];
  await one.delivers(0, { commands: [...later, known] });
  expect([one.seen, one.closes]).toEqual([['began', 'delivered 1', ...later.map(({ commandId }) => commandId)], []]);
  await one.delivers(1, { commands: [{ body: { verb: 'ensure-later' } }] });
  expect(one.closes).toEqual([CLOSE.BAD_FRAME]);
});

test('[C5] a withdrawal does not overtake the commands it withdraws', async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const one = connection(() => promise);
  await one.serve();
  await one.delivers(0);
  await one.says(encodeFrame({ v: 1, type: 'withdraw', commandIds: [identityCommand().commandId] }));
  expect(one.seen).toEqual(['began', 'delivered 1']);
  resolve();
  await one.ports.advance(0);
  expect(one.seen).toEqual(['began', 'delivered 1', 'withdraw']);
});

test('[T7] pings every 15 s, and counts a console as dead that answers none', async () => {
  const one = connection();
  await one.serve();
  for (let round = 0; round < 10; round += 1) {
    await one.ports.advance(TUNNEL_PING_MS);
    await one.says(PONG);
  }
  expect(one.sent.filter((text) => text === 'ping')).toHaveLength(10);
  await one.ports.advance(TUNNEL_PING_MS + TUNNEL_PONG_MS - 1);
  expect(one.seen).toEqual(['began']);
  await one.ports.advance(1);
  expect(await one.outcome).toMatchObject({ end: { kind: 'dead' }, welcome: { sessionId: 's1' } });
  expect(one.seen).toEqual(['began', 'ended']);
});

test('[T7] an answer that waits behind a frame still being taken is an answer', async () => {
  const { promise } = Promise.withResolvers<void>();
  const one = connection(() => promise);
  await one.serve();
  await one.delivers(0);
  await one.ports.advance(TUNNEL_PING_MS);
  await one.says(PONG);
  await one.ports.advance(TUNNEL_PONG_MS);
  expect(one.seen).toEqual(['began', 'delivered 1']);
});

test.for([
  ['of an unknown type', { v: 1, type: 'dance' }, CLOSE.VERSION_UNSUPPORTED],
  ['of a later version', { ...WELCOME, v: 2 }, CLOSE.VERSION_UNSUPPORTED],
  ['that is no JSON', null, CLOSE.BAD_FRAME],
  ['of a known type with more in it', { v: 1, type: 'withdraw', commandIds: [], more: 1 }, CLOSE.BAD_FRAME],
] as const)('[T9] closes at a frame %s', async ([, frame, code]) => {
  const one = connection();
  await one.serve();
  await one.says(frame === null ? '{' : JSON.stringify(frame));
  expect(one.closes).toEqual([code]);
});

test('ends at once when it is stopped', async () => {
  const one = connection();
  await one.serve();
  one.stop.abort();
  expect((await one.outcome).end).toEqual({ kind: 'stopped' });
  expect(one.closes).toEqual([1000]);
});

const closed = (code: number, welcome: ConnectionOutcome['welcome'] = null, servedMs = 0): ConnectionOutcome => ({
  end: { kind: 'closed', code, reason: '' },
  welcome,
  servedMs,
});

test('[T8] full jitter up to 1 s, then twice that, and never above 60 s', () => {
  const delays = [1, 2, 3, 7, 50].map((failures) => redialDelay(closed(1006), failures, 0.999_999));
  expect(delays.map((ms) => Math.round(ms / 1_000))).toEqual([1, 2, 4, 60, 60]);
  expect(redialDelay(closed(1006), 50, 0)).toBe(0);
});

test('[T8] after a session that was served the first try is spread as the last welcome said', () => {
  expect(redialDelay(closed(1006, WELCOME, 90_000), 0, 0.5)).toBe(4_000);
  expect(redialDelay(closed(1006, WELCOME, 90_000), 0, 0.999)).toBeLessThan(8_000);
});

test('[T3, T4] what only a human can mend, and what another session took, is tried slowly', () => {
  for (const code of [CLOSE.CLONE_DETECTED, CLOSE.REVOKED, CLOSE.SUPERSEDED, CLOSE.VERSION_UNSUPPORTED])
    expect(redialDelay(closed(code, WELCOME), 1, 0)).toBeGreaterThanOrEqual(REDIAL_MS_MAX / 2);
});

test('[T8] dials on for ever, with a new counter each time, and waits when the disk gives none', async () => {
  const ports = testPorts();
  const { log, lines } = testLog();
  const stop = new AbortController();
  const counters: number[] = [];
  let next = 0;
  const running = keepTunnel(
    async (counter) => {
      counters.push(counter);
      return { end: { kind: 'unreachable', detail: 'no route' }, welcome: null, servedMs: 0 };
    },
    async () => {
      next += 1;
      return next === 3 ? err({ detail: 'ENOSPC' }) : ok(next);
    },
    ports,
    log,
    stop.signal,
  );
  await ports.advance(10 * 60_000);
  stop.abort();
  await running;
  expect(counters.slice(0, 4)).toEqual([1, 2, 4, 5]);
  expect(counters.length).toBeGreaterThan(15);
  expect(lines.filter((line) => line.includes('tunnel-waits-for-disk'))).toHaveLength(1);
});

test('[T8] a disk that has room again is found within 5 s, since the tunnel waits for it', async () => {
  const ports = testPorts();
  const { log } = testLog();
  const stop = new AbortController();
  const counters: number[] = [];
  let isFull = true;
  const running = keepTunnel(
    async (counter) => {
      counters.push(counter);
      return { end: { kind: 'unreachable', detail: 'no route' }, welcome: null, servedMs: 0 };
    },
    async () => (isFull ? err({ detail: 'ENOSPC' }) : ok(1)),
    ports,
    log,
    stop.signal,
  );
  await ports.advance(12_000);
  isFull = false;
  expect(counters).toEqual([]);
  await ports.advance(5_000);
  expect(counters).toContain(1);
  stop.abort();
  await running;
});
