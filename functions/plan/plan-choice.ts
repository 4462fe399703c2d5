// Pure. Fills empty slots with candidates, from a fresh inventory, all or none (SPEC.md [MA1]-[MA5], [CL8]).
import { doubling } from '../../shared/backoff.ts';
import { claimOf } from '../../shared/claim.ts';
import type { SlotId, SystemId } from '../../shared/ids.ts';
import type { MachineFacts } from '../../shared/machine.ts';
import { addressName, chooseAddress, chooseDomain } from './choose-address.ts';
import { chooseMachines, type MachineSupply } from './choose-machines.ts';
import { type ClusterState, currentMachines, type PlannedSlot } from './cluster-state.ts';
import { ask } from './command-for.ts';
import { deadlineOf, hasPassed } from './deadlines.ts';
import { type Draft, sendAway } from './draft.ts';
import { emptySlots, slotsToFill } from './gateway-growth.ts';
import { needsAddress } from './plan-address.ts';
import { allocatePending } from './plan-claims.ts';
import { standing } from './plan-leaving.ts';
import type { ResolvedProfile } from './resolve-profile.ts';

export function planChoice(draft: Draft, profile: ResolvedProfile): void {
  const empty = slotsToFill(draft.state, draft.now, draft.waits);
  if (empty.length === 0 && !needsAddress(draft.state)) {
    if (draft.state.inventory !== null) draft.state = { ...draft.state, inventory: null };
    return;
  }
  if (failWhenTooLong(draft) || isGivingBack(draft.state)) return;
  if (isUsable(draft)) return choose(draft, profile, empty);
  if (inventoryDueAt(draft) > draft.now) return;
  const body = { verb: 'observe-inventory' as const, account: draft.state.account };
  ask(draft, 'cluster', body, draft.waits.commandDeadlineMs);
}

function choose(draft: Draft, profile: ResolvedProfile, empty: PlannedSlot[]): void {
  const { state, now } = draft;
  if (state.inventory === null) return;
  const { facts } = state.inventory;
  const chosen = chooseMachines(empty, supplyOf(state, facts.machines, profile.os.architecture, now));
  if (!chosen.ok) return beShort(draft, 'no-matching-machine', chosen.error.sentence);
  const address = needsAddress(state) ? chooseAddress(facts, state.spec.endpoint, state.clusterId) : null;
  if (address !== null && !address.ok) return beShort(draft, address.error.code, address.error.sentence);
  if (address !== null) {
    const fqdn =
      state.address?.fqdn ?? addressName(state.spec.name, state.clusterId, chooseDomain(facts, state.spec.domain));
    const { subnetCidr, candidates } = address.value;
    const asked = { fqdn, subnetCidr, candidates: [...candidates], chosenAt: now, ip: null };
    draft.state = { ...draft.state, address: { ...asked, doubt: state.address?.doubt ?? null, releasedAt: null } };
  }
  for (const planned of empty) addMachine(draft, planned, chosen.value.get(planned.slot) ?? []);
  draft.state = { ...draft.state, shortage: null };
}

/** A new claim: an attempt number is never used twice, so what an older one did can always be told apart (I2). */
function addMachine(draft: Draft, { slot, pool }: PlannedSlot, candidates: SystemId[]): void {
  const { state, now } = draft;
  const memory = state.slots[slot] ?? { lastAttempt: 0, failedAt: [], races: 0 };
  const attempt = memory.lastAttempt + 1;
  const claim = claimOf({ gatewayId: state.gatewayId, clusterId: state.clusterId, slot, attempt });
  const blank = { doubt: null, held: null, deploy: null, maas: null, enrolled: null, document: null };
  const more = { ...blank, steps: [], readyAt: null, relay: null, revision: null, leaving: null };
  const machine = { claim, slot, pool: pool.name, role: pool.role, attempt, candidates, chosenAt: now, ...more };
  const slots = { ...state.slots, [slot]: { ...memory, lastAttempt: attempt } };
  draft.state = { ...state, slots, machines: [...state.machines, machine] };
}

/** What this cluster may choose from: not its own machines, and none in quarantine. */
export function supplyOf(
  state: ClusterState,
  machines: MachineFacts[],
  architecture: string,
  now: number,
): MachineSupply {
  const current = currentMachines(state);
  const own = new Set<SystemId>(
    state.machines.flatMap(({ held, candidates, leaving }) =>
      held !== null ? [held.systemId] : leaving === null ? candidates : [],
    ),
  );
  const quarantined = new Set(
    machines.map((machine) => machine.systemId).filter((id) => (state.quarantine[id]?.until ?? 0) > now),
  );
  const zonesInUse = new Map<string, string[]>();
  for (const machine of current) {
    if (machine.held === null) continue;
    zonesInUse.set(machine.pool, [...(zonesInUse.get(machine.pool) ?? []), machine.held.zone]);
  }
  const free = machines.filter((machine) => !own.has(machine.systemId));
  return { machines: free, architecture, quarantined, zonesInUse, seed: state.clusterId };
}

/** Short: holds nothing. What was taken goes back, once no allocate can still take more. */
function beShort(draft: Draft, code: string, sentence: string): void {
  const { state, now } = draft;
  const since = state.shortage?.since ?? now;
  draft.state = { ...state, shortage: { since, code, sentence } };
  if (state.filledAt !== null || state.machines.some((machine) => allocatePending(state, machine))) return;
  for (const machine of currentMachines(draft.state)) {
    const reason = 'The request could not be filled whole, so it holds nothing.';
    sendAway(draft, machine, { code: 'given-back', reason, memberRemoved: true, nodeRemoved: true });
    if (state.inventory !== null) draft.state = { ...draft.state, inventory: { ...state.inventory, stale: true } };
  }
}

/** What was given back has to be back before it can be chosen again; what MAAS refuses to take back is not waited for. */
function isGivingBack(state: ClusterState): boolean {
  return state.machines.some((machine) => {
    const { leaving } = machine;
    if (leaving?.code !== 'given-back' || leaving.goneAt !== null) return false;
    // It looks as MAAS left it until MAAS has been asked.
    return standing(machine) !== 'fell-back' || (leaving.askedAt === null && leaving.tries === 0);
  });
}

function failWhenTooLong(draft: Draft): boolean {
  const { state, now, waits } = draft;
  const { shortage } = state;
  if (shortage === null || state.provisionedAt !== null) return false;
  if (!hasPassed(deadlineOf(state, shortage.since, waits.shortageDeadlineMs, waits), now)) return false;
  const hours = Math.round(waits.shortageDeadlineMs / 3_600_000);
  const message = `${shortage.sentence} That lasted ${hours} hours. Abort this cluster, and create it again when MAAS has machines for it.`;
  const code = shortage.code === 'no-matching-machine' ? 'NO_MATCHING_MACHINE' : 'NO_ADDRESS';
  draft.state = { ...state, failure: { code, message, at: now } };
  return true;
}

/** Machines change hands, so an inventory is good for one choice and not for long. */
function isUsable({ state, now, waits }: Draft): boolean {
  return state.inventory !== null && !state.inventory.stale && now < state.inventory.at + waits.retryMsMax;
}

/** Not at once after a lost race: the winners need time to take what they want. */
export function inventoryDueAt({ state, waits }: Pick<Draft, 'state' | 'waits'>): number {
  if (state.inventory === null) return 0;
  const races = Math.max(0, ...emptySlots(state).map(({ slot }) => lostRaces(state, slot)));
  const pause = doubling(races, waits.retryMsMin, waits.retryMsMax);
  return state.inventory.stale ? state.inventory.at + pause : state.inventory.at + waits.retryMsMax;
}

const lostRaces = (state: ClusterState, slot: SlotId): number => state.slots[slot]?.races ?? 0;
