// Time as a parameter: the same model runs under a server, under a test and under a deterministic simulator.

export type Clock = {
  /** Epoch milliseconds. */
  now(): number;
  /** Runs `work` once after the delay; the function returned cancels it. */
  after(delayMs: number, work: () => void): () => void;
};

/** The machine's own clock; its timers do not keep a process alive. */
export const systemClock: Clock = {
  now: () => Date.now(),
  after: (delayMs, work) => {
    const timer = setTimeout(work, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  },
};

/** Kubernetes writes whole seconds, in UTC. */
export const timestamp = (epochMs: number): string => new Date(epochMs).toISOString().replace(/\.\d{3}Z$/, 'Z');

/** Leases and heartbeats carry microseconds. */
export const microTimestamp = (epochMs: number): string => new Date(epochMs).toISOString().replace(/Z$/, '000Z');
