// The state folder on a real file system. "ok" means flushed to the device, folder entry included.
import { type FileHandle, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { err, ok, type Result } from '../../shared/result.ts';
import type { Disk, DiskFailure } from '../ports.ts';

const FILE_MODE = 0o600;
const FOLDER_MODE = 0o700;
/** How a file's next content is called until it takes its place. */
export const TEMPORARY = '.new';

/** Makes the folder (0700) if need be. Fails when it can't be made or is no folder. */
export async function openDisk(folder: string): Promise<Result<Disk, DiskFailure>> {
  const made = await attempt(() => mkdir(folder, { recursive: true, mode: FOLDER_MODE }));
  if (!made.ok) return made;
  return ok({
    read: (name) => attempt(() => readOrNull(join(folder, name))),
    append: (name, bytes) => attempt(() => append(folder, name, bytes)),
    replace: (name, bytes) => attempt(() => replace(folder, name, bytes)),
    truncate: (name, lengthBytes) =>
      attempt(() => withFile(join(folder, name), 'r+', (file) => file.truncate(lengthBytes).then(() => file.sync()))),
  });
}

async function readOrNull(path: string): Promise<Uint8Array | null> {
  try {
    return await readFile(path);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null;
    throw error;
  }
}

async function append(folder: string, name: string, bytes: Uint8Array): Promise<null> {
  const fresh = await withFile(join(folder, name), 'a', async (file) => {
    const { size } = await file.stat();
    await file.appendFile(bytes);
    await file.datasync();
    return size === 0;
  });
  if (fresh) await syncFolder(folder);
  return null;
}

async function replace(folder: string, name: string, bytes: Uint8Array): Promise<null> {
  const temporary = join(folder, `.${name}${TEMPORARY}`);
  try {
    await withFile(temporary, 'w', async (file) => {
      await file.writeFile(bytes);
      await file.sync();
    });
    await rename(temporary, join(folder, name));
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncFolder(folder);
  return null;
}

async function syncFolder(folder: string): Promise<void> {
  await withFile(folder, 'r', (handle) => handle.sync());
}

async function withFile<T>(path: string, flags: string, use: (file: FileHandle) => Promise<T>): Promise<T> {
  const file = await open(path, flags, FILE_MODE);
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

async function attempt<T>(work: () => Promise<T>): Promise<Result<T extends void ? null : T, DiskFailure>>;
async function attempt<T>(work: () => Promise<T>): Promise<Result<T | null, DiskFailure>> {
  try {
    return ok((await work()) ?? null);
  } catch (error) {
    const code = codeOf(error);
    if (code === null) throw error;
    const detail = error instanceof Error ? error.message : code;
    return err({ code: code === 'ENOSPC' || code === 'EDQUOT' ? 'full' : 'broken', detail });
  }
}

/** The code of an error of the operating system; null for any other, which is a bug. */
function codeOf(error: unknown): string | null {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null;
}
