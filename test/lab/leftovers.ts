// What a user still holds in MAAS: zero of each when a cluster was taken down without a leak.

import type { Region } from './maas/region.ts';

export type Leftovers = { readonly machines: number; readonly addresses: number; readonly dnsRecords: number };

export function leftoversOf(region: Region, ownerUser: string): Leftovers {
  return {
    machines: [...region.machines.values()].filter((machine) => machine.owner === ownerUser).length,
    addresses: region.addresses.filter((address) => address.type === 4 && address.owner === ownerUser).length,
    dnsRecords: region.dnsResources.filter((resource) => resource.madeBy === ownerUser).length,
  };
}
