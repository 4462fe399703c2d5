// A private key that somebody hands over in a file of their own.
import { open } from 'node:fs/promises';
import { err, ok, type Result } from '../../shared/result.ts';
import { reasonOf } from '../log.ts';

const FOR_OTHERS = 0o077;

/** The whole text; refused, unread, when others of this host may read it. The reason names the path. */
export async function readSecretFile(path: string): Promise<Result<string, string>> {
  try {
    const file = await open(path, 'r');
    try {
      const { mode } = await file.stat();
      if ((mode & FOR_OTHERS) !== 0) return err(`${path} may be read by others of this host: chmod 600 it first`);
      return ok(await file.readFile('utf8'));
    } finally {
      await file.close();
    }
  } catch (error) {
    return err(`${path} can't be read: ${reasonOf(error)}`);
  }
}
