// One relay per state folder: two would answer for one identity and tear each other's journal. The lock is the kernel's (a
// file lock held by an open SQLite transaction), so it ends with the process, however that ends.
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** Null when another process holds the folder; otherwise gives it back when called. Throws when the folder can't be used. */
export function lockState(folder: string): (() => void) | null {
  const database = new DatabaseSync(join(folder, 'lock'));
  try {
    database.exec('PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=MEMORY; BEGIN EXCLUSIVE');
    return () => database.close();
  } catch (error) {
    database.close();
    if (error instanceof Error && /locked/.test(error.message)) return null;
    throw error;
  }
}
