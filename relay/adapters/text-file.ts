// Text files of the installer: settings and secrets read, pcg.yaml written.
import { access, constants, mkdir, open, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { err, ok, type Result } from '../../shared/result.ts';
import { reasonOf } from '../log.ts';

/** The whole text, or why it can't be read, naming the path. */
export async function readTextFile(path: string): Promise<Result<string, string>> {
  try {
    return ok(await readFile(path, 'utf8'));
  } catch (error) {
    return err(`${path} can't be read: ${reasonOf(error)}`);
  }
}

/** A new file (0600) in a folder of its own (0700), flushed. Never writes over one that is there. */
export async function writeNewFile(path: string, text: string): Promise<Result<null, string>> {
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const file = await open(path, 'wx', 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    return ok(null);
  } catch (error) {
    return err(`${path} can't be written: ${reasonOf(error)}`);
  }
}

/** Whether a folder, or the nearest one above that is there, can be written into. Changes nothing. */
export async function canWriteBelow(folder: string): Promise<Result<null, string>> {
  try {
    await access(folder, constants.W_OK);
    return ok(null);
  } catch (error) {
    const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    return isMissing && folder !== '/' ? canWriteBelow(dirname(folder)) : err(reasonOf(error));
  }
}
