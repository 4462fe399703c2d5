// One turn of a process on the state folder: it has the lock, serves, and gives the lock back when it ends or another program is
// to run.
import type { Log } from './log.ts';
import type { Disk, Ports } from './ports.ts';
import { chooseProgram } from './program/choose-program.ts';
import type { Former } from './program/former-talk.ts';
import { gateDisk } from './program/gated-disk.ts';
import { createJoinCounters, type JoinCounters } from './program/join-counters.ts';
import { openProgramBook, type ProgramBook, type StoredProgram } from './program/program-book.ts';
import { createProgramExchange, type HandOver, type ProgramExchange } from './program/program-exchange.ts';
import type { ProgramHost } from './program/program-host.ts';
import type { UpgradeWaits } from './program/upgrade-waits.ts';
import type { RelayState, StartFailure } from './state-folder.ts';

/** Of the two minutes in which it must be heard. */
const HEARTBEATS_IN_TIME = 4;

export type Asked = { readonly signal: Promise<string>; readonly isAsked: () => boolean };

export type ServiceParts = {
  readonly host: ProgramHost;
  /** The process that watches this one; null: none does. */
  readonly former: Former | null;
  readonly disk: Disk;
  readonly ports: Ports;
  readonly waits: UpgradeWaits;
  readonly log: Log;
  readonly asked: Asked;
};

/** With all of them the lock is free again. */
export type TurnEnd =
  | { readonly kind: 'ended' }
  | ({ readonly kind: 'cannot-start' } & StartFailure)
  /** What this process had begun did not end: it may serve again only as a new one. */
  | { readonly kind: 'begin-anew' }
  | { readonly kind: 'become'; readonly program: StoredProgram }
  | { readonly kind: 'handed-over'; readonly order: HandOver; readonly book: ProgramBook };

export async function serveOnce(parts: ServiceParts): Promise<TurnEnd> {
  const unlock = parts.host.lock();
  if (unlock === null)
    return {
      kind: 'cannot-start',
      detail: `${parts.host.folder} is in use by another process`,
      todo: 'stop the other slipway-relay first',
    };
  try {
    const book = await openProgramBook(parts.disk);
    if (!book.ok)
      return { kind: 'cannot-start', detail: book.error.detail, todo: 'check the disk of the state folder' };
    return (await otherProgram(parts, book.value)) ?? (await serve(parts, book.value));
  } finally {
    unlock();
  }
}

/** The accepted program, when this is the installed one; null: this one serves. */
async function otherProgram({ former, host, log }: ServiceParts, book: ProgramBook): Promise<TurnEnd | null> {
  if (former !== null || host.isStored()) return null;
  const program = await chooseProgram(host, book, host.store, log);
  if (program === null) return null;
  const { version, starts } = program;
  // Not counted on a full disk, and started all the same: it was good before.
  const counted = await book.count(version, starts + 1);
  if (!counted.ok) log.warn('program-not-written', { detail: counted.error.detail });
  log.info('program-started', { version, installed: host.version });
  return { kind: 'become', program };
}

async function serve(parts: ServiceParts, book: ProgramBook): Promise<TurnEnd> {
  const { host, former, ports, waits, log, asked } = parts;
  const disk = gateDisk(parts.disk);
  const state = await host.open(disk);
  if (!state.ok) return { kind: 'cannot-start', ...state.error };
  const counters = createJoinCounters(state.value.journal.nextJoinCounter);
  const { order, exchange } = makeExchange(parts, book, state.value, counters);
  const everyMs = Math.ceil(waits.heartbeatMs / HEARTBEATS_IN_TIME);
  const heartbeat = { everyMs, heard: () => former?.say({ kind: 'heartbeat' }) };
  const relay = await host.serve({
    exchange,
    state: { ...state.value, journal: { ...state.value.journal, nextJoinCounter: counters.next } },
    hooks: { sessionParts: [counters.part], ...(former === null ? {} : { heartbeat }) },
  });
  if (!relay.ok) return { kind: 'cannot-start', ...relay.error };
  const isStarted = countAsStarted(host, book);
  const cancel = ports.timers.after(waits.startedMs, isStarted);
  const given = await Promise.race([asked.signal, order]);
  cancel();
  if (typeof given === 'string') log.info('relay-ends', { signal: given });
  else log.info('program-hand-over', { version: given.program.version });
  const isThrough = await relay.value.stop();
  await disk.close();
  if (typeof given === 'string') {
    isStarted();
    return { kind: 'ended' };
  }
  return (await notGiven(given, isThrough, parts)) ?? { kind: 'handed-over', order: given, book };
}

/** Null when the successor may have the folder; it has ended otherwise. */
async function notGiven(
  { program, successor }: HandOver,
  isThrough: boolean,
  { asked, log }: ServiceParts,
): Promise<TurnEnd | null> {
  if (isThrough && !asked.isAsked()) return null;
  successor.signal('SIGKILL');
  await successor.ended;
  if (asked.isAsked()) return { kind: 'ended' };
  log.error('program-not-handed-over', { version: program.version, todo: 'none: it is tried again' });
  return { kind: 'begin-anew' };
}

function makeExchange(
  { host, former, ports, waits, log }: ServiceParts,
  book: ProgramBook,
  { identity }: RelayState,
  counters: JoinCounters,
): { readonly order: Promise<HandOver>; readonly exchange: ProgramExchange } {
  let handOver = (_order: HandOver): void => {};
  const order = new Promise<HandOver>((resolve) => {
    handOver = resolve;
  });
  const { version, platform, store, fetchProgram, start, verify } = host;
  const exchange = createProgramExchange({
    ...{ version, platform, store, fetchProgram, start, verify, book, log, handOver },
    releaseKey: host.releaseKey ?? identity.releaseKey ?? null,
    isWatched: former !== null,
    origin: identity.origin,
    trial: { counters, timers: ports.timers, trialMs: waits.trialMs },
  });
  return { order, exchange };
}

/** An accepted program says that it got on, once; what runs otherwise has nothing to say. */
function countAsStarted({ version }: ProgramHost, book: ProgramBook): () => void {
  return () => {
    const own = book.accepted().find((one) => one.version === version);
    // Not written: it counts as not got on, and the next start says so again.
    if (own !== undefined && own.starts > 0) void book.count(version, 0);
  };
}
