// A MAAS machine as facts. Status is MAAS's word, kept whole (23 of them); the phase of a slot is ours and lives in plan/.
import { z } from 'zod';
import { Claim } from './claim.ts';
import { SystemId } from './ids.ts';

/** In MAAS's order: the index is MAAS's number (maasserver/enum.py). */
export const MACHINE_STATUSES = [
  'new',
  'commissioning',
  'failed-commissioning',
  'missing',
  'ready',
  'reserved',
  'deployed',
  'retired',
  'broken',
  'deploying',
  'allocated',
  'failed-deployment',
  'releasing',
  'releasing-failed',
  'disk-erasing',
  'failed-disk-erasing',
  'rescue-mode',
  'entering-rescue-mode',
  'failed-to-enter-rescue-mode',
  'exiting-rescue-mode',
  'failed-to-exit-rescue-mode',
  'testing',
  'failed-testing',
] as const;
export const MachineStatus = z.enum(MACHINE_STATUSES);
export type MachineStatus = z.infer<typeof MachineStatus>;

export const PowerState = z.enum(['on', 'off', 'unknown', 'error']);

export const MachineFacts = z.strictObject({
  systemId: SystemId,
  hostname: z.string(),
  fqdn: z.string(),
  status: MachineStatus,
  /** The MAAS user who holds it; null when nobody does. */
  owner: z.string().nullable(),
  /** The annotation `slipway.claim`, when it is a claim. `agent_name` can't be read back from MAAS. */
  claim: Claim.nullable(),
  zone: z.string(),
  pool: z.string(),
  tags: z.array(z.string()),
  architecture: z.string(),
  cpuCores: z.int().nonnegative(),
  memoryMiB: z.int().nonnegative(),
  /** Physical disks in MAAS's order (the first is the root disk), decimal GB. */
  disksGB: z.array(z.number().nonnegative()),
  addresses: z.array(z.string()),
  powerState: PowerState,
  powerType: z.string(),
  locked: z.boolean(),
  /** The image, such as `ubuntu/noble`; null when not deployed. */
  image: z.string().nullable(),
  /** MAAS's own words about a failure; empty when none. */
  errorDescription: z.string(),
});
export type MachineFacts = z.infer<typeof MachineFacts>;

/** What a pool asks of a machine. Sent to MAAS's terms and verified on the machine got. */
export const MachineRequirements = z.strictObject({
  minimums: z.strictObject({
    cpuCores: z.int().min(1).max(4096),
    memoryMiB: z.int().min(256).max(67_108_864),
    diskGB: z.int().min(1).max(1_000_000),
  }),
  resourcePool: z.string().nullable(),
  zones: z.array(z.string()),
  tags: z.array(z.string()),
  notTags: z.array(z.string()),
  /** Exact machines, when the user names them; empty means any. */
  systemIds: z.array(SystemId),
  architecture: z.string(),
});
export type MachineRequirements = z.infer<typeof MachineRequirements>;

/** The first requirement that `machine` misses, as a plain phrase; null when it meets all. Status and owner are not looked at. */
export function missedRequirement(machine: MachineFacts, wanted: MachineRequirements): string | null {
  const { minimums } = wanted;
  const rootGB = machine.disksGB[0] ?? 0;
  if (wanted.systemIds.length > 0 && !wanted.systemIds.includes(machine.systemId))
    return 'is not one of the named machines';
  if (wanted.resourcePool !== null && machine.pool !== wanted.resourcePool)
    return `is not in pool ${wanted.resourcePool}`;
  if (wanted.zones.length > 0 && !wanted.zones.includes(machine.zone))
    return `is not in zone ${wanted.zones.join(' or ')}`;
  if (machine.cpuCores < minimums.cpuCores) return `has ${machine.cpuCores} of ${minimums.cpuCores} CPU cores`;
  if (machine.memoryMiB < minimums.memoryMiB) return `has ${machine.memoryMiB} of ${minimums.memoryMiB} MiB memory`;
  if (rootGB < minimums.diskGB) return `has a root disk of ${rootGB} of ${minimums.diskGB} GB`;
  const missing = wanted.tags.filter((tag) => !machine.tags.includes(tag));
  if (missing.length > 0) return `lacks tag ${missing.join(', ')}`;
  const unwanted = wanted.notTags.filter((tag) => machine.tags.includes(tag));
  if (unwanted.length > 0) return `has tag ${unwanted.join(', ')}`;
  if (!machine.architecture.startsWith(wanted.architecture))
    return `is ${machine.architecture}, not ${wanted.architecture}`;
  return null;
}
