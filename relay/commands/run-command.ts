// One command, run by its handler with all it may touch. Never rejects: what a handler throws is a bug of ours, told as such.
import type { AccountAccess, Command, CommandFailure, CommandOutcome } from '../../shared/command.ts';
import { isMutation } from '../../shared/command.ts';
import type { Observation } from '../../shared/observation.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import type { Journal } from '../journal.ts';
import type { Log } from '../log.ts';
import type { MaasClient } from '../maas/client.ts';
import type { Ports } from '../ports.ts';
import type { Lease } from '../tunnel/lease.ts';
import type { Vault } from '../vault.ts';
import {
  type CommandContext,
  type HandlerFailure,
  type Handlers,
  handle,
  type LateRequests,
  lookAgain,
  stopped,
} from './handler.ts';
import { createLateRequests } from './late-requests.ts';
import { failed, staleness, storageFailure } from './refusals.ts';

export type Run = { readonly command: Command; readonly begun: boolean; readonly signal: AbortSignal };
export type RunCommand = (run: Run) => Promise<CommandOutcome | 'stopped'>;

export type RunParts = {
  readonly handlers: Handlers;
  readonly journal: Journal;
  readonly lease: Lease;
  readonly vault: Pick<Vault, 'open' | 'seal'>;
  readonly maas: (
    account: AccountAccess,
    openSecret: CommandContext['openSecret'],
  ) => Promise<Result<MaasClient, CommandFailure>>;
  readonly observe: (observation: Observation) => void;
  readonly ports: Ports;
  readonly log: Log;
};

export function createRunCommand(parts: RunParts): RunCommand {
  return async (run) => {
    const { command, begun, signal } = run;
    if (signal.aborted) return 'stopped';
    // It may have waited for others of its subject: both are looked at again (C7, G2).
    const stale = staleness(parts.journal, command);
    if (stale !== null) return failed(stale);
    if (!begun && parts.ports.clock.now() >= command.deadlineAt)
      return failed({ code: 'DEADLINE_PASSED', detail: 'the command did not get its turn before its deadline' });
    const late = createLateRequests(parts.lease, parts.ports, run);
    const context = contextOf(parts, run, late);
    const release = isMutation(command.body.verb) ? parts.lease.hold() : () => {};
    try {
      return late.mind(await untilDone(parts, run, context));
    } catch (error) {
      const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
      context.log.error('command-bug', { stack });
      return failed({ code: 'RELAY_BUG', detail: "an unexpected error; the relay's log has it as command-bug" });
    } finally {
      release();
    }
  };
}

/** Again from the first look, whenever the lease was away before a change (L4). */
async function untilDone(
  { handlers }: RunParts,
  { command }: Run,
  context: CommandContext,
): Promise<CommandOutcome | 'stopped'> {
  for (;;) {
    const result = await handle(handlers, command.body.verb, command.body, context);
    if (result.ok) return { ok: true, value: result.value };
    if (result.error.code === 'STOPPED') return 'stopped';
    if (result.error.code !== 'LOOK_AGAIN') return failed(result.error);
    context.log.debug('looks-again', {});
  }
}

function contextOf(parts: RunParts, run: Run, late: LateRequests): CommandContext {
  const { command, signal } = run;
  const { journal, lease, vault, ports } = parts;
  const { commandId, clusterId } = command;
  const log = parts.log.with({ commandId });
  const openSecret: CommandContext['openSecret'] = async (sealed) => {
    const opened = await vault.open(sealed, command);
    if (opened.ok) return opened;
    const detail = `the sealed ${sealed.purpose} of ${sealed.recordId} can't be opened with this gateway's key`;
    return err({ code: 'SECRET_UNREADABLE', detail });
  };
  const fence = (): Result<null, CommandFailure> => {
    const stale = staleness(journal, command);
    return stale === null ? ok(null) : err(stale);
  };
  const beforeChange = async (intent: string): Promise<Result<null, HandlerFailure>> => {
    const first = fence();
    if (!first.ok) return first;
    if (signal.aborted) return err(stopped);
    const journalled = await journal.intend(commandId, intent);
    if (!journalled.ok) return err(storageFailure(journalled.error));
    // A lease counts for clusters; a command of none is guarded under its own name.
    const isHeld = lease.isFree(clusterId ?? commandId, command.subject);
    if (!isHeld && !(await lease.ensure(clusterId ?? commandId, command.subject, signal))) return err(stopped);
    const second = fence();
    if (!second.ok) return second;
    // Another relay may have led in between: what was seen before is worth nothing.
    if (!isHeld) return err(lookAgain);
    log.info('change', { intent });
    return second;
  };
  return {
    command,
    ports,
    log,
    signal,
    openSecret,
    sealSecret: (plain, about) => vault.seal(plain, command, about),
    maas: (account) => parts.maas(account, openSecret),
    fence,
    beforeChange,
    late,
    emit: (fact) => {
      if (clusterId !== null) parts.observe({ clusterId, at: ports.clock.now(), fact });
    },
  };
}
