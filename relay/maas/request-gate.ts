// How many calls one MAAS region gets at a time. A region worker serves at most 4 API requests at once and a slow release
// holds its place (maas.md §9), so the relay never takes more, whatever number of accounts point at the region.

import type { EpochMs } from '../../shared/ids.ts';
import { err, ok, type Result } from '../../shared/result.ts';

/** maasserver/concurrency.py:46; ruling 13.8. */
const IN_FLIGHT_MAX = 4;
/** A full pass over a large site asks for some 100 things at once; beyond this, callers are better told to come back. */
const WAITING_MAX = 256;
/** As long as one call may last: a call that waited longer would act on what was true too long ago. */
const WAIT_MS_MAX = 30_000;

export type GateRefusal = 'queue-full' | 'waited-too-long';

/** Runs work when a place is free, first come first served. Refused work was never started. */
export type RequestGate = { readonly run: <T>(work: () => Promise<T>) => Promise<Result<T, GateRefusal>> };

type Waiter = { readonly since: EpochMs; readonly start: () => void; readonly refuse: () => void };

/** No timer of its own: every call in flight ends within its time-out, and each end sends away who waited too long. */
export function createRequestGate(now: () => EpochMs): RequestGate {
  const waiting: Waiter[] = [];
  let inFlight = 0;

  const admitNext = (): void => {
    inFlight -= 1;
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      if (now() - next.since <= WAIT_MS_MAX) {
        next.start();
        break;
      }
      next.refuse();
    }
  };
  const place = (): Promise<boolean> => {
    if (inFlight < IN_FLIGHT_MAX) {
      inFlight += 1;
      return Promise.resolve(true);
    }
    return new Promise((resolve) => {
      waiting.push({
        since: now(),
        start: () => {
          inFlight += 1;
          resolve(true);
        },
        refuse: () => resolve(false),
      });
    });
  };
  return {
    run: async (work) => {
      if (inFlight >= IN_FLIGHT_MAX && waiting.length >= WAITING_MAX) return err('queue-full');
      if (!(await place())) return err('waited-too-long');
      try {
        return ok(await work());
      } finally {
        admitNext();
      }
    },
  };
}

/** One gate for each region, by its normalised endpoint. Bounded by the number of accounts of a gateway. */
export function createRegionGates(now: () => EpochMs): (endpoint: string) => RequestGate {
  const gates = new Map<string, RequestGate>();
  return (endpoint) => {
    const gate = gates.get(endpoint) ?? createRequestGate(now);
    gates.set(endpoint, gate);
    return gate;
  };
}
