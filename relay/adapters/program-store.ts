// Programs in the state folder: programs/VERSION/slipway-relay, or slipway-relay.mjs. A file is there whole and as the release
// names it, or not at all.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { chmod, type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { err, ok, type Result } from '../../shared/result.ts';
import { reasonOf } from '../log.ts';
import type { StoredProgram } from '../program/program-book.ts';
import { takeVerified } from '../program/take-verified.ts';
import { canStart } from './become-program.ts';

const FOLDER_MODE = 0o700;
const READ_ONLY = 0o400;
const READ_AND_RUN = 0o500;
const TEMPORARY = '.arriving';

/** `other-bytes`: not what the release names. `cut`: the stream broke off, so the rest is not known. */
export type StoreFailure = { readonly code: 'other-bytes' | 'cut' | 'full' | 'broken'; readonly detail: string };

export type ProgramStore = {
  readonly folder: string;
  readonly fileOf: (program: StoredProgram) => string;
  /** Whether it is there with the size and digest of the release. */
  readonly isIntact: (program: StoredProgram) => Promise<boolean>;
  /** Reads no more than the release names. */
  readonly put: (program: StoredProgram, bytes: AsyncIterable<Uint8Array>) => Promise<Result<null, StoreFailure>>;
  /** Null: it may be read, and executed if it is an executable; else why not. */
  readonly canStart: (program: StoredProgram) => Promise<Result<null, string>>;
  /** Removes all others. */
  readonly keepOnly: (versions: readonly string[]) => Promise<Result<null, StoreFailure>>;
};

class CutOff extends Error {}

export function openProgramStore(stateDir: string): ProgramStore {
  const folder = join(stateDir, 'programs');
  const fileOf = ({ version, platform }: StoredProgram): string =>
    join(folder, version, platform === 'javascript' ? 'slipway-relay.mjs' : 'slipway-relay');
  return {
    folder,
    fileOf,
    isIntact: async (program) => {
      const found = await attempt(() => digestOf(fileOf(program), program.sizeBytes));
      return found.ok && found.value === program.sha256;
    },
    put: (program, bytes) =>
      attempt(() => put(fileOf(program), program, bytes)).then((put) => (put.ok ? put.value : put)),
    canStart: (program) => canStart(fileOf(program)),
    keepOnly: (versions) =>
      attempt(async () => {
        for (const name of await namesIn(folder))
          if (!versions.includes(name)) await rm(join(folder, name), { recursive: true, force: true });
        return null;
      }),
  };
}

async function put(
  file: string,
  program: StoredProgram,
  bytes: AsyncIterable<Uint8Array>,
): Promise<Result<null, StoreFailure>> {
  const temporary = join(dirname(file), TEMPORARY);
  await mkdir(dirname(file), { recursive: true, mode: FOLDER_MODE });
  try {
    const written = await withFile(temporary, 'w', (handle) => write(handle, program, bytes));
    if (!written.ok) return written;
    await chmod(temporary, program.platform === 'javascript' ? READ_ONLY : READ_AND_RUN);
    await rename(temporary, file);
    await withFile(dirname(file), 'r', (handle) => handle.sync());
    return written;
  } finally {
    await rm(temporary, { force: true });
  }
}

async function write(
  file: FileHandle,
  program: StoredProgram,
  bytes: AsyncIterable<Uint8Array>,
): Promise<Result<null, StoreFailure>> {
  const taken = await takeVerified(program, orCutOff(bytes), (chunk) => file.appendFile(chunk));
  if (taken.ok) await file.sync();
  return taken;
}

async function* orCutOff(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* bytes;
  } catch (error) {
    throw new CutOff(reasonOf(error));
  }
}

/** Empty when it has another size. */
async function digestOf(file: string, sizeBytes: number): Promise<string> {
  if ((await stat(file)).size !== sizeBytes) return '';
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
}

async function withFile<T>(path: string, flags: string, use: (file: FileHandle) => Promise<T>): Promise<T> {
  const file = await open(path, flags, 0o600);
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

async function attempt<T>(work: () => Promise<T>): Promise<Result<T, StoreFailure>> {
  try {
    return ok(await work());
  } catch (error) {
    if (error instanceof CutOff) return err({ code: 'cut', detail: error.message });
    // Only what the operating system says; anything else is a bug.
    if (!(error instanceof Error && 'code' in error)) throw error;
    return err({ code: error.code === 'ENOSPC' || error.code === 'EDQUOT' ? 'full' : 'broken', detail: error.message });
  }
}
