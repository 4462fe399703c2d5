// Pure. Which empty slots may be filled now. A gateway that runs takes one machine after another, and only while its control
// plane could take a member: what carries the planner's own commands is never changed in two places (SPEC.md [GW6]).
import type { Waits } from '../../shared/limits.ts';
import { err, type Result } from '../../shared/result.ts';
import { type ClusterState, currentMachines, type PlannedSlot, slotsOf } from './cluster-state.ts';
import { mayAddMember, type Unsafe } from './control-plane-safety.ts';
import { isToBeJoined } from './gateway-rollout.ts';
import { nameOf } from './plan-replacement.ts';

/** Those too whose only machine goes when a second one serves beside it ([RO4]). */
export function emptySlots(state: ClusterState): PlannedSlot[] {
  const current = currentMachines(state);
  return slotsOf(state.spec).filter(({ slot }) => {
    const inSlot = current.filter((machine) => machine.slot === slot);
    return inSlot.length === 0 || isToBeJoined(state, inSlot);
  });
}

/** Those of the empty slots whose turn it is. */
export function slotsToFill(state: ClusterState, now: number, waits: Waits): PlannedSlot[] {
  const empty = emptySlots(state);
  if (!takesTurns(state)) return empty;
  return mayTakeMachine(state, now, waits).ok ? empty.slice(0, 1) : [];
}

export const takesTurns = ({ kind, provisionedAt }: ClusterState): boolean =>
  kind === 'gateway' && provisionedAt !== null;

/** For a gateway that runs. */
export function mayTakeMachine(state: ClusterState, now: number, waits: Waits): Result<null, Unsafe> {
  const onItsWay = currentMachines(state).find(({ readyAt, relay }) => readyAt === null || relay?.activeAt == null);
  if (onItsWay === undefined) return mayAddMember(state, now, waits);
  const what = onItsWay.readyAt === null ? 'to be Ready' : 'to have an active relay';
  return err({ reason: `${nameOf(onItsWay)} ${what}`, lookAt: null });
}
