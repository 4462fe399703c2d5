// Why a command is not run, or not on: the refusals that are the relay's own.
import type { Command, CommandFailure, CommandId, CommandOutcome } from '../../shared/command.ts';
import type { Journal, JournalFailure } from '../journal.ts';

/** As long as a detail may be. */
const DETAIL_LENGTH_MAX = 2_000;

export function failed(error: CommandFailure): CommandOutcome {
  return { ok: false, error: { ...error, detail: error.detail.slice(0, DETAIL_LENGTH_MAX) } };
}

/** G2: null while no higher generation of the command's cluster has been seen. */
export function staleness(journal: Pick<Journal, 'generationOf'>, command: Command): CommandFailure | null {
  if (command.clusterId === null) return null;
  const highest = journal.generationOf(command.clusterId);
  if (command.generation >= highest) return null;
  return { code: 'STALE_GENERATION', highest, detail: `generation ${command.generation} is below ${highest}` };
}

/** C14 */
export function unknownCommand(commandId: CommandId): CommandOutcome {
  const verb = commandId.split('/')[2];
  return failed({ code: 'COMMAND_UNKNOWN', detail: `${verb} came in a form that this relay does not know` });
}

export function storageFailure(failure: JournalFailure): CommandFailure {
  return { code: 'RELAY_STORAGE', detail: `the relay can't write its journal: ${failure.detail}` };
}
