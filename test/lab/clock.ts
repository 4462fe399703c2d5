// Time as the lab uses it, so that a test can hold it still and a simulator can run it.

export type LabClock = {
  /** Epoch milliseconds. */
  now(): number;
  /** Runs `fn` once after the delay; the returned function takes it back. */
  schedule(delayMs: number, fn: () => void): () => void;
};

/** Wall-clock time. `stop` forgets every timer that has not run. */
export function realClock(): LabClock & { stop(): void } {
  const timers = new Set<NodeJS.Timeout>();
  return {
    now: () => Date.now(),
    schedule: (delayMs, fn) => {
      const timer = setTimeout(() => {
        timers.delete(timer);
        fn();
      }, delayMs);
      timers.add(timer);
      return () => {
        clearTimeout(timer);
        timers.delete(timer);
      };
    },
    stop: () => {
      for (const timer of timers) clearTimeout(timer);
      timers.clear();
    },
  };
}

type Pending = { readonly atMs: number; readonly order: number; readonly fn: () => void };

/** Time that stands still until it is told to go on. Timers of the same moment run in the order in which they were set. */
export function manualClock(startMs: number): LabClock & { advance(ms: number): void } {
  let nowMs = startMs;
  let order = 0;
  const pending = new Set<Pending>();
  const next = (untilMs: number): Pending | undefined =>
    [...pending].filter((timer) => timer.atMs <= untilMs).sort((a, b) => a.atMs - b.atMs || a.order - b.order)[0];
  return {
    now: () => nowMs,
    schedule: (delayMs, fn) => {
      order += 1;
      const timer = { atMs: nowMs + delayMs, order, fn };
      pending.add(timer);
      return () => pending.delete(timer);
    },
    advance: (ms) => {
      const untilMs = nowMs + ms;
      for (let timer = next(untilMs); timer; timer = next(untilMs)) {
        pending.delete(timer);
        nowMs = timer.atMs;
        timer.fn();
      }
      nowMs = untilMs;
    },
  };
}
