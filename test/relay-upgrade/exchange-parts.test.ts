// The parts of an exchange on a clock that the test moves: the loan of join counters, the watch, and what starts.
import { createHash } from 'node:crypto';
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openProgramStore } from '../../relay/adapters/program-store.ts';
import { chooseProgram } from '../../relay/program/choose-program.ts';
import type { FormerMessage, Successor, SuccessorMessage } from '../../relay/program/former-talk.ts';
import { gateDisk } from '../../relay/program/gated-disk.ts';
import { createJoinCounters } from '../../relay/program/join-counters.ts';
import { openProgramBook } from '../../relay/program/program-book.ts';
import { readUpgradeWaits } from '../../relay/program/upgrade-waits.ts';
import { watchSuccessor } from '../../relay/program/watch-successor.ts';
import { CommandId } from '../../shared/command.ts';
import { UPGRADE_HEARTBEAT_MS, UPGRADE_TRIAL_MS } from '../../shared/limits.ts';
import { ok } from '../../shared/result.ts';
import { testDisk, testLog, testPorts } from '../relay/memory-ports.ts';

test('in earnest the waits are those of the protocol; what is none is told', () => {
  const waits = { heartbeatMs: UPGRADE_HEARTBEAT_MS, trialMs: UPGRADE_TRIAL_MS };
  expect(readUpgradeWaits(undefined)).toMatchObject(waits);
  expect(readUpgradeWaits('{"trialMs":5}')).toMatchObject({ ...waits, trialMs: 5 });
  expect([readUpgradeWaits('{"trial":5}'), readUpgradeWaits('no')]).toEqual([null, null]);
});

const nowhere = { attach: () => {} };
const anyPromise = (): { settled: boolean; watch: <T>(promise: Promise<T>) => Promise<T> } => {
  const seen = { settled: false, watch: <T>(promise: Promise<T>) => promise };
  seen.watch = (promise) =>
    promise.finally(() => {
      seen.settled = true;
    });
  return seen;
};

test('[T3, U3] while the trial has a join counter this process dials with none, and it gets one only beside an open session', async () => {
  const ports = testPorts();
  let last = 0;
  const counters = createJoinCounters(async () => {
    last += 1;
    return ok(last);
  });
  expect(await counters.next()).toEqual(ok(1));
  const lent = anyPromise();
  const lending = lent.watch(counters.lend());
  await ports.advance(1);
  expect(lent.settled).toBe(false);
  counters.part.attach(nowhere.attach);
  const loan = await lending;
  expect(loan).toMatchObject({ ok: true, value: { counter: 2 } });
  counters.part.detach();
  const own = anyPromise();
  const next = own.watch(counters.next());
  await ports.advance(1);
  expect(own.settled).toBe(false);
  if (loan.ok) loan.value.giveBack();
  expect(await next).toEqual(ok(3));
});

function played() {
  let listener: (message: SuccessorMessage) => void = () => {};
  let end = (_how: string): void => {};
  const told: FormerMessage[] = [];
  const successor: Successor = {
    hear: (next) => {
      listener = next;
    },
    say: (message) => void told.push(message),
    ended: new Promise((resolve) => {
      end = resolve;
    }),
    signal: () => {},
  };
  return { successor, told, beat: () => listener({ kind: 'heartbeat' }), end: (how: string) => end(how) };
}

describe('[U4] the watch', () => {
  const never = new Promise<never>(() => {});
  const watched = () => {
    const ports = testPorts();
    const play = played();
    const seen = anyPromise();
    const fate = seen.watch(watchSuccessor(play.successor, 120_000, ports, never));
    return { ports, ...play, seen, fate };
  };

  test('lets the new one go on, and gives up after 120 s without a heartbeat, at first or later', async () => {
    const silent = watched();
    expect(silent.told).toEqual([{ kind: 'go' }]);
    await silent.ports.advance(119_999);
    expect(silent.seen.settled).toBe(false);
    await silent.ports.advance(1);
    expect(await silent.fate).toMatchObject({ kind: 'failed', detail: expect.stringContaining('120 s') });
    const later = watched();
    later.beat();
    await later.ports.advance(119_000);
    later.beat();
    await later.ports.advance(119_999);
    expect(later.seen.settled).toBe(false);
    await later.ports.advance(1);
    expect(await later.fate).toMatchObject({ kind: 'failed' });
  });

  test('accepts after 120 s of heartbeats, counted from the first, and not before', async () => {
    const { ports, beat, seen, fate } = watched();
    await ports.advance(100_000);
    for (const _ of [0, 30, 60, 90]) {
      beat();
      await ports.advance(30_000);
    }
    expect(seen.settled).toBe(false);
    beat();
    expect(await fate).toEqual({ kind: 'accepted' });
  });

  test('fails at once when the new one ends', async () => {
    const { end, fate } = watched();
    end('SIGSEGV');
    expect(await fate).toMatchObject({ kind: 'failed', detail: expect.stringContaining('SIGSEGV') });
  });
});

test('a folder that was given over is touched no more, and what was being written is waited for', async () => {
  const disk = testDisk();
  let finish = (): void => {};
  const slow = {
    ...disk,
    append: () =>
      new Promise<ReturnType<typeof ok<null>>>((resolve) => {
        finish = () => resolve(ok(null));
      }),
  };
  const gated = gateDisk(slow);
  const writing = gated.append('journal.log', new Uint8Array(1));
  const closed = anyPromise();
  const closing = closed.watch(gated.close());
  await testPorts().advance(1);
  expect(closed.settled).toBe(false);
  finish();
  expect(await writing).toEqual(ok(null));
  await closing;
  expect(await gated.replace('journal.log', new Uint8Array(1))).toMatchObject({ ok: false });
  expect(await gated.read('journal.log')).toMatchObject({ ok: false });
  expect([...disk.files]).toEqual([]);
});

describe('what starts', () => {
  const BYTES = Buffer.from('a program');
  const sha256 = createHash('sha256').update(BYTES).digest('hex');
  const program = (version: string) => ({ version, platform: 'javascript', sizeBytes: BYTES.length, sha256 }) as const;
  const commandId = CommandId.parse('gw_a/node/ensure-relay-program/1/1');
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'slipway-programs-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  async function bookWith(...versions: string[]) {
    const disk = testDisk();
    const book = await openProgramBook(disk);
    if (!book.ok) throw new Error(book.error.detail);
    const store = openProgramStore(folder);
    for (const version of versions) {
      const put = await store.put(program(version), Readable.from([BYTES]));
      if (!put.ok) throw new Error(put.error.detail);
      await book.value.begin(commandId, program(version));
      await book.value.accept(program(version), 1);
    }
    const { log, lines } = testLog();
    const choose = (version: string, platform: 'javascript' | 'linux-x64' = 'javascript') =>
      chooseProgram({ version, platform }, book.value, store, log);
    return { book: book.value, store, disk, choose, events: () => lines.map((line): string => JSON.parse(line).event) };
  }

  test('is the newest accepted program, and again when the book is read anew', async () => {
    const { choose, disk } = await bookWith('0.2.0', '0.3.0');
    expect(await choose('0.1.0')).toMatchObject({ version: '0.3.0' });
    const again = await openProgramBook(disk);
    expect(again.ok && again.value.accepted().map(({ version }) => version)).toEqual(['0.3.0', '0.2.0']);
    expect(await readdir(join(folder, 'programs'))).toEqual(['0.2.0', '0.3.0']);
  });

  test('is the installed program when that is as new; what it took the place of is removed', async () => {
    const { choose, events } = await bookWith('0.2.0', '0.3.0');
    expect(await choose('0.3.0')).toBeNull();
    expect(events()).toEqual(['program-forgotten', 'program-forgotten']);
    expect(await readdir(join(folder, 'programs'))).toEqual([]);
  });

  test('is the one before it when it ended three times in a row, and its command hears of it', async () => {
    const { choose, book, events } = await bookWith('0.2.0', '0.3.0');
    await book.count('0.3.0', 2);
    expect(await choose('0.1.0')).toMatchObject({ version: '0.3.0' });
    await book.count('0.3.0', 3);
    expect(await choose('0.1.0')).toMatchObject({ version: '0.2.0' });
    expect([events(), book.exchange()?.failure]).toEqual([['program-given-up'], expect.stringContaining('3 times')]);
    expect(await readdir(join(folder, 'programs'))).toEqual(['0.2.0']);
  });

  test('is never one whose file is missing, changed or for another platform', async () => {
    const { choose, store } = await bookWith('0.2.0', '0.3.0');
    await rm(store.fileOf(program('0.3.0')));
    expect(await choose('0.1.0')).toMatchObject({ version: '0.2.0' });
    await chmod(store.fileOf(program('0.2.0')), 0o600);
    expect(await choose('0.1.0', 'linux-x64')).toBeNull();
  });
});
