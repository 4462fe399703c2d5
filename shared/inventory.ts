// What a MAAS holds, as compact facts: the planner chooses machines and addresses from these (architecture ruling 13.3).
import { z } from 'zod';
import { EpochMs } from './ids.ts';
import { MachineFacts } from './machine.ts';

export const SubnetFacts = z.strictObject({
  id: z.int(),
  name: z.string(),
  cidr: z.string(),
  gatewayIp: z.string().nullable(),
  managed: z.boolean(),
  /** Free, reservable addresses in MAAS's order: enough of them to choose a virtual IP, never the whole subnet. */
  freeAddresses: z.array(z.string()).max(64),
  freeCount: z.int().nonnegative(),
});
export type SubnetFacts = z.infer<typeof SubnetFacts>;

export const ImageFacts = z.strictObject({
  /** As `deploy` takes it: `ubuntu/noble`, or an uploaded image's name. */
  name: z.string(),
  architecture: z.string(),
});
export type ImageFacts = z.infer<typeof ImageFacts>;

export const InventoryFacts = z.strictObject({
  observedAt: EpochMs,
  zones: z.array(z.string()),
  pools: z.array(z.string()),
  tags: z.array(z.string()),
  domains: z.array(z.strictObject({ name: z.string(), authoritative: z.boolean(), isDefault: z.boolean() })),
  subnets: z.array(SubnetFacts),
  images: z.array(ImageFacts),
  /** Machines this key may see: unowned ones and its own. */
  machines: z.array(MachineFacts),
});
export type InventoryFacts = z.infer<typeof InventoryFacts>;

/** What `validate` says of a cloud account (features A3). */
export const AccountFacts = z.strictObject({
  maasVersion: z.string(),
  user: z.string(),
  isAdmin: z.boolean(),
  zones: z.array(z.string()),
  pools: z.array(z.string()),
  domains: z.array(z.string()),
  images: z.array(z.string()),
  readyMachines: z.int().nonnegative(),
  /** Operations this key is denied; those modes are not offered. */
  permissionsMissing: z.array(z.string()),
});
export type AccountFacts = z.infer<typeof AccountFacts>;
