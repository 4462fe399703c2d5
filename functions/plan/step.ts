// Pure. One turn of a cluster: fold a fact in, plan, and record in the state what the plan asks for, so that planning again
// asks for nothing twice.
import type { Waits } from '../../shared/limits.ts';
import { applyEvent } from './apply-event.ts';
import type { ClusterEvent } from './cluster-event.ts';
import type { ClusterState } from './cluster-state.ts';
import type { Plan } from './plan.ts';
import { decide } from './plan-cluster.ts';

const NOTHING: Plan = { effects: [], wakeAt: null, waitingOn: [] };

/** May be called with no event (an alarm, a sweep) and any number of times. State and plan must be stored together. */
export function step(
  state: ClusterState | null,
  event: ClusterEvent | null,
  now: number,
  waits: Waits,
): { state: ClusterState | null; plan: Plan } {
  const next = event === null ? state : applyEvent(state, event);
  return next === null ? { state: null, plan: NOTHING } : decide(state, next, now, waits);
}
