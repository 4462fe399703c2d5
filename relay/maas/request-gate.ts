// How many calls one MAAS region gets at a time. A region worker serves at most 4 API requests at once and a slow release
// holds its place (maas.md §9), so the relay never takes more, whatever number of accounts point at the region.
import { err, ok, type Result } from '../../shared/result.ts';

/** maasserver/concurrency.py:46; ruling 13.8. */
const IN_FLIGHT_MAX = 4;
/** A full pass over a large site asks for some 100 things at once; beyond this, callers are better told to come back. */
const WAITING_MAX = 256;
/** Half of what a call may take in all (client.ts), so that a call that is let in has time to be answered. */
const WAIT_MS_MAX = 15_000;

export type GateRefusal = 'queue-full' | 'waited-too-long';

/** Runs work when a place is free, first come first served, told how long it waited. Refused work was never started. */
export type RequestGate = {
  readonly run: <T>(work: (waitedMs: number) => Promise<T>) => Promise<Result<T, GateRefusal>>;
};

type Waiter = { readonly since: number; readonly start: (waitedMs: number) => void; readonly refuse: () => void };

/** No timer of its own: every call in flight ends within its time-out, and each end sends away who waited too long. */
export function createRequestGate(monotonicMs: () => number): RequestGate {
  const waiting: Waiter[] = [];
  let inFlight = 0;

  const admitNext = (): void => {
    inFlight -= 1;
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const waitedMs = monotonicMs() - next.since;
      if (waitedMs <= WAIT_MS_MAX) {
        inFlight += 1;
        next.start(waitedMs);
        break;
      }
      next.refuse();
    }
  };
  const place = (): Promise<number | null> => {
    if (inFlight < IN_FLIGHT_MAX) {
      inFlight += 1;
      return Promise.resolve(0);
    }
    return new Promise((resolve) => {
      waiting.push({ since: monotonicMs(), start: resolve, refuse: () => resolve(null) });
    });
  };
  return {
    run: async (work) => {
      if (inFlight >= IN_FLIGHT_MAX && waiting.length >= WAITING_MAX) return err('queue-full');
      const waitedMs = await place();
      if (waitedMs === null) return err('waited-too-long');
      try {
        return ok(await work(waitedMs));
      } finally {
        admitNext();
      }
    },
  };
}

/** One gate for each region, by its normalised endpoint. Bounded by the number of accounts of a gateway. */
export function createRegionGates(monotonicMs: () => number): (endpoint: string) => RequestGate {
  const gates = new Map<string, RequestGate>();
  return (endpoint) => {
    const gate = gates.get(endpoint) ?? createRequestGate(monotonicMs);
    gates.set(endpoint, gate);
    return gate;
  };
}
