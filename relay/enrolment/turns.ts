// Machines whose turn it is: the documents that `ensure-bootstrap` commands hold ready, and the machines that wait for one.
import type { BootstrapDocument } from '../../shared/bootstrap.ts';
import type { Claim } from '../../shared/claim.ts';
import type { EpochMs, SystemId } from '../../shared/ids.ts';
import type { ClusterIdentity } from '../bootstrap/cluster-identity.ts';
import type { KubernetesCall } from '../kubernetes/kubernetes-api.ts';
import { sleep, type Timers } from '../ports.ts';
import type { Filling } from './fill-document.ts';

export type Turn = {
  readonly claim: Claim;
  readonly systemId: SystemId;
  readonly document: BootstrapDocument;
  readonly identity: ClusterIdentity;
  /** The host in the cluster's endpoint, which no node may take for its own address. */
  readonly virtualAddress: string;
  readonly mintJoinToken: () => KubernetesCall<string>;
};

/** A filled document is handed out again so long, to a machine whose first answer was cut; a join token lives longer. */
const FILLED_MS = 4 * 60_000;

export type Turns = {
  /** Holds the turn until it is acknowledged (when) or `signal` is aborted (null). A later one of the claim replaces it. */
  readonly hold: (turn: Turn, signal: AbortSignal) => Promise<EpochMs | null>;
  /** The turn of a claim, waited for; null when it didn't come in time. */
  readonly arrived: (claim: Claim, waitMs: number, signal: AbortSignal) => Promise<Turn | null>;
  /** What `fill` answers, asked once for several fetches of the same turn. */
  readonly filled: (turn: Turn, now: EpochMs, fill: () => Filling) => Filling;
  readonly acknowledge: (claim: Claim, at: EpochMs) => void;
};

type Held = { readonly turn: Turn; readonly settle: (at: EpochMs | null) => void };
type Kept = { readonly at: EpochMs; readonly document: Filling };

export function createTurns(timers: Timers): Turns {
  const held = new Map<Claim, Held>();
  const waiting = new Map<Claim, Set<() => void>>();
  const fillings = new WeakMap<Turn, Kept>();

  async function waitFor(claim: Claim, waitMs: number, signal: AbortSignal): Promise<void> {
    const here = new AbortController();
    const wake = (): void => here.abort();
    const others = waiting.get(claim) ?? new Set();
    waiting.set(claim, others.add(wake));
    await sleep(timers, waitMs, AbortSignal.any([signal, here.signal]));
    others.delete(wake);
    if (others.size === 0) waiting.delete(claim);
  }

  return {
    hold: (turn, signal) =>
      new Promise((resolve) => {
        const leave = (): void => settle(null);
        const settle = (at: EpochMs | null): void => {
          if (held.get(turn.claim) === mine) held.delete(turn.claim);
          signal.removeEventListener('abort', leave);
          resolve(at);
        };
        const mine: Held = { turn, settle };
        if (signal.aborted) return resolve(null);
        signal.addEventListener('abort', leave);
        held.get(turn.claim)?.settle(null);
        held.set(turn.claim, mine);
        for (const wake of waiting.get(turn.claim) ?? []) wake();
      }),
    arrived: async (claim, waitMs, signal) => {
      if (!held.has(claim) && waitMs > 0) await waitFor(claim, waitMs, signal);
      return held.get(claim)?.turn ?? null;
    },
    filled: async (turn, now, fill) => {
      const before = fillings.get(turn);
      if (before !== undefined && now - before.at < FILLED_MS) return before.document;
      const filling = { at: now, document: fill() };
      fillings.set(turn, filling);
      const document = await filling.document;
      if (!document.ok && fillings.get(turn) === filling) fillings.delete(turn);
      return document;
    },
    acknowledge: (claim, at) => held.get(claim)?.settle(at),
  };
}
