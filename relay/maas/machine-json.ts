// MAAS's JSON of a machine → MachineFacts. Unknown keys are dropped; of the 100 known ones we need these (maas.md §4).
import { z } from 'zod';
import { CLAIM_ANNOTATION, Claim } from '../../shared/claim.ts';
import { SystemId } from '../../shared/ids.ts';
import { MACHINE_STATUSES, type MachineFacts, type MachineStatus, PowerState } from '../../shared/machine.ts';

const text = z
  .string()
  .nullish()
  .transform((value) => value ?? '');
const named = z.object({ name: z.string() });
const BlockDevice = z.object({ id: z.number(), size: z.number().nonnegative() });

const MachineFields = z.object({
  system_id: SystemId,
  hostname: z.string(),
  fqdn: text,
  status: z.int().min(0),
  owner: z.string().nullable(),
  owner_data: z.record(z.string(), z.string()).nullish(),
  zone: named,
  pool: named.nullish(),
  tag_names: z.array(z.string()),
  architecture: text,
  cpu_count: z.number().nonnegative(),
  memory: z.number().nonnegative(),
  physicalblockdevice_set: z.array(BlockDevice).nullish(),
  boot_disk: z.object({ id: z.number() }).nullish(),
  ip_addresses: z.array(z.string().nullable()).nullish(),
  power_state: PowerState.catch('unknown'), // other words mean we can't tell, and nothing may be done on a guess
  power_type: text,
  locked: z.boolean(),
  osystem: text,
  distro_series: text,
  error_description: text,
});
type MachineFields = z.infer<typeof MachineFields>;

/** Parses what MAAS answers for one machine, into facts. */
export const MachineAnswer = MachineFields.transform((fields, context): MachineFacts => {
  const status = MACHINE_STATUSES[fields.status];
  if (status !== undefined) return factsOf(fields, status);
  context.addIssue({ code: 'custom', path: ['status'], message: 'is a status we do not know' });
  return z.NEVER;
});

/** Parses what MAAS answers for a list of machines. One machine we can't read fails the list: it might be ours. */
export const MachineListAnswer = z.array(MachineAnswer);

function factsOf(fields: MachineFields, status: MachineStatus): MachineFacts {
  const annotation = fields.owner_data?.[CLAIM_ANNOTATION];
  // Most machines have none, and an error made of that is thrown away.
  const claim = annotation === undefined ? undefined : Claim.safeParse(annotation).data;
  return {
    systemId: fields.system_id,
    hostname: fields.hostname,
    fqdn: fields.fqdn,
    status,
    owner: fields.owner === '' ? null : fields.owner,
    claim: claim ?? null,
    zone: fields.zone.name,
    pool: fields.pool?.name ?? '',
    tags: fields.tag_names,
    architecture: fields.architecture,
    cpuCores: Math.floor(fields.cpu_count),
    memoryMiB: Math.floor(fields.memory),
    disksGB: disksOf(fields),
    addresses: (fields.ip_addresses ?? []).filter((address) => address !== null),
    powerState: fields.power_state,
    powerType: fields.power_type,
    locked: fields.locked,
    image: imageOf(fields),
    errorDescription: fields.error_description,
  };
}

/** MAAS may boot from another disk than the first of its list; ours names the root disk first. */
function disksOf({ physicalblockdevice_set, boot_disk }: MachineFields): number[] {
  const disks = physicalblockdevice_set ?? [];
  const root = disks.filter((disk) => disk.id === boot_disk?.id);
  const others = disks.filter((disk) => disk.id !== boot_disk?.id);
  return [...root, ...others].map((disk) => disk.size / 1e9);
}

/** Spelled as `deploy` takes it and the image list shows it: an uploaded image has no `custom/` before its name. */
function imageOf({ osystem, distro_series }: MachineFields): string | null {
  if (distro_series === '') return null;
  return osystem === '' || osystem === 'custom' ? distro_series : `${osystem}/${distro_series}`;
}

/** MAAS's names of statuses in list filters; the two that end in "failed" here begin with it there (maasserver/enum.py). */
export function filterNameOf(status: MachineStatus): string {
  switch (status) {
    case 'releasing-failed':
      return 'failed_releasing';
    case 'failed-to-enter-rescue-mode':
      return 'failed_entering_rescue_mode';
    case 'failed-to-exit-rescue-mode':
      return 'failed_exiting_rescue_mode';
    default:
      return status.replaceAll('-', '_');
  }
}
