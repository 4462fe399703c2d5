// Join counters for two dials at once: of this process and of the trial of a new program. The edge takes a counter that is not
// higher than the last one as a cloned folder (T3), so while one is lent this process dials with none.
import { ok, type Result } from '../../shared/result.ts';
import type { Journal } from '../journal.ts';
import type { SessionPart } from '../tunnel/session-part.ts';

export type JoinCounters = {
  /** For this process's own dials. */
  readonly next: Journal['nextJoinCounter'];
  /** For one dial of the trial: waits until this process's own session is open. Nobody dials until it is given back. */
  readonly lend: () => Promise<Result<Loan, { readonly detail: string }>>;
  /** Tells it of this process's sessions. */
  readonly part: SessionPart;
};
export type Loan = { readonly counter: number; readonly giveBack: () => void };

export function createJoinCounters(next: Journal['nextJoinCounter']): JoinCounters {
  let lent: Promise<void> | null = null;
  let isOpen = false;
  let waiting: (() => void)[] = [];
  return {
    next: async () => {
      while (lent !== null) await lent;
      return next();
    },
    lend: async () => {
      while (!isOpen) await new Promise<void>((resolve) => void waiting.push(resolve));
      let giveBack = (): void => {};
      lent = new Promise((resolve) => {
        giveBack = () => {
          lent = null;
          resolve();
        };
      });
      const counter = await next();
      if (!counter.ok) giveBack();
      return counter.ok ? ok({ counter: counter.value, giveBack }) : counter;
    },
    part: {
      attach: () => {
        isOpen = true;
        for (const wake of waiting) wake();
        waiting = [];
      },
      detach: () => {
        isOpen = false;
      },
      take: () => {},
    },
  };
}
