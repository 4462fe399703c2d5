// A new folder for what tests and the lab's machines write: in memory where there is such a thing, since journals and SQLite
// sync often and the disk is not what is tested.
import { existsSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export function memoryFolder(prefix: string): string {
  return mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), prefix));
}
