// A cluster's object writes its row of D1: it may fail, may be slow, and an older write must not come after a newer one.
import type { CatalogueRow } from '../../functions/objects/run-effects.ts';
import type { ClusterHost } from './edge.ts';
import type { Site } from './site.ts';

const ERASED_MS = 1;

export function projectRow(
  { faults, network, timeline }: Site,
  catalogue: Map<string, CatalogueRow>,
  host: ClusterHost,
  row: CatalogueRow,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const fails = faults.strikes('catalogue-error');
    const delayMs = faults.strikes('catalogue-late') ? network.between(1_000, 19_000) : network.between(1, 15);
    host.out(() => {
      timeline.after(delayMs - ERASED_MS, () => {
        const known = catalogue.get(row.id);
        // store/clusters.ts: the newest `updatedAt` wins.
        if (!fails && (known === undefined || known.updatedAt <= row.updatedAt)) catalogue.set(row.id, row);
      });
      host.hear(delayMs, 'projected', () => (fails ? reject(new Error('D1_ERROR (simulated)')) : resolve()));
    });
  });
}
