// So many of something a minute, for each of a bounded number of names.
import type { EpochMs } from '../../shared/ids.ts';

export type RateLimit = {
  /** Counts one; false when there are none left in this minute. */
  readonly take: (name: string) => boolean;
  readonly isSpent: (name: string) => boolean;
};

const MINUTE_MS = 60_000;
const NAMES_MAX = 10_000;

export function createRateLimit(perMinute: number, now: () => EpochMs): RateLimit {
  const counts = new Map<string, number>();
  let minute = 0;

  function countOf(name: string): number {
    const current = Math.floor(now() / MINUTE_MS);
    // Too many names at once is an attack; starting over is kinder than growing.
    if (current !== minute || counts.size >= NAMES_MAX) counts.clear();
    minute = current;
    return counts.get(name) ?? 0;
  }

  return {
    take: (name) => {
      const count = countOf(name);
      counts.set(name, count + 1);
      return count < perMinute;
    },
    isSpent: (name) => countOf(name) >= perMinute,
  };
}
