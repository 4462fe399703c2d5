// Pure. What the planner would choose now, without choosing it (SPEC.md [PV1], [PV2]). The plan routes answer with it.
import type { ClusterPlan, PoolFunnel } from '../../shared/cluster-plan.ts';
import type { ClusterProfile } from '../../shared/cluster-profile.ts';
import type { ClusterSpec } from '../../shared/cluster-spec.ts';
import type { ClusterId, SlotId, SystemId } from '../../shared/ids.ts';
import type { InventoryFacts } from '../../shared/inventory.ts';
import { funnelOf, funnelSentence } from '../../shared/machine-funnel.ts';
import { type ApiFailure, apiFailure } from '../../shared/problem.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import { chooseAddress } from './choose-address.ts';
import { chooseMachines, type MachineSupply, requirementsOf, type Shortage } from './choose-machines.ts';
import { type ClusterState, machineOfSlot, type PlannedSlot, slotsOf } from './cluster-state.ts';
import { supplyOf } from './plan-choice.ts';
import { resolveProfile } from './resolve-profile.ts';

export type ClusterPreview = {
  /** Decides among equals, as it will for the cluster itself. */
  readonly clusterId: ClusterId;
  readonly spec: ClusterSpec;
  readonly profile: ClusterProfile;
  readonly inventory: InventoryFacts;
};

/**
 * `state` null: a cluster that is not there yet. NO_MATCHING_MACHINE with the funnels, IP_SHORTAGE, CLUSTER_ENDING, or
 * PROFILE_PARAMETER_UNKNOWN when the profile can't be used.
 */
export function previewCluster(
  state: ClusterState | null,
  asked: ClusterPreview,
  now: number,
): Result<ClusterPlan, ApiFailure> {
  if (state !== null && state.intent.kind !== 'present') return err(apiFailure('CLUSTER_ENDING'));
  const { spec, inventory } = asked;
  const profile = resolveProfile(asked.profile, spec.parameters);
  if (!profile.ok) return err(apiFailure('PROFILE_PARAMETER_UNKNOWN', profile.error.detail));
  const supply = supplyFor(state, asked, profile.value.os.architecture, now);
  const slots = slotsOf(spec);
  const empty = slots.filter(({ slot }) => state === null || machineOfSlot(state, slot) === null);
  const pools = spec.pools.map((pool) => poolFunnel(pool, empty, supply));
  const chosen = chooseMachines(empty, supply);
  if (!chosen.ok) return err(noMatch(chosen.error, pools));
  const address = addressFor(state, asked);
  if (!address.ok) return address;
  const known = new Map(inventory.machines.map((machine) => [machine.systemId, machine]));
  return ok({ pools, address: address.value, slots: slots.map((one) => slotPlan(state, one, chosen.value, known)) });
}

function supplyFor(
  state: ClusterState | null,
  { clusterId, inventory }: ClusterPreview,
  architecture: string,
  now: number,
): MachineSupply {
  const { machines } = inventory;
  if (state !== null) return supplyOf(state, machines, architecture, now);
  return { machines, architecture, quarantined: new Set(), zonesInUse: new Map(), seed: clusterId };
}

function poolFunnel(pool: PlannedSlot['pool'], empty: readonly PlannedSlot[], supply: MachineSupply): PoolFunnel {
  const needed = empty.filter((planned) => planned.pool.name === pool.name).length;
  const { steps } = funnelOf(supply, requirementsOf(pool, supply.architecture));
  return {
    pool: pool.name,
    role: pool.role,
    needed,
    steps: [...steps],
    sentence: funnelSentence(pool.name, needed, steps),
  };
}

/** The funnel of the pool that comes short says also what other pools of the cluster take. */
function noMatch(shortage: Shortage, pools: readonly PoolFunnel[]): ApiFailure {
  const { pool, funnel, sentence } = shortage;
  const funnels = pools.map((one) => (one.pool === pool ? { ...one, steps: [...funnel], sentence } : one));
  return apiFailure('NO_MATCHING_MACHINE', sentence, { pool, funnel: funnels });
}

function addressFor(
  state: ClusterState | null,
  { clusterId, spec, inventory }: ClusterPreview,
): Result<ClusterPlan['address'], ApiFailure> {
  const had = state?.address ?? null;
  if (had !== null) {
    const { subnetCidr, ip, candidates } = had;
    return ok({ subnetCidr, candidates: ip === null ? candidates : [ip] });
  }
  const chosen = chooseAddress(inventory, spec.endpoint, clusterId);
  if (!chosen.ok) return err(apiFailure('IP_SHORTAGE', chosen.error.sentence));
  return ok({ subnetCidr: chosen.value.subnetCidr, candidates: [...chosen.value.candidates] });
}

function slotPlan(
  state: ClusterState | null,
  { slot, pool }: PlannedSlot,
  chosen: ReadonlyMap<SlotId, SystemId[]>,
  known: ReadonlyMap<SystemId, InventoryFacts['machines'][number]>,
): ClusterPlan['slots'][number] {
  const of = { slot, pool: pool.name, role: pool.role };
  const current = state === null ? null : machineOfSlot(state, slot);
  if (current !== null && current.held !== null) {
    const { systemId, hostname, zone } = current.held;
    return { ...of, held: true, machine: { systemId, hostname, zone }, alternatives: [] };
  }
  const [first, ...alternatives] = current?.candidates ?? chosen.get(slot) ?? [];
  const facts = first === undefined ? undefined : known.get(first);
  if (facts === undefined) return { ...of, held: false, machine: null, alternatives };
  const { systemId, hostname, zone } = facts;
  return { ...of, held: false, machine: { systemId, hostname, zone }, alternatives };
}
