// Pure. Which machines to try for which slots, or a funnel that says what excludes them (SPEC.md [MA1]-[MA3]). Used by the
// planner and by the plan route.
import type { ClusterSpec } from '../../shared/cluster-spec.ts';
import type { SlotId, SystemId } from '../../shared/ids.ts';
import { CANDIDATES_MAX } from '../../shared/limits.ts';
import type { MachineFacts, MachineRequirements } from '../../shared/machine.ts';
import { type FunnelStep, funnelOf, funnelSentence } from '../../shared/machine-funnel.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import { hashText } from './hash-text.ts';
import { bestOf, zoneQueues } from './zone-queues.ts';

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
  const pools = mostConstrainedFirst(needs, supply);
  for (const { pool, fitting } of pools) {
    const slots = needs.filter((need) => need.pool.name === pool.name);
    const next = takeTurns(pool, fitting, choice, supply);
    for (const need of slots) {
      const machine = next();
      if (machine === null) return err(shortageOf(pool, slots.length, supply, choice));
      choice.taken.add(machine.systemId);
      choice.primaries.push({ need, machine });
    }
  }
  return ok(withAlternatives(choice, pools));
}

export function requirementsOf(pool: Pool, architecture: string): MachineRequirements {
  const { resourcePool, zones, tags, notTags, systemIds } = pool.placement;
  return { minimums: pool.minimums, resourcePool, zones, tags, notTags, systemIds, architecture };
}

type Primary = { readonly need: SlotNeed; readonly machine: MachineFacts };
type Choice = { readonly taken: Set<SystemId>; readonly primaries: Primary[] };

type PoolSupply = { readonly pool: Pool; readonly fitting: readonly MachineFacts[] };

/** A pool that few machines fit chooses before one that takes anything. */
function mostConstrainedFirst(needs: readonly SlotNeed[], supply: MachineSupply): PoolSupply[] {
  const pools = [...new Map(needs.map((need) => [need.pool.name, need.pool])).values()];
  return pools
    .map((pool) => ({ pool, fitting: eligibleFor(pool, supply) }))
    .sort((a, b) => a.fitting.length - b.fitting.length);
}

/** What fits, the smallest first (as MAAS itself chooses), equals in an order of this cluster's own. */
function eligibleFor(pool: Pool, supply: MachineSupply): MachineFacts[] {
  return funnelOf(supply, requirementsOf(pool, supply.architecture))
    .fitting.map((machine) => ({
      machine,
      cost: machine.cpuCores + machine.memoryMiB / 1_024,
      order: hashText(`${supply.seed}/${machine.systemId}`),
    }))
    .sort((a, b) => a.cost - b.cost || a.order - b.order)
    .map(({ machine }) => machine);
}

/** One machine after another, by the pool's spread over zones; null when none is left that keeps to it. */
function takeTurns(
  pool: Pool,
  fitting: readonly MachineFacts[],
  choice: Choice,
  supply: MachineSupply,
): () => MachineFacts | null {
  const queues = zoneQueues(fitting, choice.taken);
  const used = new Map<string, number>();
  const count = (zone: string): number => used.get(zone) ?? 0;
  for (const zone of supply.zonesInUse.get(pool.name) ?? []) used.set(zone, count(zone) + 1);
  const most = Math.ceil(pool.size / Math.max(1, queues.zones.length));
  const { spread } = pool.placement;
  // Packing: the zone used most, and among unused ones the one with most machines.
  const order = (zone: string): number => (spread === 'pack' ? -(count(zone) * 1e6 + queues.left(zone)) : count(zone));
  return () => {
    const machine = bestOf(queues, order);
    if (machine === null || (spread === 'strict' && count(machine.zone) >= most)) return null;
    used.set(machine.zone, count(machine.zone) + 1);
    return machine;
  };
}

/** What is left over is dealt out, the same zone first, so that a lost race costs no new inventory. */
function withAlternatives(choice: Choice, pools: readonly PoolSupply[]): Map<SlotId, SystemId[]> {
  const candidates = new Map(choice.primaries.map(({ need, machine }) => [need.slot, [machine.systemId]]));
  const left = new Map(pools.map(({ pool, fitting }) => [pool.name, zoneQueues(fitting, choice.taken)]));
  for (let round = 1; round < CANDIDATES_MAX; round++) {
    for (const { need, machine } of choice.primaries) {
      const queues = left.get(need.pool.name);
      const sameZone = queues?.head(machine.zone)?.machine ?? null;
      const elsewhere = need.pool.placement.spread !== 'strict' && sameZone === null && queues !== undefined;
      const next = elsewhere ? bestOf(queues, () => 0) : sameZone;
      if (next === null) continue;
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
