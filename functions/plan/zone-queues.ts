// Pure. The machines of a pool, best first, by zone: taking the next one costs the number of zones, not of machines.
import type { SystemId } from '../../shared/ids.ts';
import type { MachineFacts } from '../../shared/machine.ts';

type Ranked = { readonly machine: MachineFacts; readonly rank: number };

export type ZoneQueues = {
  /** The best of the zone that nobody has taken; null when it is empty. */
  readonly head: (zone: string) => Ranked | null;
  readonly zones: readonly string[];
  /** How many are left in the zone. Counts what others took until the zone is looked at. */
  readonly left: (zone: string) => number;
};

/** `machines` in order, best first. `taken` is shared by all pools and only grows. */
export function zoneQueues(machines: readonly MachineFacts[], taken: ReadonlySet<SystemId>): ZoneQueues {
  const queues = new Map<string, { readonly ranked: Ranked[]; next: number }>();
  for (const [rank, machine] of machines.entries()) {
    const queue = queues.get(machine.zone) ?? { ranked: [], next: 0 };
    queue.ranked.push({ machine, rank });
    queues.set(machine.zone, queue);
  }
  const head = (zone: string): Ranked | null => {
    const queue = queues.get(zone);
    if (queue === undefined) return null;
    for (; queue.next < queue.ranked.length; queue.next++) {
      const ranked = queue.ranked[queue.next];
      if (ranked !== undefined && !taken.has(ranked.machine.systemId)) return ranked;
    }
    return null;
  };
  const left = (zone: string): number => {
    const queue = queues.get(zone);
    return queue === undefined || head(zone) === null ? 0 : queue.ranked.length - queue.next;
  };
  return { head, left, zones: [...queues.keys()] };
}

/** The best of all zones by `order` (lower is better), then by rank; null when all are empty. */
export function bestOf(queues: ZoneQueues, order: (zone: string) => number): MachineFacts | null {
  let best: { ranked: Ranked; order: number } | null = null;
  for (const zone of queues.zones) {
    const ranked = queues.head(zone);
    if (ranked === null) continue;
    const mine = order(zone);
    const better = best === null || mine < best.order || (mine === best.order && ranked.rank < best.ranked.rank);
    if (better) best = { ranked, order: mine };
  }
  return best?.ranked.machine ?? null;
}
