// One relay per state folder: two would answer for one identity and tear each other's journal. The lock is the kernel's (a
// file lock held by an open SQLite transaction), so it ends with the process, however that ends.
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { TEMPORARY } from './node-disk.ts';

/** Null when another process holds the folder; otherwise gives it back when called. Throws when the folder can't be used. */
export function lockState(folder: string): (() => void) | null {
  const database = new DatabaseSync(join(folder, 'lock'));
  try {
    database.exec('PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=MEMORY; BEGIN EXCLUSIVE');
    removeLeftovers(folder);
    return () => database.close();
  } catch (error) {
    database.close();
    if (error instanceof Error && /locked/.test(error.message)) return null;
    throw error;
  }
}

/** What a process that died while it replaced a file left behind: it is nothing, and takes the room of a whole journal. */
function removeLeftovers(folder: string): void {
  for (const name of readdirSync(folder)) {
    if (name.startsWith('.') && name.endsWith(TEMPORARY)) rmSync(join(folder, name), { force: true });
  }
}
