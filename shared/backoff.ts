// How long to wait before the next attempt. Pure: the jitter is passed in.

/** Full jitter: anything from 0 to min(max, min * 2^attempt). `random` is in [0, 1). Used where many may retry at once. */
export function fullJitter(attempt: number, minMs: number, maxMs: number, random: number): number {
  return Math.floor(random * ceiling(attempt, minMs, maxMs));
}

/** No jitter: min, 2 min, 4 min … max. Used in the planner, which has no randomness. */
export function doubling(attempt: number, minMs: number, maxMs: number): number {
  return ceiling(attempt, minMs, maxMs);
}

function ceiling(attempt: number, minMs: number, maxMs: number): number {
  return Math.min(maxMs, minMs * 2 ** Math.min(attempt, 30));
}
