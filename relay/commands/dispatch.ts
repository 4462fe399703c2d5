// What comes down the tunnel is judged here: known, fenced, superseded, too late, or to be run (C2–C8, G1, G2). Running is
// in run-command.ts. Receipts go out only when the journal holds the commands.
import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { Command, CommandId, CommandOutcome, Verb } from '../../shared/command.ts';
import { isMutation } from '../../shared/command.ts';
import { GATEWAY_QUEUE_MAX } from '../../shared/limits.ts';
import { ok } from '../../shared/result.ts';
import { PROTOCOL_VERSION, type RelayFrame } from '../../shared/tunnel-frame.ts';
import type { Identity } from '../identity.ts';
import type { Journal } from '../journal.ts';
import type { Log } from '../log.ts';
import { type Ports, sleep } from '../ports.ts';
import type { Outbox } from '../tunnel/outbox.ts';
import { createLanes } from './lanes.ts';
import { RELAY_ENDS } from './late-requests.ts';
import { failed, staleness, storageFailure, unknownCommand } from './refusals.ts';
import type { Run, RunCommand } from './run-command.ts';

/** Several times the four calls MAAS takes: commands mostly wait, and a waiting one costs little. */
const COMMANDS_AT_ONCE_MAX = 32;
const JOURNAL_AGAIN_MS = 5_000;
/** One MAAS call: what has begun is let finish. */
const DRAIN_MS_MAX = 35_000;

export type Dispatch = {
  /** Takes commands of a verified frame. `send` gives the receipt. Never rejects. */
  readonly deliver: (commands: readonly Command[], send: (frame: RelayFrame) => void) => Promise<void>;
  /** C14: commands of a later release, which nobody here can carry out. */
  readonly refuse: (commandIds: readonly CommandId[], send: (frame: RelayFrame) => void) => void;
  /** T5: what the gateway does not hold any more is over. */
  readonly keepOnly: (outstanding: readonly CommandId[]) => void;
  readonly withdraw: (commandIds: readonly CommandId[]) => void;
  /** After a start: carries on what was accepted and not settled, tunnel or not. */
  readonly resume: () => void;
  /** Lets running commands get to a safe point; true when all did in time. */
  readonly drain: () => Promise<boolean>;
};

export type DispatchParts = {
  readonly identity: Pick<Identity, 'gatewayId' | 'scope'>;
  readonly journal: Journal;
  readonly outbox: Outbox;
  readonly run: RunCommand;
  /** The lease's epoch now. */
  readonly epoch: () => number | null;
  readonly ports: Ports;
  readonly log: Log;
};

type Taken = { readonly command: Command; readonly bodyHash: string };
type Running = Run & {
  readonly bodyHash: string;
  readonly abort: AbortController;
  /** It was stopped, and came again while it was still ending (the lead went and came back). */
  again: boolean;
};

export function createDispatch(parts: DispatchParts): Dispatch {
  const { journal, ports, log } = parts;
  const running = new Map<CommandId, Running>();
  /** Being written down; who is stopped meanwhile leaves it, and is not begun. */
  const taking = new Set<CommandId>();
  const lanes = createLanes(COMMANDS_AT_ONCE_MAX);
  let draining = false;

  const start = ({ command, bodyHash }: Taken, begun: boolean): void => {
    const abort = new AbortController();
    const run: Running = { command, begun, bodyHash, abort, signal: abort.signal, again: false };
    running.set(command.commandId, run);
    const work = async (): Promise<void> => {
      const end = await runToEnd(parts, run, () => draining);
      const isTaken = end === 'stopped' && run.again && (await accept(parts, run));
      running.delete(command.commandId);
      if (isTaken && run.again && !draining) start(run, begun);
      else if (isTaken && !draining) await leave(parts, command);
    };
    // What stands for hours must not keep others of its subject waiting, nor hold a place.
    if (STANDING.has(command.body.verb)) void work();
    else lanes.run(laneOf(command), work);
  };
  const stop = (commandId: CommandId, why: string): void => {
    const run = running.get(commandId);
    taking.delete(commandId);
    if (run !== undefined) run.again = false;
    if (run === undefined || run.signal.aborted) return;
    log.info('command-stopped', { commandId, why });
    run.abort.abort(why);
  };

  return {
    deliver: async (commands, send) => {
      ports.reach('after-receive');
      const fresh = newOf(parts, running, commands);
      for (const { command } of fresh) taking.add(command.commandId);
      const kept = await Promise.all(fresh.map((taken) => accept(parts, taken)));
      ports.reach('after-journal-accept');
      send({ v: PROTOCOL_VERSION, type: 'receipt', commandIds: commands.map(({ commandId }) => commandId) });
      ports.reach('after-receipt');
      for (const [at, taken] of fresh.entries()) {
        const { commandId } = taken.command;
        const stands = taking.delete(commandId);
        if (!kept[at] || draining || running.has(commandId)) continue;
        if (!stands) {
          void leave(parts, taken.command);
          continue;
        }
        for (const older of olderThan(running, taken.command)) stop(older, 'superseded');
        start(taken, false);
      }
    },
    refuse: (commandIds, send) => refuse(parts, commandIds, send),
    keepOnly: (outstanding) => {
      const held = new Set(outstanding);
      for (const commandId of [...running.keys(), ...taking])
        if (!held.has(commandId)) stop(commandId, 'not held by the gateway');
    },
    withdraw: (commandIds) => {
      for (const commandId of commandIds) stop(commandId, 'withdrawn');
    },
    resume: () => {
      const unsettled = journal.unsettled();
      if (unsettled.length > 0) log.info('commands-resumed', { count: unsettled.length });
      for (const { command, bodyHash, begun } of unsettled) start({ command, bodyHash }, begun);
    },
    drain: async () => {
      draining = true;
      for (const { abort } of running.values()) abort.abort(RELAY_ENDS);
      for (let waited = 0; running.size > 0 && waited < DRAIN_MS_MAX; waited += 50) await sleep(ports.timers, 50);
      return running.size === 0;
    },
  };
}

function refuse(
  { outbox, log }: DispatchParts,
  commandIds: readonly CommandId[],
  send: (frame: RelayFrame) => void,
): void {
  send({ v: PROTOCOL_VERSION, type: 'receipt', commandIds: [...commandIds] });
  for (const commandId of commandIds) {
    log.warn('command-unknown', { commandId, todo: 'upgrade the gateway' });
    outbox.report(commandId, unknownCommand(commandId), null);
  }
}

const STANDING: ReadonlySet<Verb> = new Set<Verb>(['observe-cluster', 'ensure-bootstrap']);

/** Those that are to be begun; the others are answered, or on their way. */
function newOf(
  parts: DispatchParts,
  running: ReadonlyMap<CommandId, Running>,
  commands: readonly Command[],
): readonly Taken[] {
  const fresh: Taken[] = [];
  for (const command of commands) {
    const taken = { command, bodyHash: hashOf(command) };
    const answer = judge(parts, running, taken);
    const stopping = running.get(command.commandId);
    if (answer === 'again' && stopping !== undefined) stopping.again = true;
    else if (answer === 'run' && !fresh.some((other) => other.command.commandId === command.commandId))
      fresh.push(taken);
    else if (typeof answer === 'object') report(parts, command, answer);
  }
  return fresh;
}

/** What to do with a command that came: run it, now or when it has stopped, give this outcome, or nothing since it is on its way. */
function judge(
  { identity, journal, outbox, ports }: DispatchParts,
  running: ReadonlyMap<CommandId, Running>,
  { command, bodyHash }: Taken,
): CommandOutcome | 'run' | 'again' | 'nothing' {
  const { scope } = identity;
  const isOurs = command.gatewayId === identity.gatewayId && isDeepStrictEqual(command.scope, scope);
  if (!isOurs) return failed({ code: 'SITE_FORBIDS', detail: 'the command is for another gateway or tenant' });
  const known = running.get(command.commandId) ?? journal.find(command.commandId);
  if (known !== undefined && known.bodyHash !== bodyHash)
    return failed({ code: 'CONFIGURATION_CHANGED', detail: 'this id came before with another content' });
  const run = running.get(command.commandId);
  if (run !== undefined) return run.signal.aborted && !newerThan(running, command) ? 'again' : 'nothing';
  if (known !== undefined && 'state' in known && known.state === 'settled') return known.outcome;
  // Refused before it was written down, by a clock that was wrong or a disk that was full: one id has one outcome, and it is told.
  if (outbox.tells(command.commandId)) return 'nothing';
  const stale = staleness(journal, command);
  if (stale !== null) return failed(stale);
  if (ports.clock.now() >= command.deadlineAt && !(known !== undefined && 'begun' in known && known.begun))
    return failed({ code: 'DEADLINE_PASSED', detail: 'the command came after its deadline' });
  if (running.size >= GATEWAY_QUEUE_MAX)
    return failed({ code: 'RELAY_STORAGE', detail: `${GATEWAY_QUEUE_MAX} commands are unfinished here` });
  // C5: a newer one is at work. The gateway has superseded this one, or is about to.
  return newerThan(running, command) ? 'nothing' : 'run';
}

/** False when the journal can't be written: the command is answered so, and not run. */
async function accept({ journal, outbox, log }: DispatchParts, { command, bodyHash }: Taken): Promise<boolean> {
  const { clusterId, generation, commandId } = command;
  const raises = clusterId !== null && generation > journal.generationOf(clusterId);
  const isJournalled = command.body.verb.startsWith('ensure-') && journal.find(commandId) === undefined;
  let written: Awaited<ReturnType<Journal['accept']>> = ok(null);
  if (isJournalled) written = await journal.accept(command, bodyHash);
  else if (raises) written = await journal.raiseGeneration(clusterId, generation);
  if (!written.ok) {
    log.error('command-refused', { commandId, detail: written.error.detail, todo: 'free room in the state folder' });
    outbox.report(commandId, failed(storageFailure(written.error)), null);
    return false;
  }
  log.info('command-accepted', { commandId, generation });
  return true;
}

/** It was withdrawn while it was written down. */
async function leave({ journal, log }: DispatchParts, { commandId }: Command): Promise<void> {
  log.info('command-stopped', { commandId, why: 'withdrawn before it began' });
  if (journal.find(commandId) !== undefined) await journal.drop(commandId);
}

async function runToEnd(
  parts: DispatchParts,
  run: Run & { bodyHash: string },
  isDraining: () => boolean,
): Promise<'stopped' | 'over'> {
  const { journal, ports, log } = parts;
  const { commandId, body } = run.command;
  const outcome = await parts.run(run);
  const isJournalled = body.verb.startsWith('ensure-');
  if (outcome === 'stopped') {
    // What the end of the process stopped is carried on by the next one.
    if (isJournalled && !isDraining()) await journal.drop(commandId);
    return 'stopped';
  }
  log.info('command-settled', { commandId, ok: outcome.ok, code: outcome.ok ? null : outcome.error.code });
  ports.reach('before-settle-journal');
  while (isJournalled) {
    const settled = await journal.settle(commandId, run.bodyHash, outcome);
    if (settled.ok) break;
    // C4: not told before it is written. The machine is as it is; a restart meanwhile looks and finds it so.
    log.error('outcome-waits-for-disk', { commandId, detail: settled.error.detail });
    if (isDraining()) return 'over';
    await sleep(ports.timers, JOURNAL_AGAIN_MS);
  }
  ports.reach('after-settle-journal');
  report(parts, run.command, outcome);
  return 'over';
}

function report({ outbox, epoch }: DispatchParts, { commandId, body }: Command, outcome: CommandOutcome): void {
  outbox.report(commandId, outcome, isMutation(body.verb) ? epoch() : null);
}

function laneOf({ clusterId, subject, commandId }: Command): string {
  return `${clusterId ?? commandId.split('/')[0]}/${subject}`;
}

const rivals = (one: Command, other: Command): boolean =>
  one.clusterId !== null &&
  one.clusterId === other.clusterId &&
  one.subject === other.subject &&
  one.body.verb === other.body.verb;

const isOlder = (one: Command, other: Command): boolean =>
  one.generation < other.generation || (one.generation === other.generation && one.attempt < other.attempt);

function olderThan(running: ReadonlyMap<CommandId, Running>, command: Command): CommandId[] {
  const older = [...running.values()].filter((run) => rivals(run.command, command) && isOlder(run.command, command));
  return older.map((run) => run.command.commandId);
}

function newerThan(running: ReadonlyMap<CommandId, Running>, command: Command): boolean {
  return [...running.values()].some((run) => rivals(run.command, command) && isOlder(command, run.command));
}

const hashOf = (command: Command): string =>
  createHash('sha256')
    .update(JSON.stringify(sorted(command)))
    .digest('base64url');

/** The same content gives the same text, in whatever order its fields came. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .map(([name, part]) => [name, sorted(part)]),
  );
}
