import { crc32 } from 'node:zlib';
import { expect, test } from 'vitest';
import { JOURNAL_FILE, type Journal, openJournal } from '../../relay/journal.ts';
import type { Clock } from '../../relay/ports.ts';
import type { CommandOutcome } from '../../shared/command.ts';
import { SETTLED_COMMAND_KEPT_MS } from '../../shared/limits.ts';
import { err, ok } from '../../shared/result.ts';
import { CLUSTER, identityCommand } from './commands.ts';
import { type TestDisk, testDisk, testPorts } from './memory-ports.ts';

const OUTCOME: CommandOutcome = { ok: false, error: { code: 'NO_QUORUM', detail: 'x' } };
const LATER = lineOf({ kind: 'later', more: true });
const FULL = { failure: { code: 'full', detail: 'ENOSPC' } as const, partial: 7 };

/** A line with the right sum, whatever it says. */
function lineOf(record: object): Buffer {
  const json = JSON.stringify(record);
  return Buffer.from(`${crc32(json).toString(16).padStart(8, '0')} ${json}\n`);
}

/** A machine's clocks, which agree until one of them is told otherwise. */
const clockAt = (now: () => number): Clock => ({ now, monotonicMs: now });
const EARLY = clockAt(() => 1_000);

async function open(disk: TestDisk, clock = EARLY, salvage = false): Promise<Journal> {
  const opened = await openJournal(disk, clock, { salvage });
  if (!opened.ok) throw new Error(opened.error.detail);
  return opened.value.journal;
}

test('[C4] what was accepted, begun and settled is known after a restart', async () => {
  const disk = testDisk();
  const first = await open(disk);
  const [settled, begun] = [identityCommand(), identityCommand({ attempt: 2 })];
  await first.accept(settled, 'h1');
  await first.settle(settled.commandId, 'h1', OUTCOME);
  await first.accept(begun, 'h2');
  await first.intend(begun.commandId, 'allocate abc');
  const second = await open(disk);
  expect(second.find(settled.commandId)).toMatchObject({ state: 'settled', outcome: OUTCOME });
  expect(second.unsettled()).toEqual([{ state: 'accepted', bodyHash: 'h2', command: begun, begun: true }]);
});

test('what was dropped is not carried on after a restart', async () => {
  const disk = testDisk();
  const first = await open(disk);
  await first.accept(identityCommand(), 'h1');
  await first.drop(identityCommand().commandId);
  expect((await open(disk)).unsettled()).toEqual([]);
});

test('[G1] the highest generation of a cluster outlives a restart, and a lower one does not replace it', async () => {
  const disk = testDisk();
  const first = await open(disk);
  await first.raiseGeneration(CLUSTER, 5);
  await first.raiseGeneration(CLUSTER, 3);
  expect(first.generationOf(CLUSTER)).toBe(5);
  expect((await open(disk)).generationOf(CLUSTER)).toBe(5);
});

test('[G1] a compaction keeps the generation of a command that is over', async () => {
  const disk = testDisk();
  const journal = await open(disk);
  const command = identityCommand({ generation: 2 });
  await journal.accept(command, 'h1');
  await journal.drop(command.commandId);
  disk.files.set(
    JOURNAL_FILE,
    Buffer.concat([Buffer.from('rotten\n'), disk.files.get(JOURNAL_FILE) ?? Buffer.alloc(0)]),
  );
  expect((await open(disk, EARLY, true)).find(command.commandId)).toBeUndefined();
  expect((await open(disk)).generationOf(CLUSTER)).toBe(2);
});

test('[T3] a join counter is never used twice, across restarts and with a disk that is full between', async () => {
  const disk = testDisk();
  const used: number[] = [];
  const take = async (journal: Journal): Promise<void> => {
    const counter = await journal.nextJoinCounter();
    if (counter.ok) used.push(counter.value);
  };
  const first = await open(disk);
  await take(first);
  disk.fail = FULL;
  for (let session = 0; session < 40; session += 1) await take(first);
  expect(used.length).toBeGreaterThan(20);
  disk.fail = null;
  const second = await open(disk);
  for (let session = 0; session < 40; session += 1) await take(second);
  expect(used).toEqual([...new Set(used)].sort((one, other) => one - other));
});

test('a torn tail is cut off, said, and written over', async () => {
  const disk = testDisk();
  const first = await open(disk);
  await first.accept(identityCommand(), 'h1');
  const whole = disk.files.get(JOURNAL_FILE) ?? new Uint8Array();
  for (const length of [1, 9, 40]) {
    disk.files.set(JOURNAL_FILE, Buffer.concat([whole, whole.slice(0, length)]));
    const opened = await openJournal(disk, EARLY);
    if (!opened.ok) throw new Error('not opened');
    expect(opened.value.damage).toEqual({ kind: 'torn-tail', offsetBytes: whole.length });
    await opened.value.journal.settle(identityCommand().commandId, 'h1', OUTCOME);
    expect((await open(disk)).find(identityCommand().commandId)?.state).toBe('settled');
  }
});

test('[C14] a record of a later release is passed over, at the end or in the middle', async () => {
  const disk = testDisk();
  const first = await open(disk);
  await first.accept(identityCommand(), 'h1');
  disk.files.set(JOURNAL_FILE, Buffer.concat([disk.files.get(JOURNAL_FILE) ?? Buffer.alloc(0), LATER]));
  expect(await openJournal(disk, EARLY)).toMatchObject({ ok: true, value: { damage: null, foreign: 1 } });
  const second = await open(disk);
  await second.settle(identityCommand().commandId, 'h1', OUTCOME);
  expect(await openJournal(disk, EARLY)).toMatchObject({ ok: true, value: { damage: null, foreign: 1 } });
  expect((await open(disk)).find(identityCommand().commandId)?.state).toBe('settled');
});

test('[C14] a record of a later release is whole: what is torn behind it is cut, what rotted before it is refused', async () => {
  const disk = testDisk();
  await (await open(disk)).accept(identityCommand(), 'h1');
  const known = Buffer.from(disk.files.get(JOURNAL_FILE) ?? []);
  const torn = known.subarray(0, 40);
  const rotten = Buffer.from(known);
  rotten[30] = 0x21;
  const reading = async (...parts: Buffer[]) => {
    disk.files.set(JOURNAL_FILE, Buffer.concat(parts));
    return openJournal(disk, EARLY);
  };
  const cut = { kind: 'torn-tail', offsetBytes: known.length + LATER.length };
  expect(await reading(known, LATER, torn)).toMatchObject({ ok: true, value: { damage: cut, foreign: 1 } });
  expect(await reading(known, rotten, LATER)).toMatchObject({ ok: false, error: { code: 'corrupt', line: 2 } });
  // Of a form that is not known, and with a sum that is wrong.
  const tail = Buffer.from(LATER.toString().replace('later', 'lated'));
  const damage = { kind: 'torn-tail', offsetBytes: known.length };
  expect(await reading(known, tail)).toMatchObject({ ok: true, value: { damage, foreign: 0 } });
});

test('a record that rotted in the middle is refused by line, and given up only when asked', async () => {
  const disk = testDisk();
  const first = await open(disk);
  await first.raiseGeneration(CLUSTER, 4);
  await first.accept(identityCommand(), 'h1');
  await first.settle(identityCommand().commandId, 'h1', OUTCOME);
  const bytes = Buffer.from(disk.files.get(JOURNAL_FILE) ?? []);
  bytes[bytes.indexOf(10) + 30] = 0x21;
  disk.files.set(JOURNAL_FILE, bytes);
  expect(await openJournal(disk, EARLY)).toMatchObject({ ok: false, error: { code: 'corrupt', line: 2 } });
  const salvaged = await open(disk, EARLY, true);
  expect(salvaged.generationOf(CLUSTER)).toBe(4);
  expect(salvaged.find(identityCommand().commandId)?.state).toBe('settled');
  expect((await open(disk)).generationOf(CLUSTER)).toBe(4);
});

test('a full disk is told with each write, changes nothing, and is got over without a restart', async () => {
  const disk = testDisk();
  const journal = await open(disk);
  await journal.accept(identityCommand(), 'h1');
  disk.fail = FULL;
  expect(await journal.accept(identityCommand({ attempt: 2 }), 'h2')).toMatchObject({
    ok: false,
    error: { code: 'full' },
  });
  expect(journal.find(identityCommand({ attempt: 2 }).commandId)).toBeUndefined();
  disk.fail = null;
  expect(await journal.accept(identityCommand({ attempt: 3 }), 'h3')).toEqual({ ok: true, value: null });
  expect((await open(disk)).unsettled().map(({ bodyHash }) => bodyHash)).toEqual(['h1', 'h3']);
});

test('[C4] on a disk that its own past fills, settled outcomes go and work goes on', async () => {
  const disk = testDisk();
  const roomBytes = 60_000;
  const full = { ok: false, error: { code: 'full', detail: 'ENOSPC' } } as const;
  const sizeOf = (): number => disk.files.get(JOURNAL_FILE)?.length ?? 0;
  const small: TestDisk = {
    ...disk,
    append: async (name, bytes) => (sizeOf() + bytes.length > roomBytes ? full : disk.append(name, bytes)),
    // The copy stands beside the file until it takes its place.
    replace: async (name, bytes) => (sizeOf() + bytes.length > 2 * roomBytes ? full : disk.replace(name, bytes)),
  };
  let now = 1_000;
  const opened = await openJournal(
    small,
    clockAt(() => now),
  );
  if (!opened.ok) throw new Error('not opened');
  const { journal } = opened.value;
  await journal.accept(identityCommand({ attempt: 999 }), 'waiting');
  const long: CommandOutcome = { ok: false, error: { code: 'NO_QUORUM', detail: 'x'.repeat(2_000) } };
  for (let attempt = 0; attempt < 200; attempt += 1) {
    now += 60_000;
    expect(await journal.settle(identityCommand({ attempt }).commandId, 'h', long)).toMatchObject({ ok: true });
  }
  expect((await open(disk)).unsettled().map(({ bodyHash }) => bodyHash)).toEqual(['waiting']);
});

test('[C4] a disk that is full and gives no room makes nothing forgotten: what the file has is told', async () => {
  const disk = testDisk();
  let now = 1_000;
  const journal = await open(
    disk,
    clockAt(() => now),
  );
  const { commandId } = identityCommand();
  await journal.settle(commandId, 'h', OUTCOME);
  now += 3_600_000;
  disk.fail = FULL;
  expect(await journal.accept(identityCommand({ attempt: 2 }), 'h')).toMatchObject({ ok: false });
  expect(journal.find(commandId)).toMatchObject({ state: 'settled', outcome: OUTCOME });
});

test('[C4] a wall clock that jumps makes no outcome old on a full disk', async () => {
  const disk = testDisk();
  const { clock, setClock, advance } = testPorts();
  const fullOnce: TestDisk = {
    ...disk,
    append: async (name, bytes) => {
      const failing = disk.fail;
      disk.fail = null;
      return failing === null ? disk.append(name, bytes) : err(failing.failure);
    },
  };
  const journal = await open(fullOnce, clock);
  const { commandId } = identityCommand();
  await journal.settle(commandId, 'h', OUTCOME);
  setClock(24 * 3_600_000);
  disk.fail = FULL;
  await journal.accept(identityCommand({ attempt: 2 }), 'h');
  expect(journal.find(commandId)).toMatchObject({ state: 'settled' });
  await advance(3_600_000);
  disk.fail = FULL;
  expect(await journal.accept(identityCommand({ attempt: 3 }), 'h')).toEqual(ok(null));
  expect(journal.find(commandId)).toBeUndefined();
});

test('records that come together share one flush', async () => {
  const disk = testDisk();
  const journal = await open(disk);
  const commands = Array.from({ length: 100 }, (_, attempt) => identityCommand({ attempt }));
  await Promise.all(commands.map((command) => journal.accept(command, 'h')));
  expect(disk.appends).toBeLessThanOrEqual(2);
  expect(journal.unsettled()).toHaveLength(100);
});

/** About 1.2 MB of records that nobody needs any more. */
async function writeDeadWeight(journal: Journal): Promise<void> {
  const { commandId } = identityCommand();
  await Promise.all(Array.from({ length: 600 }, () => journal.intend(commandId, 'x'.repeat(2_000))));
}
const MIB = 1_048_576;

test('the file stays bounded however often the relay starts', async () => {
  const disk = testDisk();
  for (let start = 0; start < 12; start += 1) await writeDeadWeight(await open(disk));
  expect(disk.files.get(JOURNAL_FILE)?.length).toBeLessThan(6 * MIB);
});

test('a rewrite for which there was no room is tried again before the file has doubled', async () => {
  const disk = testDisk();
  let refusals = 2;
  const tight: TestDisk = {
    ...disk,
    replace: async (name, bytes) => (refusals-- > 0 ? err(FULL.failure) : disk.replace(name, bytes)),
  };
  const journal = await open(tight);
  for (let megabytes = 0; megabytes < 13.5; megabytes += 1.2) await writeDeadWeight(journal);
  expect(refusals).toBeLessThan(0);
  expect(disk.files.get(JOURNAL_FILE)?.length).toBeLessThan(3 * MIB);
});

test('settled commands are forgotten after a week, and the file stays bounded', async () => {
  const disk = testDisk();
  let now = 1_000;
  const opened = await openJournal(
    disk,
    clockAt(() => now),
  );
  if (!opened.ok) throw new Error('not opened');
  const { journal } = opened.value;
  const long: CommandOutcome = { ok: false, error: { code: 'NO_QUORUM', detail: 'x'.repeat(2_000) } };
  for (let batch = 0; batch < 120; batch += 1) {
    now += SETTLED_COMMAND_KEPT_MS / 10;
    const commands = Array.from({ length: 100 }, (_, at) => identityCommand({ attempt: batch * 100 + at }));
    await Promise.all(commands.map(({ commandId }) => journal.settle(commandId, 'h', long)));
  }
  expect(disk.files.get(JOURNAL_FILE)?.length).toBeLessThan(9 * 1_048_576);
  expect(journal.find(identityCommand({ attempt: 0 }).commandId)).toBeUndefined();
  expect(journal.find(identityCommand({ attempt: 11_999 }).commandId)?.state).toBe('settled');
});
