// Pure. Which machines to try for which slots, or a funnel that says what excludes them (SPEC.md [MA1]-[MA3]). Used by the
// planner and by the plan route.
import type { ClusterSpec } from '../../shared/cluster-spec.ts';
import type { SlotId, SystemId } from '../../shared/ids.ts';
import { CANDIDATES_MAX } from '../../shared/limits.ts';
import type { MachineFacts, MachineRequirements } from '../../shared/machine.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import { hashText } from './hash-text.ts';
import { type FunnelStep, funnelOf, funnelSentence } from './machine-funnel.ts';

type Pool = ClusterSpec['pools'][number];
export type SlotNeed = { readonly slot: SlotId; readonly pool: Pool };

export type MachineSupply = {
  readonly machines: readonly MachineFacts[];
  readonly architecture: string;
  /** Not to be used: quarantined after a failure. */
  readonly quarantined: ReadonlySet<SystemId>;
  /** Zones in which each pool has machines already. */
  readonly zonesInUse: ReadonlyMap<string, readonly string[]>;
  /** Varies the order among equals, so that clusters that race do not try the same machines. */
  readonly seed: string;
};

export type Shortage = {
  readonly pool: string;
  readonly needed: number;
  readonly funnel: readonly FunnelStep[];
  readonly sentence: string;
};

/** Candidates for every slot, best first, at most 5 each and none for two slots; or the first pool that can't be filled. */
export function chooseMachines(
  needs: readonly SlotNeed[],
  supply: MachineSupply,
): Result<Map<SlotId, SystemId[]>, Shortage> {
  const choice: Choice = { taken: new Set(), primaries: [] };
  for (const pool of mostConstrainedFirst(needs, supply)) {
    const slots = needs.filter((need) => need.pool.name === pool.name);
    for (const [filled, need] of slots.entries()) {
      const machine = nextMachine(pool, eligibleFor(pool, supply), choice, supply, slots.length - filled);
      if (machine === null) return err(shortageOf(pool, slots.length, supply, choice));
      choice.taken.add(machine.systemId);
      choice.primaries.push({ need, machine });
    }
  }
  return ok(withAlternatives(choice, supply));
}

export function requirementsOf(pool: Pool, architecture: string): MachineRequirements {
  const { resourcePool, zones, tags, notTags, systemIds } = pool.placement;
  return { minimums: pool.minimums, resourcePool, zones, tags, notTags, systemIds, architecture };
}

type Primary = { readonly need: SlotNeed; readonly machine: MachineFacts };
type Choice = { readonly taken: Set<SystemId>; readonly primaries: Primary[] };

/** A pool that few machines fit chooses before one that takes anything. */
function mostConstrainedFirst(needs: readonly SlotNeed[], supply: MachineSupply): Pool[] {
  const pools = [...new Map(needs.map((need) => [need.pool.name, need.pool])).values()];
  return pools
    .map((pool) => ({ pool, fitting: eligibleFor(pool, supply).length }))
    .sort((a, b) => a.fitting - b.fitting)
    .map(({ pool }) => pool);
}

/** What fits, the smallest first (as MAAS itself chooses), equals in an order of this cluster's own. */
function eligibleFor(pool: Pool, supply: MachineSupply): MachineFacts[] {
  const { fitting } = funnelOf(supply, requirementsOf(pool, supply.architecture));
  const cost = (machine: MachineFacts): number => machine.cpuCores + machine.memoryMiB / 1_024;
  const order = (machine: MachineFacts): number => hashText(`${supply.seed}/${machine.systemId}`);
  return fitting.sort((a, b) => cost(a) - cost(b) || order(a) - order(b));
}

function nextMachine(
  pool: Pool,
  eligible: readonly MachineFacts[],
  choice: Choice,
  supply: MachineSupply,
  stillNeeded: number,
): MachineFacts | null {
  const free = eligible.filter((machine) => !choice.taken.has(machine.systemId));
  if (free.length < stillNeeded) return null;
  const used = zonesUsed(pool, choice, supply);
  const count = (zone: string): number => used.filter((other) => other === zone).length;
  if (pool.placement.spread === 'pack') {
    const left = (zone: string): number => free.filter((machine) => machine.zone === zone).length;
    return free.toSorted((a, b) => count(b.zone) - count(a.zone) || left(b.zone) - left(a.zone))[0] ?? null;
  }
  const best = free.toSorted((a, b) => count(a.zone) - count(b.zone))[0] ?? null;
  if (best !== null && pool.placement.spread === 'strict') {
    const zones = new Set(eligible.map((machine) => machine.zone)).size;
    if (count(best.zone) >= Math.ceil(pool.size / zones)) return null;
  }
  return best;
}

function zonesUsed(pool: Pool, choice: Choice, supply: MachineSupply): string[] {
  const chosen = choice.primaries.filter(({ need }) => need.pool.name === pool.name).map(({ machine }) => machine.zone);
  return [...(supply.zonesInUse.get(pool.name) ?? []), ...chosen];
}

/** What is left over is dealt out, the same zone first, so that a lost race costs no new inventory. */
function withAlternatives(choice: Choice, supply: MachineSupply): Map<SlotId, SystemId[]> {
  const candidates = new Map(choice.primaries.map(({ need, machine }) => [need.slot, [machine.systemId]]));
  const eligible = new Map(choice.primaries.map(({ need }) => [need.pool.name, need.pool]));
  const byPool = new Map([...eligible].map(([name, pool]) => [name, eligibleFor(pool, supply)]));
  for (let round = 1; round < CANDIDATES_MAX; round++) {
    for (const { need, machine } of choice.primaries) {
      const left = (byPool.get(need.pool.name) ?? []).filter((other) => !choice.taken.has(other.systemId));
      const sameZone = left.find((other) => other.zone === machine.zone);
      const next = need.pool.placement.spread === 'strict' ? sameZone : (sameZone ?? left[0]);
      if (next === undefined) continue;
      choice.taken.add(next.systemId);
      candidates.get(need.slot)?.push(next.systemId);
    }
  }
  return candidates;
}

function shortageOf(pool: Pool, needed: number, supply: MachineSupply, choice: Choice): Shortage {
  const { steps, fitting } = funnelOf(supply, requirementsOf(pool, supply.architecture));
  const left = fitting.filter((machine) => !choice.taken.has(machine.systemId)).length;
  const own = choice.primaries.filter(({ need }) => need.pool.name === pool.name).length;
  const others = fitting.length - left - own;
  const funnel =
    others > 0 ? [...steps, { label: `${left + own} not taken by another pool`, left: left + own }] : steps;
  const strict = left > 0 && left + own >= needed ? ' in enough zones' : '';
  return { pool: pool.name, needed, funnel, sentence: funnelSentence(pool.name, needed, funnel, strict) };
}
