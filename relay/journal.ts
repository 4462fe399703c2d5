// What this relay has accepted, begun and settled, so that a restart neither forgets nor repeats (C4), and what only rises:
// generations (G1) and join counters (T3). It makes a repeat cheap; what makes it safe is that handlers look first.
import type { Command, CommandId, CommandOutcome } from '../shared/command.ts';
import type { ClusterId, EpochMs } from '../shared/ids.ts';
import { SETTLED_COMMAND_KEPT_MS } from '../shared/limits.ts';
import { err, ok, type Result } from '../shared/result.ts';
import { createGenerations } from './generations.ts';
import { decodeJournal, encodeRecord, type JournalDamage, type JournalRecord } from './journal-record.ts';
import type { Clock, Disk, DiskFailure } from './ports.ts';

export const JOURNAL_FILE = 'journal.log';
/** 1,000 unsettled commands of at most some 100 KB each, and the settled ones of a week. More is refused, not written. */
const JOURNAL_BYTES_MAX = 256 * 1_048_576;
/** Below this a rewrite is not worth it. */
const COMPACT_BYTES_MIN = 4 * 1_048_576;
/**
 * Outcomes kept on a full disk: longer than any is told again while a relay is connected, so that what was told stays as it was.
 * Counted from when this process knew of them, since a wall clock may jump.
 */
const KEPT_ON_FULL_DISK_MS = 10 * 60_000;
/** Settled outcomes kept: a week of a busy gateway. The oldest go first. */
const SETTLED_MAX = 20_000;
/** Sessions between two writes of the join counter, so that a full disk does not keep the tunnel closed. */
const JOIN_COUNTERS_RESERVED = 32;

export type JournalEntry =
  | { readonly state: 'accepted'; readonly bodyHash: string; readonly command: Command; readonly begun: boolean }
  | Settled;
type Settled = {
  readonly state: 'settled';
  readonly bodyHash: string;
  readonly outcome: CommandOutcome;
  readonly at: EpochMs;
  /** Since when this process knows it, by its monotonic clock. */
  readonly knownSinceMs: number;
};

/** `too-large`: so much is unsettled that the journal would outgrow its bound. */
export type JournalFailure = DiskFailure | { readonly code: 'too-large'; readonly detail: string };
export type OpenFailure = DiskFailure | { readonly code: 'corrupt'; readonly line: number; readonly detail: string };
type Kept = Promise<Result<null, JournalFailure>>;

export type Journal = {
  readonly find: (commandId: CommandId) => JournalEntry | undefined;
  readonly unsettled: () => Extract<JournalEntry, { state: 'accepted' }>[];
  /** The highest generation seen of the cluster; -1 when none. */
  readonly generationOf: (clusterId: ClusterId) => number;
  /** Raises the generation as well. */
  readonly accept: (command: Command, bodyHash: string) => Kept;
  readonly intend: (commandId: CommandId, intent: string) => Kept;
  readonly settle: (commandId: CommandId, bodyHash: string, outcome: CommandOutcome) => Kept;
  readonly drop: (commandId: CommandId) => Kept;
  /** No lower one counts from now on, also while this is being written. */
  readonly raiseGeneration: (clusterId: ClusterId, generation: number) => Kept;
  /** A number higher than any before. */
  readonly nextJoinCounter: () => Promise<Result<number, JournalFailure>>;
};

export type OpenJournal = {
  readonly journal: Journal;
  readonly damage: JournalDamage | null;
  /** Records of a later release, passed over (C14). */
  readonly foreign: number;
};

/**
 * Reads the journal, cutting a torn tail. `corrupt`: a record in the middle is bad; with `salvage` the readable ones are
 * kept and the rest is given up, which costs at most work done twice.
 */
export async function openJournal(
  disk: Disk,
  clock: Clock,
  options: { readonly salvage: boolean } = { salvage: false },
): Promise<Result<OpenJournal, OpenFailure>> {
  const bytes = await disk.read(JOURNAL_FILE);
  if (!bytes.ok) return bytes;
  const { records, foreign, damage } = decodeJournal(bytes.value ?? new Uint8Array());
  if (damage?.kind === 'corrupt' && !options.salvage) {
    const detail = `${JOURNAL_FILE} is damaged at line ${damage.line}, byte ${damage.offsetBytes}`;
    return err({ code: 'corrupt', line: damage.line, detail });
  }
  const memory = createMemory(clock);
  for (const record of records) memory.apply(record);
  const whole = damage?.offsetBytes ?? bytes.value?.byteLength ?? 0;
  const file = createFile(disk, memory, clock, whole);
  const mended = damage === null ? ok(null) : damage.kind === 'corrupt' ? await file.compact() : await file.mend();
  return mended.ok ? ok({ journal: journalOf(memory, file, clock.now), damage, foreign }) : mended;
}

function journalOf(memory: Memory, file: JournalFile, now: () => EpochMs): Journal {
  let joinCounter = memory.joinReserved();
  return {
    find: memory.find,
    unsettled: memory.unsettled,
    generationOf: memory.generationOf,
    accept: (command, bodyHash) => {
      if (command.clusterId !== null) memory.raise(command.clusterId, command.generation);
      return file.write({ kind: 'accepted', command, bodyHash, at: now() });
    },
    intend: (commandId, intent) => file.write({ kind: 'intent', commandId, intent, at: now() }),
    settle: (commandId, bodyHash, outcome) => file.write({ kind: 'settled', commandId, bodyHash, outcome, at: now() }),
    drop: (commandId) => file.write({ kind: 'dropped', commandId, at: now() }),
    raiseGeneration: (clusterId, generation) => {
      memory.raise(clusterId, generation);
      return file.write({ kind: 'generation', clusterId, generation });
    },
    nextJoinCounter: async () => {
      if (joinCounter + 1 >= memory.joinReserved()) {
        const reservedBelow = joinCounter + 1 + JOIN_COUNTERS_RESERVED;
        const written = await file.write({ kind: 'join', reservedBelow });
        if (!written.ok) return written;
      }
      joinCounter += 1;
      return ok(joinCounter);
    },
  };
}

type Memory = ReturnType<typeof createMemory>;

/** What the records say, folded. */
function createMemory(clock: Clock) {
  const entries = new Map<CommandId, JournalEntry>();
  const generations = createGenerations();
  let settledCount = 0;
  let reservedBelow = 0;

  const remove = (commandId: CommandId): void => {
    if (entries.get(commandId)?.state === 'settled') settledCount -= 1;
    entries.delete(commandId);
  };
  const apply = (record: JournalRecord): void => {
    switch (record.kind) {
      case 'accepted': {
        const { command, bodyHash } = record;
        remove(command.commandId);
        entries.set(command.commandId, { state: 'accepted', command, bodyHash, begun: false });
        // One record says both: nothing is accepted under a generation that a restart would forget.
        if (command.clusterId !== null) generations.raise(command.clusterId, command.generation);
        break;
      }
      case 'intent': {
        const entry = entries.get(record.commandId);
        if (entry?.state === 'accepted') entries.set(record.commandId, { ...entry, begun: true });
        break;
      }
      case 'settled': {
        const { commandId, bodyHash, outcome, at } = record;
        remove(commandId);
        entries.set(commandId, { state: 'settled', bodyHash, outcome, at, knownSinceMs: clock.monotonicMs() });
        settledCount += 1;
        break;
      }
      case 'dropped':
        if (entries.get(record.commandId)?.state === 'accepted') remove(record.commandId);
        break;
      case 'generation':
        generations.raise(record.clusterId, record.generation);
        break;
      case 'join':
        reservedBelow = Math.max(reservedBelow, record.reservedBelow);
        break;
    }
  };
  const oldOnes = (isOld: (entry: Settled) => boolean): Set<CommandId> => {
    let tooMany = settledCount - SETTLED_MAX;
    const old = new Set<CommandId>();
    for (const [commandId, entry] of entries) {
      if (entry.state !== 'settled' || (tooMany <= 0 && !isOld(entry))) continue;
      old.add(commandId);
      tooMany -= 1;
    }
    return old;
  };
  /** The fewest records that say the same. */
  const recordsWithout = (old: ReadonlySet<CommandId>): JournalRecord[] => [
    { kind: 'join', reservedBelow },
    ...Array.from(
      generations.all(),
      ([clusterId, generation]) => ({ kind: 'generation', clusterId, generation }) as const,
    ),
    ...Array.from(entries).flatMap(([commandId, entry]) => (old.has(commandId) ? [] : recordsOf(commandId, entry))),
  ];
  return {
    apply,
    raise: generations.raise,
    oldOnes,
    recordsWithout,
    forget: (old: ReadonlySet<CommandId>) => old.forEach(remove),
    find: (commandId: CommandId) => entries.get(commandId),
    unsettled: () => [...entries.values()].filter((entry) => entry.state === 'accepted'),
    generationOf: generations.of,
    joinReserved: () => reservedBelow,
    holdsSettled: () => settledCount > 0,
  };
}

function recordsOf(commandId: CommandId, entry: JournalEntry): JournalRecord[] {
  if (entry.state === 'settled') {
    const { bodyHash, outcome, at } = entry;
    return [{ kind: 'settled', commandId, bodyHash, outcome, at }];
  }
  const { command, bodyHash, begun } = entry;
  const accepted = { kind: 'accepted', command, bodyHash, at: 0 } as const;
  return begun ? [accepted, { kind: 'intent', commandId, intent: 'before compaction', at: 0 }] : [accepted];
}

type JournalFile = ReturnType<typeof createFile>;
type Waiting = { readonly record: JournalRecord; readonly done: (result: Result<null, JournalFailure>) => void };

/** The file's end. Records that come while one write is under way go into the next together: one flush for all. */
function createFile(disk: Disk, memory: Memory, clock: Clock, wholeBytes: number) {
  const isOverAWeekOld = ({ at }: Settled): boolean => at < clock.now() - SETTLED_COMMAND_KEPT_MS;
  const bytesWithout = (old: ReadonlySet<CommandId>) => Buffer.concat(memory.recordsWithout(old).map(encodeRecord));
  const twice = (bytes: number): number => Math.max(COMPACT_BYTES_MIN, 2 * bytes);
  let length = wholeBytes;
  // By what is needed, not by what a former process left: else a relay that starts often never makes its file smaller.
  let compactAbove = twice(bytesWithout(memory.oldOnes(isOverAWeekOld)).byteLength);
  let ragged = false;
  let waiting: Waiting[] = [];
  let writing = false;

  const mend = async (): Promise<Result<null, DiskFailure>> => {
    const cut = await disk.truncate(JOURNAL_FILE, length);
    ragged = !cut.ok;
    return cut;
  };
  const compact = async (isOld = isOverAWeekOld): Promise<Result<null, DiskFailure>> => {
    const old = memory.oldOnes(isOld);
    const bytes = bytesWithout(old);
    const replaced = await disk.replace(JOURNAL_FILE, bytes);
    if (replaced.ok) {
      // Not before: while the file has an outcome, it is what is told.
      memory.forget(old);
      length = bytes.byteLength;
      ragged = false;
    }
    // A disk that had no room for the copy may have it soon: the longer the file, the less likely.
    compactAbove = replaced.ok ? twice(length) : length + COMPACT_BYTES_MIN;
    return replaced;
  };
  /** Old outcomes only save work: a command that comes again looks before it acts (C4). On a full disk they go. */
  const makeRoom = async (): Promise<boolean> => {
    const before = length;
    if (!memory.holdsSettled()) return false;
    const knownBefore = clock.monotonicMs() - KEPT_ON_FULL_DISK_MS;
    return (await compact(({ knownSinceMs }) => knownSinceMs < knownBefore)).ok && length < before;
  };
  const append = async (bytes: Uint8Array): Promise<Result<null, JournalFailure>> => {
    if (length + bytes.byteLength > JOURNAL_BYTES_MAX) {
      await compact();
      if (length + bytes.byteLength > JOURNAL_BYTES_MAX)
        return err({ code: 'too-large', detail: `${JOURNAL_FILE} holds too many unsettled commands` });
    }
    if (ragged) {
      const cut = await mend();
      if (!cut.ok) return cut;
    }
    let appended = await disk.append(JOURNAL_FILE, bytes);
    if (!appended.ok) {
      // A part may have been written: cut now if the disk lets us, else before the next write.
      await mend();
      if (appended.error.code === 'full' && (await makeRoom())) appended = await disk.append(JOURNAL_FILE, bytes);
      if (!appended.ok) await mend();
    }
    if (appended.ok) length += bytes.byteLength;
    return appended;
  };
  const writeAll = async (): Promise<void> => {
    writing = true;
    while (waiting.length > 0) {
      const batch = waiting;
      waiting = [];
      const result = await append(Buffer.concat(batch.map(({ record }) => encodeRecord(record))));
      if (result.ok) for (const { record } of batch) memory.apply(record);
      for (const { done } of batch) done(result);
      if (length > compactAbove) await compact();
    }
    writing = false;
  };
  const write = (record: JournalRecord): Kept =>
    new Promise((resolve) => {
      waiting.push({ record, done: resolve });
      if (!writing) void writeAll();
    });
  return { write, compact, mend };
}
