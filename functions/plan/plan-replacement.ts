// Pure. A machine that failed is remembered, given back and replaced, a few times; then the cluster fails with a reason
// (SPEC.md [MA9]-[MA14], [CP5]-[CP7]).
import { doubling } from '../../shared/backoff.ts';
import type { SystemId } from '../../shared/ids.ts';
import { QUARANTINE_MS_MAX, QUARANTINE_MS_MIN, SLOT_TRIES_MAX } from '../../shared/limits.ts';
import { type ClusterState, currentMachines, type MachineRecord, nodeOf, subjectOf } from './cluster-state.ts';
import { mayRemoveMember, wasMember } from './control-plane-safety.ts';
import { deadlineOf, hasPassed } from './deadlines.ts';
import { type Draft, sendAway } from './draft.ts';
import { mayLoseRelay } from './gateway-relays.ts';
import { type Fault, machineFault } from './machine-fault.ts';

/** After a cluster has run, older failures of a slot no longer count: hardware fails now and then. */
export const TRIES_WINDOW_MS = 24 * 3_600_000;

export function replaceFailed(draft: Draft): void {
  for (const machine of currentMachines(draft.state)) {
    if (draft.state.failure !== null) return;
    const fault = machineFault(draft.state, machine, draft.now, draft.waits);
    if (fault !== null) replace(draft, machine, fault);
  }
}

function replace(draft: Draft, machine: MachineRecord, fault: Fault): void {
  const { state, now } = draft;
  const safe = mayRemoveMember(state, machine);
  if (!safe.ok) return keepWithoutQuorum(draft, machine, fault, safe.error.reason);
  if (!mayLoseRelay(state, machine).ok) return;
  const failedAt = recentFailures(state, machine.slot, now);
  // MAAS refuses the values, not the machine: another machine would be refused as well.
  const hopeless = fault.code === 'MAAS_REFUSED';
  if (failedAt.length + 1 >= SLOT_TRIES_MAX || hopeless) {
    if (state.provisionedAt === null) fail(draft, machine, fault, failedAt.length + 1);
    return;
  }
  const memory = state.slots[machine.slot] ?? { lastAttempt: machine.attempt, failedAt: [], races: 0 };
  const slots = { ...state.slots, [machine.slot]: { ...memory, failedAt: [...failedAt, now] } };
  draft.state = quarantined({ ...state, slots }, suspectOf(state, machine), fault, now);
  const joined = machine.document !== null && state.api?.firstReadyAt != null;
  const node = joined || nodeOf(state, machine)?.present === true;
  const { code, reason } = fault;
  sendAway(draft, machine, { code, reason, memberRemoved: !wasMember(state, machine), nodeRemoved: !node });
}

/** Failures of the slot that still count. */
export function recentFailures(state: ClusterState, slot: string, now: number): number[] {
  const failedAt = state.slots[slot]?.failedAt ?? [];
  return state.provisionedAt === null ? failedAt : failedAt.filter((at) => at > now - TRIES_WINDOW_MS);
}

/** Before it ever ran, a cluster without quorum can't come right: after a while it says so. */
function keepWithoutQuorum(draft: Draft, machine: MachineRecord, fault: Fault, reason: string): void {
  const { state, now, waits } = draft;
  if (state.provisionedAt !== null) return;
  const alone = state.spec.pools.every((pool) => pool.role === 'worker' || pool.size === 1);
  if (!alone && !hasPassed(deadlineOf(state, fault.since, waits.joinDeadlineMs, waits), now)) return;
  const what = alone ? 'it was the only control-plane machine and its data is gone with it' : `waiting for ${reason}`;
  const message = `${nameOf(machine)} failed: ${fault.reason}; ${what}. Everything is kept as it is; abort to give it back.`;
  draft.state = { ...state, failure: { code: 'CONTROL_PLANE_LOST', message, at: now } };
}

function fail(draft: Draft, machine: MachineRecord, fault: Fault, tries: number): void {
  const machines = tries === 1 ? 'A machine' : `${tries} machines`;
  const message = `${machines} failed in slot ${machine.slot}; the last was ${nameOf(machine)}: ${fault.reason}. Everything is kept as it is for you to look at; abort to give it back.`;
  draft.state = { ...draft.state, failure: { code: fault.code, message, at: draft.now } };
}

/** Left alone from an hour to a week, doubling each time it fails (features §2 row 6). */
function quarantined(state: ClusterState, systemId: SystemId | null, fault: Fault, now: number): ClusterState {
  if (systemId === null) return state;
  const times = (state.quarantine[systemId]?.times ?? 0) + 1;
  const until = now + doubling(times - 1, QUARANTINE_MS_MIN, QUARANTINE_MS_MAX);
  return { ...state, quarantine: { ...state.quarantine, [systemId]: { until, times, reason: fault.reason } } };
}

function suspectOf(state: ClusterState, machine: MachineRecord): SystemId | null {
  if (machine.held !== null) return machine.held.systemId;
  return state.troubles[`${subjectOf(machine)}/ensure-allocated`]?.systemId ?? null;
}

export const nameOf = (machine: MachineRecord): string =>
  machine.held === null ? machine.slot : `${machine.slot} (${machine.held.hostname})`;
