// Which addresses MAAS gives each machine, as the shared poll saw them last: a machine enrols from one of these or not at all.
// With those of the last inventory they also tell which networks machines live in.
import type { SystemId } from '../../shared/ids.ts';
import type { InventoryFacts } from '../../shared/inventory.ts';
import type { Observation } from '../../shared/observation.ts';
import type { EndpointOptions } from './endpoint.ts';

/** Above the machines of a gateway; the ones seen longest ago go first. */
const MACHINES_MAX = 10_000;

export type MachineSources = {
  readonly observed: (observation: Observation) => void;
  readonly inventoried: (inventory: Pick<InventoryFacts, 'machines'>) => void;
  /** Null when MAAS has not said, or says that there is none. */
  readonly addressesOf: EndpointOptions['addressesOf'];
  /** Of any machine that MAAS told of: where machines may be. */
  readonly addresses: () => readonly string[];
};

export function createMachineSources(): MachineSources {
  const known = new Map<SystemId, readonly string[]>();
  let inventory: readonly string[] = [];
  return {
    observed: ({ fact }) => {
      if (fact.kind !== 'machine') return;
      known.delete(fact.systemId);
      if (!fact.ours || fact.facts === null || fact.facts.addresses.length === 0) return;
      known.set(fact.systemId, fact.facts.addresses);
      const [oldest] = known.keys();
      if (known.size > MACHINES_MAX && oldest !== undefined) known.delete(oldest);
    },
    inventoried: ({ machines }) => {
      inventory = machines.flatMap(({ addresses }) => addresses);
    },
    addresses: () => [...inventory, ...[...known.values()].flat()],
    addressesOf: (systemId) => known.get(systemId) ?? null,
  };
}
