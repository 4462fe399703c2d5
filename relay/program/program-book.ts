// What this node knows of the programs in its store, in program.json: which were accepted, and how far an exchange got. It is
// written by the process that watches a new program, or by the one that serves, never by both.
import { z } from 'zod';
import { CommandId } from '../../shared/command.ts';
import { EpochMs } from '../../shared/ids.ts';
import { ReleaseProgram, ReleaseVersion } from '../../shared/release.ts';
import { ok, type Result } from '../../shared/result.ts';
import { parseOwnFile } from '../enrolment/own-file.ts';
import type { Disk, DiskFailure } from '../ports.ts';

export const PROGRAM_FILE = 'program.json';
/** The one that runs, and the former, which runs again if that one is given up. */
const ACCEPTED_MAX = 2;

/** A program as it lies in the store. */
export const StoredProgram = z.object({ ...ReleaseProgram.shape, version: ReleaseVersion });
export type StoredProgram = z.infer<typeof StoredProgram>;

const AcceptedProgram = z.object({
  ...StoredProgram.shape,
  acceptedAt: EpochMs,
  /** In a row that did not get on: it counts up before each start, and is set to 0 by the program itself. */
  starts: z.int().nonnegative(),
});
export type AcceptedProgram = z.infer<typeof AcceptedProgram>;

/** Of the last command whose program was given the folder. It stays: the program may be given up long after. */
const Exchange = z.object({
  commandId: CommandId,
  program: StoredProgram,
  /** Hand-overs that were begun. */
  tries: z.int().positive(),
  /** Why the former serves again; null while that is open. */
  failure: z.string().nullable(),
});

/** What a later version adds is passed over: this file must be read after a step back too. */
const Content = z.object({
  v: z.literal(1),
  /** Newest first. */
  accepted: z.array(AcceptedProgram).max(ACCEPTED_MAX),
  exchange: Exchange.nullable(),
});
type Content = z.infer<typeof Content>;
type Kept = Promise<Result<null, DiskFailure>>;

export type ProgramBook = {
  /** Newest first. */
  readonly accepted: () => readonly AcceptedProgram[];
  readonly exchange: () => Content['exchange'];
  /** Before the folder is given to the program. */
  readonly begin: (commandId: CommandId, program: StoredProgram) => Kept;
  /** The former serves again. Known in this process also when it can't be written. */
  readonly fail: (failure: string) => Kept;
  /** From now on this one starts. Nothing has changed when it can't be written. */
  readonly accept: (program: StoredProgram, now: EpochMs) => Kept;
  /** @param failure what the command that brought it is answered; null: nothing was wrong with it */
  readonly forget: (version: ReleaseVersion, failure: string | null) => Kept;
  /** @param starts of the accepted program of this version */
  readonly count: (version: ReleaseVersion, starts: number) => Kept;
};

/** A file in another form counts as none: then the installed program runs. */
export async function openProgramBook(disk: Disk): Promise<Result<ProgramBook, DiskFailure>> {
  const bytes = await disk.read(PROGRAM_FILE);
  if (!bytes.ok) return bytes;
  let content: Content = (bytes.value === null ? null : parseOwnFile(Content, bytes.value)) ?? {
    v: 1,
    accepted: [],
    exchange: null,
  };
  const write = (next: Content): Kept => disk.replace(PROGRAM_FILE, Buffer.from(`${JSON.stringify(next, null, 2)}\n`));
  /** Counts here whatever the disk says. */
  const keep = (next: Content): Kept => {
    content = next;
    return write(next);
  };
  return ok({
    accepted: () => content.accepted,
    exchange: () => content.exchange,
    begin: (commandId, program) => {
      const tries = content.exchange?.commandId === commandId ? content.exchange.tries + 1 : 1;
      return keep({ ...content, exchange: { commandId, program, tries, failure: null } });
    },
    fail: (failure) =>
      keep({ ...content, exchange: content.exchange === null ? null : { ...content.exchange, failure } }),
    accept: async (program, now) => {
      const former = content.accepted.filter(({ version }) => version !== program.version);
      const accepted = [{ ...program, acceptedAt: now, starts: 0 }, ...former].slice(0, ACCEPTED_MAX);
      const next: Content = { ...content, accepted };
      const written = await write(next);
      if (written.ok) content = next;
      return written;
    },
    forget: (version, failure) => {
      const accepted = content.accepted.filter((one) => one.version !== version);
      const { exchange } = content;
      const isOf = exchange !== null && exchange.program.version === version && failure !== null;
      return keep({ ...content, accepted, exchange: isOf ? { ...exchange, failure } : exchange });
    },
    count: (version, starts) =>
      keep({
        ...content,
        accepted: content.accepted.map((one) => (one.version === version ? { ...one, starts } : one)),
      }),
  });
}
