// The highest generation seen of each cluster: a lower one is refused (G1).
import type { ClusterId } from '../shared/ids.ts';

/** Clusters whose generation is kept; those not heard of for longest go first. */
const GENERATIONS_MAX = 20_000;

export function createGenerations() {
  const highest = new Map<ClusterId, number>();
  const of = (clusterId: ClusterId): number => highest.get(clusterId) ?? -1;
  return {
    /** -1 when none. */
    of,
    all: () => highest.entries(),
    raise: (clusterId: ClusterId, generation: number): void => {
      const raised = Math.max(of(clusterId), generation);
      highest.delete(clusterId);
      highest.set(clusterId, raised);
      const [longestAgo] = highest.keys();
      if (highest.size > GENERATIONS_MAX && longestAgo !== undefined) highest.delete(longestAgo);
    },
  };
}
