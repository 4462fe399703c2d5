// This host, as the installer changes it: files, the program itself, other programs, owners.
import { execFile } from 'node:child_process';
import { chmod, chown, copyFile, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isSea } from 'node:sea';
import { err, ok, type Result } from '../../shared/result.ts';
import { reasonOf } from '../log.ts';

/** Longer than any of the service manager's own time-outs that are waited for here. */
const RUN_MS_MAX = 100_000;
const OUTPUT_BYTES_MAX = 8 * 1_048_576;

export type User = { readonly uid: number; readonly gid: number };
type Tried<T> = Promise<Result<T, string>>;

export type HostSystem = {
  readonly isRoot: boolean;
  /** Null when there is no such file. */
  readonly read: (path: string) => Tried<string | null>;
  /** All or nothing; `same`: it was so already. */
  readonly put: (path: string, text: string, mode: number) => Tried<'written' | 'same'>;
  /** This program at `path`, or where it is when it runs from the sources; and how the service starts it. */
  readonly putProgram: (path: string) => Tried<{ readonly command: string; readonly changed: boolean }>;
  /** Its standard output; fails with what it says on its standard error. No shell; arguments are seen by all: no secrets. */
  readonly run: (program: string, args: readonly string[]) => Tried<string>;
  readonly userOf: (passwdFile: string, name: string) => Promise<User | null>;
  /** A folder and all in it. */
  readonly giveTo: (folder: string, user: User) => Tried<null>;
  readonly giveGroup: (path: string, gid: number) => Tried<null>;
};

/** @param mainFile the entry point, when run from the sources */
export function createHostSystem(mainFile: string): HostSystem {
  return {
    isRoot: process.getuid?.() === 0,
    read: (path) => attempt(() => readOrNull(path)),
    put: (path, text, mode) => attempt(() => put(path, text, mode)),
    putProgram: (path) => attempt(() => putProgram(path, mainFile)),
    run,
    userOf: async (passwdFile, name) => {
      const line = (await readOrNull(passwdFile))?.split('\n').find((each) => each.startsWith(`${name}:`));
      const [, , uid, gid] = line?.split(':') ?? [];
      return uid === undefined || gid === undefined ? null : { uid: Number(uid), gid: Number(gid) };
    },
    giveTo: (folder, { uid, gid }) =>
      attempt(async () => {
        for (const name of await readdir(folder)) await chown(join(folder, name), uid, gid);
        await chown(folder, uid, gid);
        return null;
      }),
    giveGroup: (path, gid) =>
      attempt(async () => {
        await chown(path, process.getuid?.() ?? 0, gid);
        return null;
      }),
  };
}

async function put(path: string, text: string, mode: number): Promise<'written' | 'same'> {
  if ((await readOrNull(path)) === text) {
    await chmod(path, mode);
    return 'same';
  }
  await mkdir(dirname(path), { recursive: true, mode: 0o755 });
  await replace(path, async (temporary) => {
    const file = await open(temporary, 'w', mode);
    try {
      await file.chmod(mode);
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
  });
  return 'written';
}

async function putProgram(path: string, mainFile: string): Promise<{ command: string; changed: boolean }> {
  if (!isSea()) return { command: `${process.execPath} ${mainFile}`, changed: false };
  const own = await readFile(process.execPath);
  const there = await readBytesOrNull(path);
  const changed = there === null || !own.equals(there);
  if (changed) {
    await mkdir(dirname(path), { recursive: true, mode: 0o755 });
    // By another name first: a program that runs can't be written over.
    await replace(path, async (temporary) => {
      await copyFile(process.execPath, temporary);
      await chmod(temporary, 0o755);
    });
  }
  return { command: '/usr/local/bin/slipway-relay', changed };
}

async function replace(path: string, write: (temporary: string) => Promise<void>): Promise<void> {
  const temporary = `${path}.new`;
  try {
    await write(temporary);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

const readOrNull = async (path: string): Promise<string | null> =>
  (await readBytesOrNull(path))?.toString('utf8') ?? null;

async function readBytesOrNull(path: string): Promise<Buffer | null> {
  try {
    return await readFile(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
}

function run(program: string, args: readonly string[]): Tried<string> {
  return new Promise((resolve) => {
    // Not the whole environment: there may be secrets in it.
    const env = { PATH: process.env.PATH, LC_ALL: 'C' };
    const options = { timeout: RUN_MS_MAX, maxBuffer: OUTPUT_BYTES_MAX, env };
    execFile(program, [...args], options, (error, stdout, stderr) => {
      if (error === null) resolve(ok(stdout));
      else resolve(err(`${program} ${args[0] ?? ''}: ${stderr.trim().slice(0, 500) || reasonOf(error)}`));
    });
  });
}

async function attempt<T>(work: () => Promise<T>): Tried<T> {
  try {
    return ok(await work());
  } catch (error) {
    // Only what the operating system says; anything else is a bug.
    if (error instanceof Error && 'code' in error) return err(error.message);
    throw error;
  }
}
