// Tears the end of a relay's journal while it is down, as a power cut in the middle of a write does. What was flushed and then
// relied on (a fence, a join counter) is not what such a cut takes, so a whole last record goes only if it is of a command.
import { appendFileSync, existsSync, readFileSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { JOURNAL_FILE } from '../../relay/journal.ts';
import { decodeJournal } from '../../relay/journal-record.ts';
import type { Random } from '../simulation/prng.ts';

const MAY_GO: ReadonlySet<string> = new Set(['accepted', 'intent', 'settled', 'dropped']);
const NEWLINE = 10;

/** Says what it did; null when there is nothing to tear. */
export function tearJournal(stateDir: string, random: Random): string | null {
  const path = join(stateDir, JOURNAL_FILE);
  if (!existsSync(path)) return null;
  const bytes = readFileSync(path);
  if (bytes.length === 0 || bytes.at(-1) !== NEWLINE) return null;
  const start = bytes.lastIndexOf(NEWLINE, bytes.length - 2) + 1;
  const last = bytes.subarray(start);
  const part = 1 + random.below(last.length - 1);
  const kind = decodeJournal(last).records[0]?.kind ?? '';
  if (MAY_GO.has(kind) && random.chance(0.5)) {
    truncateSync(path, start + part);
    return `the last record, ${kind}, is cut at ${part} of ${last.length} bytes`;
  }
  if (!appended(path, last.subarray(0, part))) return null;
  return `${part} bytes of one more record are at the end`;
}

/** Not on a full disk. */
function appended(path: string, bytes: Uint8Array): boolean {
  try {
    appendFileSync(path, bytes);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOSPC') return false;
    throw error;
  }
}
