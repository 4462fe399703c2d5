// Pure. Takes a machine for every slot, in parallel, each under its own claim (SPEC.md [MA4]-[MA7]).
import { requirementsOf } from './choose-machines.ts';
import {
  type ClusterState,
  currentMachines,
  type MachineRecord,
  type SlotMemory,
  slotsOf,
  subjectOf,
} from './cluster-state.ts';
import { ask } from './command-for.ts';
import { type Draft, forget, sendAway } from './draft.ts';
import type { ResolvedProfile } from './resolve-profile.ts';

/** Claims that lost every race are over: nothing stands under them, unless an earlier answer was lost. */
export function dropLostClaims(draft: Draft): void {
  for (const machine of currentMachines(draft.state)) {
    const trouble = draft.state.troubles[`${subjectOf(machine)}/ensure-allocated`];
    if (machine.held !== null || trouble?.code !== 'NO_CANDIDATE_LEFT') continue;
    if (allocatePending(draft.state, machine)) continue;
    if (machine.doubt === null) forget(draft, machine);
    else {
      const reason = 'Others took every candidate; an earlier answer was lost, so the claim is looked up for a while.';
      sendAway(draft, machine, { code: 'race-lost', reason, memberRemoved: true, nodeRemoved: true });
    }
    const { inventory, slots } = draft.state;
    const memory = slots[machine.slot] ?? { lastAttempt: machine.attempt, failedAt: [], races: 0 };
    draft.state = {
      ...draft.state,
      inventory: inventory === null ? null : { ...inventory, stale: true },
      slots: { ...slots, [machine.slot]: { ...memory, races: memory.races + 1 } },
    };
  }
}

/** Unknown is not failed: after a lost answer the same claim is asked for again, never a new one (C8). */
export function planClaims(draft: Draft, profile: ResolvedProfile): void {
  const { account } = draft.state;
  const pools = new Map(draft.state.spec.pools.map((pool) => [pool.name, pool]));
  for (const machine of currentMachines(draft.state)) {
    const pool = pools.get(machine.pool);
    if (machine.held !== null || pool === undefined) continue;
    const requirements = requirementsOf(pool, profile.os.architecture);
    const { claim, candidates } = machine;
    const body = { verb: 'ensure-allocated' as const, account, claim, candidates, requirements };
    ask(draft, subjectOf(machine), body, draft.waits.allocateDeadlineMs);
  }
  settleFilled(draft);
}

export function allocatePending(state: ClusterState, machine: MachineRecord): boolean {
  return state.pending[`${subjectOf(machine)}/ensure-allocated`] !== undefined;
}

function settleFilled(draft: Draft): void {
  const { state } = draft;
  const held = currentMachines(state).filter((machine) => machine.held !== null);
  if (state.filledAt !== null || held.length < slotsOf(state.spec).length) return;
  const slots = Object.entries(state.slots).map(([slot, memory]): [string, SlotMemory] => [
    slot,
    { ...memory, races: 0 },
  ]);
  draft.state = { ...state, filledAt: draft.now, slots: Object.fromEntries(slots) };
}
