// What an exchange of this node's program needs of the process that serves: where programs come from and lie, a trial beside it,
// and the hand-over, which ends its service.
import type { CommandId } from '../../shared/command.ts';
import { type ProgramPlatform, programPath, type ReleaseVersion } from '../../shared/release.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import type { FetchProgram } from '../adapters/fetch-program.ts';
import type { ProgramStore } from '../adapters/program-store.ts';
import type { Log } from '../log.ts';
import type { DiskFailure } from '../ports.ts';
import type { Successor } from './former-talk.ts';
import type { ProgramBook, StoredProgram } from './program-book.ts';
import { type TrialParts, tryOut } from './try-out.ts';

/** Times that a process ended in the middle of the hand-over of one command, until that counts as the new program's doing. */
const TRIES_MAX = 3;

/** `untrusted`: other bytes than the release names. `passes`: it may work later. */
export type TakeFailure = {
  readonly code: 'untrusted' | 'unavailable' | 'passes' | 'disk';
  readonly detail: string;
};

export type ProgramExchange = {
  /** Of the program that runs. */
  readonly version: ReleaseVersion;
  /** Null: no release has a program for this relay. */
  readonly platform: ProgramPlatform | null;
  /** Raw Ed25519, base64url; null when this relay trusts none. */
  readonly releaseKey: string | null;
  /** Whether the signature is that key's over the text. */
  readonly verify: (key: string, text: string, signature: string) => Promise<boolean>;
  /** A former process watches this one: its fate is not decided. */
  readonly isWatched: boolean;
  /** Why the program of this command was given up; null when it may be tried. */
  readonly givenUp: (commandId: CommandId) => string | null;
  /** Into the store, verified. What is there whole already is not fetched. */
  readonly take: (program: StoredProgram, signal: AbortSignal) => Promise<Result<null, TakeFailure>>;
  /** The new program, welcomed in a session beside this one's, and waiting; else why not. */
  readonly tryOut: (program: StoredProgram, signal: AbortSignal) => Promise<Result<Successor, string>>;
  /** This process ends its service soon, and the successor has the folder; it has ended when this fails. */
  readonly handOver: (
    commandId: CommandId,
    program: StoredProgram,
    successor: Successor,
  ) => Promise<Result<null, DiskFailure>>;
};

/** What a hand-over was asked for. */
export type HandOver = { readonly program: StoredProgram; readonly successor: Successor };

export type ExchangeParts = Pick<ProgramExchange, 'version' | 'platform' | 'releaseKey' | 'verify' | 'isWatched'> & {
  /** Of the console. */
  readonly origin: string;
  readonly store: ProgramStore;
  readonly book: ProgramBook;
  readonly fetchProgram: FetchProgram;
  readonly start: (program: StoredProgram) => Successor;
  readonly trial: TrialParts;
  readonly log: Log;
  readonly handOver: (order: HandOver) => void;
};

export function createProgramExchange(parts: ExchangeParts): ProgramExchange {
  const { version, platform, releaseKey, verify, isWatched, store, book, log } = parts;
  return {
    version,
    platform,
    releaseKey,
    verify,
    isWatched,
    givenUp: (commandId) => {
      const exchange = book.exchange();
      if (exchange?.commandId !== commandId) return null;
      if (exchange.failure !== null) return exchange.failure;
      return exchange.tries < TRIES_MAX ? null : `the relay was ended ${TRIES_MAX} times while it handed over`;
    },
    take: async (program, signal) => {
      const kept = await store.keepOnly([...book.accepted().map((one) => one.version), program.version]);
      if (!kept.ok) return err({ code: 'disk', detail: kept.error.detail });
      if (await store.isIntact(program)) return ok(null);
      const { sizeBytes } = program;
      log.info('program-fetch', { version: program.version, sizeBytes });
      const url = `${parts.origin}${programPath(program.version, program.platform)}`;
      return storeFailure(await parts.fetchProgram(url, signal, (bytes) => store.put(program, bytes)));
    },
    tryOut: async (program, signal) => {
      log.info('program-trial', { version: program.version });
      const proved = await tryOut(parts.start(program), parts.trial, signal);
      if (!proved.ok && !signal.aborted)
        log.error('program-trial-failed', { version: program.version, detail: proved.error, todo: FORMER_SERVES });
      return proved;
    },
    handOver: async (commandId, program, successor) => {
      const begun = await book.begin(commandId, program);
      if (begun.ok) parts.handOver({ program, successor });
      else {
        successor.signal('SIGKILL');
        await successor.ended;
      }
      return begun;
    },
  };
}

export const FORMER_SERVES =
  'none here: the former program serves. The lines of the new one before this say what it met';

type Fetched = Awaited<ReturnType<FetchProgram>>;
type Put = Awaited<ReturnType<ProgramStore['put']>>;

function storeFailure(fetched: Result<Put, Extract<Fetched, { ok: false }>['error']>): Result<null, TakeFailure> {
  if (!fetched.ok) {
    const { code, detail } = fetched.error;
    return err({ code: code === 'refused' ? 'unavailable' : 'passes', detail });
  }
  const put = fetched.value;
  if (put.ok) return put;
  const { code, detail } = put.error;
  if (code === 'other-bytes') return err({ code: 'untrusted', detail });
  return err({ code: code === 'cut' ? 'passes' : 'disk', detail });
}
