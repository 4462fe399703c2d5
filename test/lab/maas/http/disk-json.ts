// Disks of a machine as the API shows them: the first one carries the flat layout that commissioning made.

import type { Disk, Machine } from '../machine.ts';
import { deterministicUuid } from './uuid.ts';

const EFI_BYTES = 536_870_912;
const BLOCK_BYTES = 4_194_304;

/** `formatted`: whether the partitions' file systems are shown. */
export function diskJson(machine: Machine, disk: Disk, formatted: boolean) {
  const size = Math.floor(disk.sizeBytes);
  const used = disk.partitionIds ? Math.floor(size / BLOCK_BYTES) * BLOCK_BYTES : 0;
  return {
    id: disk.id,
    name: disk.name,
    type: 'physical',
    path: `/dev/disk/by-dname/${disk.name}`,
    id_path: null,
    model: 'LabDisk',
    serial: `SN-${machine.systemId}-${disk.name}`,
    firmware_version: 'lab',
    size,
    used_size: used,
    available_size: disk.partitionIds ? 0 : size,
    block_size: 512,
    used_for: disk.partitionIds ? 'GPT partitioned with 2 partitions' : 'Unused',
    partition_table_type: disk.partitionIds ? 'GPT' : null,
    partitions: disk.partitionIds ? partitionsJson(machine, disk, disk.partitionIds, used, formatted) : [],
    filesystem: null,
    tags: disk.tags,
    numa_node: 0,
    uuid: null,
    storage_pool: null,
    system_id: machine.systemId,
    resource_uri: `/MAAS/api/2.0/nodes/${machine.systemId}/blockdevices/${disk.id}/`,
  };
}

const partitionsJson = (
  machine: Machine,
  disk: Disk,
  [efi, root]: readonly [number, number],
  used: number,
  formatted: boolean,
) => [
  partitionJson(machine, disk, efi, {
    part: 1,
    size: EFI_BYTES,
    fstype: 'fat32',
    label: 'efi',
    mount: '/boot/efi',
    formatted,
  }),
  partitionJson(machine, disk, root, {
    part: 2,
    size: used - EFI_BYTES,
    fstype: 'ext4',
    label: 'root',
    mount: '/',
    formatted,
  }),
];

function partitionJson(
  machine: Machine,
  disk: Disk,
  id: number,
  of: { part: number; size: number; fstype: string; label: string; mount: string; formatted: boolean },
) {
  return {
    id,
    type: 'partition',
    uuid: deterministicUuid(`partition ${machine.systemId} ${id}`),
    path: `/dev/disk/by-dname/${disk.name}-part${of.part}`,
    size: of.size,
    bootable: of.part === 1,
    tags: [],
    device_id: disk.id,
    system_id: machine.systemId,
    used_for: of.formatted ? `${of.fstype} formatted filesystem mounted at ${of.mount}` : 'Unused',
    filesystem: of.formatted
      ? {
          fstype: of.fstype,
          label: of.label,
          uuid: deterministicUuid(`filesystem ${machine.systemId} ${id}`),
          mount_point: of.mount,
          mount_options: null,
        }
      : null,
    resource_uri: `/MAAS/api/2.0/nodes/${machine.systemId}/blockdevices/${disk.id}/partition/${id}`,
  };
}
