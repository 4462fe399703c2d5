// Pure. What a gateway's machines are for: each carries a relay, and the planner's commands go through them. So a machine that
// goes back takes a relay with it, and the last one can't witness its own end (SPEC.md [GW2]-[GW5], [GW7]).
import { type Claim, parseClaim } from '../../shared/claim.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import { type ClusterState, currentMachines, isReady, type MachineRecord, slotsOf } from './cluster-state.ts';
import type { Unsafe } from './control-plane-safety.ts';
import type { Draft } from './draft.ts';

/** It does what it is there for: its node is Ready, and of a gateway's machine the relay has the key. */
export function isServing(state: ClusterState, machine: MachineRecord): boolean {
  return isReady(state, machine) && (state.kind !== 'gateway' || hasActiveRelay(machine));
}

/** Every slot has a machine that serves. */
export function isWhole(state: ClusterState): boolean {
  return servesFirst(state, slotsOf(state.spec).length);
}

/** The first `count` slots are whole. */
export function servesFirst(state: ClusterState, count: number): boolean {
  return slotsServing(state, count) === Math.min(count, slotsOf(state.spec).length);
}

/** How many of the first `count` slots have a machine that serves. */
export function slotsServing(state: ClusterState, count: number): number {
  const serving = new Set(currentMachines(state).flatMap((machine) => (isServing(state, machine) ? machine.slot : [])));
  return slotsOf(state.spec)
    .slice(0, count)
    .filter(({ slot }) => serving.has(slot)).length;
}

export const hasActiveRelay = ({ relay }: MachineRecord): boolean => relay !== null && relay.status !== 'missing';

/** It was given what a relay pairs with, or has paired. */
export function mayCarryRelay(state: ClusterState, machine: MachineRecord): boolean {
  return state.kind === 'gateway' && (machine.document !== null || machine.relay !== null);
}

/** Without another active relay nobody would be left to carry out what is asked. */
export function mayLoseRelay(state: ClusterState, machine: MachineRecord): Result<null, Unsafe> {
  if (state.kind !== 'gateway' || !hasActiveRelay(machine) || hasOtherRelay(state, machine)) return ok(null);
  return err({ reason: 'another relay to be connected: its own is the only one', lookAt: null });
}

/** Connected, and on no machine that goes back. */
function hasOtherRelay(state: ClusterState, machine: MachineRecord): boolean {
  const leaving = new Set(state.machines.flatMap(({ claim, leaving }) => (leaving === null ? [] : claim)));
  const others = state.relays.filter(
    (relay) => relay.claim !== machine.claim && (relay.claim === null || !leaving.has(relay.claim)),
  );
  return others.some((relay) => relay.state === 'active' && relay.connected);
}

/** [RO5] It goes back though it serves, and no other relay is connected now: it stays until one is. */
export function keepsLastRelay(state: ClusterState, machine: MachineRecord): boolean {
  const { kind, intent, relaysRevoked } = state;
  if (kind !== 'gateway' || intent.kind !== 'present' || relaysRevoked.includes(machine.claim)) return false;
  return machine.leaving?.code === 'outdated' && !hasOtherRelay(state, machine);
}

/** In an end: a machine that may carry a relay is not given back yet, and no relay elsewhere could tell of it. */
export function needsOutsideRelay(state: ClusterState): boolean {
  if (state.kind !== 'gateway' || state.intent.kind === 'present') return false;
  const open = state.machines.some((machine) => machine.leaving?.goneAt == null && mayCarryRelay(state, machine));
  return open && !state.relays.some((relay) => relay.claim === null && relay.state === 'active' && relay.connected);
}

/** Shuts out what has no machine of ours any more: those on their way back, and such that came back after that. */
export function revokeRelays(draft: Draft): void {
  const { state } = draft;
  if (state.kind !== 'gateway' || needsOutsideRelay(state)) return;
  const departing = departingOf(state);
  const due = [...departing].filter((claim) => !state.relaysRevoked.includes(claim));
  for (const claim of due) draft.effects.push({ kind: 'revoke-relay', claim });
  // What is settled for good is forgotten with its machine.
  const kept = state.relaysRevoked.filter((claim) => departing.has(claim));
  if (due.length > 0 || kept.length < state.relaysRevoked.length) {
    draft.state = { ...state, relaysRevoked: [...kept, ...due] };
  }
}

function departingOf(state: ClusterState): Set<Claim> {
  const current = new Set<string>(currentMachines(state).map(({ claim }) => claim));
  const leaving = state.machines.filter((machine) => machine.leaving !== null && mayCarryRelay(state, machine));
  const strays = state.relays.flatMap(({ claim }) =>
    claim !== null && parseClaim(claim)?.clusterId === state.clusterId && !current.has(claim) ? claim : [],
  );
  const departing = new Set([...leaving.map(({ claim }) => claim), ...strays]);
  for (const machine of leaving) if (keepsLastRelay(state, machine)) departing.delete(machine.claim);
  return departing;
}
