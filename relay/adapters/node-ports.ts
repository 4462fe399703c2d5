// The real clock, randomness and timers.
import { randomBytes } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import type { Failpoint } from '../failpoint.ts';
import type { Ports } from '../ports.ts';

/** Node fires a longer delay at once. */
const DELAY_MS_MAX = 2 ** 31 - 1;

export function createNodePorts(reach: (point: Failpoint) => void): Ports {
  return {
    clock: { now: () => Date.now(), monotonicMs: () => performance.now() },
    random: {
      fraction: () => randomBytes(4).readUInt32BE() / 2 ** 32,
      bytes: (count) => new Uint8Array(randomBytes(count)),
    },
    timers: {
      after: (delayMs, then) => {
        const timer = setTimeout(then, Math.min(delayMs, DELAY_MS_MAX));
        return () => clearTimeout(timer);
      },
    },
    reach,
  };
}

export const wallClock = (): number => Date.now();

/** The moment as ISO text, for log lines. */
export function isoNow(): string {
  return new Date(Date.now()).toISOString();
}
