// A relay that leads with others standing by keeps the lease while anything of a cluster is under way, also while there is
// only something to look at (machines being installed, nodes joining): when it falls silent, the edge notices within one
// lease and another one goes on looking (L1, L6). At rest, and without others, it does nothing.
import { DEPLOY_DEADLINE_MS } from '../../shared/limits.ts';
import type { Timers } from '../ports.ts';
import type { Lease } from './lease.ts';
import type { NodeStatus } from './node-status.ts';

/** So long after the last command or fact of a cluster: no step tells nothing for longer than an installation may last. */
const BUSY_MS = DEPLOY_DEADLINE_MS;

export type BusyLease = {
  /** Something of a cluster was ordered or seen. */
  readonly stir: () => void;
  /** This node ends: nothing stirs it any more. */
  readonly rest: () => void;
};

export function createBusyLease(
  lease: Pick<Lease, 'hold'>,
  { standing }: Pick<NodeStatus, 'standing'>,
  timers: Timers,
): BusyLease {
  let release: (() => void) | null = null;
  let cancel = (): void => {};
  let ends = false;
  const letGo = (): void => {
    cancel();
    release?.();
    release = null;
  };
  return {
    stir: () => {
      const { leader, peers } = standing();
      if (ends || !leader || peers.length === 0) return;
      release ??= lease.hold(true);
      cancel();
      cancel = timers.after(BUSY_MS, letGo);
    },
    rest: () => {
      ends = true;
      letGo();
    },
  };
}
