// What a MAAS holds, as compact facts for the planner. Reads only; the pieces are read one after another, so two of them
// may be of slightly different moments: every choice made from them is checked again by the call that acts on it.
import { z } from 'zod';
import type { EpochMs } from '../../shared/ids.ts';
import type { ImageFacts, InventoryFacts } from '../../shared/inventory.ts';
import type { MaasFailure } from '../../shared/maas-failure.ts';
import type { MachineFacts } from '../../shared/machine.ts';
import { ok, type Result } from '../../shared/result.ts';
import { listOwned } from './claims.ts';
import type { MaasClient } from './client.ts';
import { listMachines } from './machines.ts';
import { readSubnets } from './subnets.ts';

/** Everything, or the first failure. May be repeated. */
export async function observeInventory(
  maas: MaasClient,
  now: () => EpochMs,
): Promise<Result<InventoryFacts, MaasFailure>> {
  const zones = await readNames(maas, 'zones');
  if (!zones.ok) return zones;
  const pools = await readNames(maas, 'resourcepools');
  if (!pools.ok) return pools;
  const tags = await readNames(maas, 'tags');
  if (!tags.ok) return tags;
  const domains = await readDomains(maas);
  if (!domains.ok) return domains;
  const images = await readImages(maas);
  if (!images.ok) return images;
  const subnets = await readSubnets(maas);
  if (!subnets.ok) return subnets;
  const machines = await readMachines(maas);
  if (!machines.ok) return machines;
  return ok({
    observedAt: now(),
    zones: zones.value,
    pools: pools.value,
    tags: tags.value,
    domains: domains.value,
    subnets: subnets.value,
    images: images.value,
    machines: machines.value,
  });
}

/** Ready ones, then our own. One that became ours between the two looks is told as ours. */
async function readMachines(maas: MaasClient): Promise<Result<MachineFacts[], MaasFailure>> {
  const ready = await listMachines(maas, { statuses: ['ready'] });
  if (!ready.ok) return ready;
  const owned = await listOwned(maas);
  if (!owned.ok) return owned;
  const ours = new Set(owned.value.map((machine) => machine.systemId));
  return ok([...ready.value.filter((machine) => !ours.has(machine.systemId)), ...owned.value]);
}

const Named = z.object({ name: z.string() }).transform(({ name }) => name);

/** The names of all zones, resource pools or tags. */
export function readNames(
  maas: MaasClient,
  what: 'zones' | 'resourcepools' | 'tags',
): Promise<Result<string[], MaasFailure>> {
  return maas.get({ operation: `${what}.list`, path: `${what}/`, answer: z.array(Named) });
}

const Domain = z
  .object({ name: z.string(), authoritative: z.boolean().nullable(), is_default: z.boolean().optional() })
  .transform((domain) => ({
    name: domain.name,
    authoritative: domain.authoritative ?? false,
    isDefault: domain.is_default ?? false,
  }));

export function readDomains(maas: MaasClient): Promise<Result<InventoryFacts['domains'], MaasFailure>> {
  return maas.get({ operation: 'domains.list', path: 'domains/', answer: z.array(Domain) });
}

const BootResource = z.object({ name: z.string(), architecture: z.string() });

/** Images as `deploy` takes them, one for each architecture (`amd64`): MAAS lists each kernel of an image by itself. */
export async function readImages(maas: MaasClient): Promise<Result<ImageFacts[], MaasFailure>> {
  const answer = z.array(BootResource);
  const listed = await maas.get({ operation: 'boot-resources.list', path: 'boot-resources/', answer });
  if (!listed.ok) return listed;
  const images = listed.value.map(({ name, architecture }) => ({
    name: name.replace(/^custom\//, ''),
    architecture: architecture.split('/')[0] ?? architecture,
  }));
  return ok([...new Map(images.map((image) => [`${image.name} ${image.architecture}`, image])).values()]);
}
