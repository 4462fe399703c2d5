// What a process that serves needs of the host it runs on, and of the program that it is: the real one (run.ts), or a simulator's.
import type { ProgramPlatform, ReleaseVersion } from '../../shared/release.ts';
import type { Result } from '../../shared/result.ts';
import type { FetchProgram } from '../adapters/fetch-program.ts';
import type { ProgramStore } from '../adapters/program-store.ts';
import type { Disk } from '../ports.ts';
import type { ServingParts, ServingRelay } from '../serving-relay.ts';
import type { RelayState, StartFailure } from '../state-folder.ts';
import type { Successor } from './former-talk.ts';
import type { StoredProgram } from './program-book.ts';
import type { ProgramExchange } from './program-exchange.ts';

export type Served = Pick<ServingParts, 'state' | 'hooks' | 'exchange'>;

export type ProgramHost = {
  /** Of the program that runs. */
  readonly version: ReleaseVersion;
  /** Which program of a release can take its place; null: none can. */
  readonly platform: ProgramPlatform | null;
  /** It lies in the store: it is not the installed one. */
  readonly isStored: () => boolean;
  /** What signs releases, by the settings of this host; null: the console's word at pairing. */
  readonly releaseKey: string | null;
  /** Where the state lies, for people. */
  readonly folder: string;
  readonly store: ProgramStore;
  /** Null when another process has the folder; otherwise gives it back when called. */
  readonly lock: () => (() => void) | null;
  readonly open: (disk: Disk) => Promise<Result<RelayState, StartFailure>>;
  readonly serve: (served: Served) => Promise<Result<ServingRelay, StartFailure>>;
  readonly fetchProgram: FetchProgram;
  /** Beside this one, for its trial. */
  readonly start: (program: StoredProgram) => Successor;
  readonly verify: ProgramExchange['verify'];
};
