// Pure. When an object must wake: the earliest of what it waits for, never in a hot loop.
import { doubling } from '../../shared/backoff.ts';
import type { EpochMs } from '../../shared/ids.ts';

/** A moment that has passed already is tried again this much later: whatever is wrong, the object does not spin. */
export const OVERDUE_PAUSE_MS = 1_000;
const FAILURE_PAUSE_MS_MIN = 2_000;
const FAILURE_PAUSE_MS_MAX = 300_000;

/**
 * @param moments what is waited for; null for nothing
 * @param failures how often in a row planning has thrown; each makes the pause longer
 * @returns null only when nothing is waited for and nothing failed
 */
export function nextAlarm(now: EpochMs, moments: readonly (EpochMs | null)[], failures: number): EpochMs | null {
  const waited = moments.filter((moment) => moment !== null);
  if (failures > 0) {
    return now + doubling(failures - 1, FAILURE_PAUSE_MS_MIN, FAILURE_PAUSE_MS_MAX);
  }
  if (waited.length === 0) return null;
  const earliest = Math.min(...waited);
  return earliest <= now ? now + OVERDUE_PAUSE_MS : earliest;
}
