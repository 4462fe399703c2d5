// The right to change things, as this incarnation of the relay holds it (L1–L4). Everything is measured on the monotonic
// clock, from the moment the request was sent, so the relay's end of a lease comes before the edge's.
import { LEASE_RELAY_MS, LEASE_RENEW_MS, UNKNOWN_CLAIM_LOOKUP_MS } from '../../shared/limits.ts';
import type { EdgeFrame, RelayFrame } from '../../shared/tunnel-frame.ts';
import type { Log } from '../log.ts';
import { type Ports, sleep } from '../ports.ts';

/** A request unanswered this long is sent again; each is answered in its turn, so an answer is never taken for a later one's. */
const REQUEST_AGAIN_MS = 5_000;
/** The guards of one epoch: every subject of an unsettled mutation (invariant I17), with room. */
const GUARDS_MAX = 4_000;

type Grant = Extract<EdgeFrame, { type: 'lease' }>;

export type Lease = {
  /** L4: waits until the lease is held and the subject is free of older epochs; false when `signal` is aborted first. */
  readonly ensure: (clusterId: string, subject: string, signal: AbortSignal) => Promise<boolean>;
  /** Whether `ensure` would answer at once. */
  readonly isFree: (clusterId: string, subject: string) => boolean;
  /** Whether an incarnation of before may have been changing the subject when a lease was granted, within the last ten minutes. */
  readonly wasGuarded: (clusterId: string, subject: string) => boolean;
  /**
   * While any hold lasts the lease is renewed, so that the steps of a command need not ask anew.
   * @param asks asks for it too: what stands for long without a mutation wants the edge to notice when this node falls silent
   */
  readonly hold: (asks?: boolean) => () => void;
  /** Null while it is not held. */
  readonly epoch: () => number | null;
  /** A session has begun; `send` is its way up. */
  readonly attach: (send: (frame: RelayFrame) => void) => void;
  readonly detach: () => void;
  readonly granted: (frame: Grant) => void;
  readonly refused: (frame: Extract<EdgeFrame, { type: 'lease-refused' }>) => void;
  /** L8. Given back for good: this incarnation changes nothing any more. */
  readonly end: () => void;
};

type State = {
  epoch: number | null;
  heldUntilMs: number;
  /** So long after a grant it is renewed. */
  renewMs: number;
  /** When the requests under way were sent, oldest first. */
  readonly asked: number[];
  readonly guards: Map<string, number>;
  readonly wakers: Set<() => void>;
  send: ((frame: RelayFrame) => void) | null;
  holds: number;
  waiting: number;
  isOver: boolean;
  cancelNext: () => void;
};

/** @param says gives a lease back in so many words; else it is let lapse, as the edge of before expects */
export function createLease(
  { clock, timers }: Ports,
  log: Log,
  says: { readonly releases: boolean } = { releases: false },
): Lease {
  const state = beforeAnyLease();
  const isHeld = (): boolean => clock.monotonicMs() < state.heldUntilMs;
  const request = (): void => {
    state.cancelNext();
    if (state.send !== null && !isWanted(state) && says.releases) giveBack(state, isHeld());
    if (state.send === null || !isWanted(state) || state.isOver) return;
    state.asked.push(clock.monotonicMs());
    state.cancelNext = timers.after(REQUEST_AGAIN_MS, request);
    state.send({ v: 1, type: 'lease-request', epoch: isHeld() ? state.epoch : null });
  };
  const next = (delayMs: number): void => {
    state.cancelNext();
    state.cancelNext = timers.after(delayMs, request);
  };

  return {
    epoch: () => (isHeld() ? state.epoch : null),
    hold: (asks = false) => {
      state.holds += 1;
      if (state.holds === 1 && isHeld()) next(state.renewMs);
      if (asks && !isHeld() && state.asked.length === 0) request();
      let over = false;
      return () => {
        if (!over) state.holds -= 1;
        over = true;
      };
    },
    isFree: (clusterId, subject) =>
      isHeld() && (state.guards.get(`${clusterId}/${subject}`) ?? 0) <= clock.monotonicMs(),
    wasGuarded: (clusterId, subject) => state.guards.has(`${clusterId}/${subject}`),
    ensure: async (clusterId, subject, signal) => {
      const key = `${clusterId}/${subject}`;
      while (!signal.aborted) {
        const guardMs = (state.guards.get(key) ?? 0) - clock.monotonicMs();
        if (isHeld() && guardMs <= 0) return true;
        if (isHeld()) {
          log.debug('waits-for-older-epoch', { clusterId, subject, waitMs: Math.ceil(guardMs) });
          state.waiting += 1;
          await sleep(timers, guardMs, signal);
          state.waiting -= 1;
        } else await changed(state, signal, request);
      }
      return false;
    },
    attach: (send) => {
      state.send = send;
      state.asked.length = 0;
      // L2: what this session brings is not for a lease of before; the edge may have given it to another one meanwhile.
      state.heldUntilMs = 0;
      request();
    },
    detach: () => {
      state.send = null;
      state.asked.length = 0;
      state.cancelNext();
    },
    granted: (frame) => {
      const { epoch } = frame;
      if (epoch !== state.epoch) log.info('lease-granted', { epoch, guards: frame.guards.length });
      if (!take(state, frame, clock.monotonicMs())) return;
      next(state.renewMs);
      for (const waker of [...state.wakers]) waker();
    },
    refused: ({ retryAfterMs }) => {
      state.asked.shift();
      state.heldUntilMs = 0;
      log.info('lease-refused', { retryAfterMs });
      next(Math.max(retryAfterMs, 100));
    },
    end: () => {
      state.isOver = true;
      state.cancelNext();
      if (says.releases) giveBack(state, isHeld());
    },
  };
}

const isWanted = ({ holds, waiting }: State): boolean => holds > 0 || waiting > 0;

function beforeAnyLease(): State {
  return {
    epoch: null,
    heldUntilMs: 0,
    renewMs: LEASE_RENEW_MS,
    asked: [],
    guards: new Map(),
    wakers: new Set(),
    send: null,
    holds: 0,
    waiting: 0,
    isOver: false,
    cancelNext: () => {},
  };
}

/** From here on nothing may be changed, until it is granted again. */
function giveBack(state: State, isHeld: boolean): void {
  if (!isHeld || state.epoch === null) return;
  state.heldUntilMs = 0;
  state.send?.({ v: 1, type: 'lease-release', epoch: state.epoch });
}

/** False for an answer that nobody asked for, and for one of an older epoch. */
function take(state: State, { epoch, durationMs, guards }: Grant, nowMs: number): boolean {
  const askedAtMs = state.asked.shift();
  if (askedAtMs === undefined || state.isOver || epoch < (state.epoch ?? 0)) return false;
  state.epoch = epoch;
  // L2. The edge counts longer, and from its answer.
  const heldMs = Math.min(LEASE_RELAY_MS, durationMs);
  state.heldUntilMs = askedAtMs + heldMs;
  // A shorter lease than usual is renewed as much sooner; else it would lapse again and again.
  state.renewMs = Math.floor((heldMs * LEASE_RENEW_MS) / LEASE_RELAY_MS);
  takeGuards(state.guards, guards, nowMs);
  return true;
}

/** Asks for the lease and waits until something changes. */
async function changed(state: State, signal: AbortSignal, request: () => void): Promise<void> {
  state.waiting += 1;
  const { promise, resolve } = Promise.withResolvers<void>();
  const waker = (): void => resolve();
  state.wakers.add(waker);
  signal.addEventListener('abort', waker);
  if (state.asked.length === 0) request();
  await promise;
  signal.removeEventListener('abort', waker);
  state.wakers.delete(waker);
  state.waiting -= 1;
}

function takeGuards(known: Map<string, number>, guards: Grant['guards'], nowMs: number): void {
  // Kept beyond their end: what was sent before may be served later than any guard waits (C12).
  const keptMs = known.size > GUARDS_MAX ? 0 : UNKNOWN_CLAIM_LOOKUP_MS;
  for (const [key, untilMs] of known) if (untilMs + keptMs <= nowMs) known.delete(key);
  for (const { clusterId, subject, waitMs } of guards.slice(0, GUARDS_MAX)) {
    known.set(`${clusterId}/${subject}`, nowMs + waitMs);
  }
}
