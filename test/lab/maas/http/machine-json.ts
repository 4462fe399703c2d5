// A machine as the API shows it: the 81 keys of MAAS 3.7.3 (maas.md §4).

import type { Allocation } from '../allocate.ts';
import { lastEventOf } from '../events.ts';
import { fqdnOf, type Machine } from '../machine.ts';
import { type MachineStatus, STATUSES } from '../machine-status.ts';
import type { Region } from '../region.ts';
import { diskJson } from './disk-json.ts';
import { domainJson } from './dns-json.ts';
import { interfaceJson } from './network-json.ts';
import { poolJson, zoneJson } from './place-json.ts';
import { deterministicUuid } from './uuid.ts';

export function machineJson(region: Region, machine: Machine) {
  return {
    ...identityJson(region, machine),
    ...lifeJson(region, machine),
    ...hardwareJson(machine),
    ...storageJson(machine),
    ...networkJson(region, machine),
    ...testResultsJson(machine),
    resource_uri: `/MAAS/api/2.0/machines/${machine.systemId}/`,
  };
}

/** The answer to an allocate: one key more, which says which disk answers to which label. */
export function allocationJson(region: Region, { machine, storage, verbose }: Allocation) {
  const labelled = (storage ?? []).flatMap(({ label, disk }) => (label === null ? [] : [[label, disk.id] as const]));
  const byLabel = Object.fromEntries(labelled.map(([label, id]) => [label, [id]]));
  const byDisk = Object.fromEntries(labelled.map(([label, id]) => [String(id), label]));
  return {
    ...machineJson(region, machine),
    constraints_by_type: {
      ...(labelled.length > 0 ? { storage: byLabel } : {}),
      ...(verbose
        ? { verbose_storage: labelled.length > 0 ? { [String(machine.nodeId)]: byDisk } : {}, verbose_interfaces: {} }
        : {}),
    },
  };
}

function identityJson(region: Region, machine: Machine) {
  const zone = region.zones.find((candidate) => candidate.name === machine.zone);
  const pool = region.pools.find((candidate) => candidate.name === machine.pool);
  const domain = region.domains.find((candidate) => candidate.name === machine.domain);
  return {
    system_id: machine.systemId,
    hostname: machine.hostname,
    fqdn: fqdnOf(machine),
    description: machine.description,
    node_type: 0,
    node_type_name: 'Machine',
    domain: domain ? domainJson(region, domain) : null,
    zone: zone ? zoneJson(zone) : null,
    pool: pool ? poolJson(pool) : null,
    tag_names: machine.tags,
    pod: null,
    parent: null,
    is_dpu: false,
    virtualmachine_id: null,
  };
}

function lifeJson(region: Region, machine: Machine) {
  const event = lastEventOf(region, machine.systemId);
  return {
    status: STATUSES[machine.status].number,
    status_name: machine.status,
    status_message: event?.message ?? null,
    status_action: event?.action ?? null,
    error_description: machine.errorDescription,
    owner: machine.owner,
    owner_data: machine.annotations,
    workload_annotations: machine.annotations,
    locked: machine.locked,
    osystem: machine.osystem,
    distro_series: machine.distroSeries,
    hwe_kernel: machine.hweKernel,
    min_hwe_kernel: machine.minHweKernel,
    netboot: machine.netboot,
    ephemeral_deploy: machine.ephemeral,
    enable_hw_sync: false,
    enable_kernel_crash_dump: false,
    last_sync: null,
    next_sync: null,
    sync_interval: null,
    power_type: machine.powerType,
    power_state: machine.powerState,
    current_commissioning_result_id: machine.commissioned?.resultId ?? null,
    current_testing_result_id: machine.commissioned?.resultId ?? null,
    current_installation_result_id: machine.installationResultId,
  };
}

function hardwareJson(machine: Machine) {
  const known = machine.commissioned !== null;
  return {
    architecture: machine.architecture,
    bios_boot_method: known ? 'uefi' : null,
    cpu_count: machine.cpuCount,
    cpu_speed: known ? 2_400 : 0,
    memory: machine.memoryMiB,
    hardware_uuid: known ? deterministicUuid(`machine ${machine.systemId}`) : null,
    hardware_info: HARDWARE_INFO,
    numanode_set: [
      {
        index: 0,
        memory: machine.memoryMiB,
        cores: Array.from({ length: machine.cpuCount }, (_, core) => core),
        hugepages_set: [],
      },
    ],
    swap_size: null,
  };
}

function storageJson(machine: Machine) {
  const formatted = showsLayout(machine, machine.status);
  const disks = machine.disks.map((disk) => diskJson(machine, disk, formatted));
  const first = machine.disks[0];
  return {
    storage: machine.disks.reduce((sum, disk) => sum + disk.sizeBytes, 0) / 1_000_000,
    blockdevice_set: disks,
    physicalblockdevice_set: disks,
    virtualblockdevice_set: [],
    boot_disk: first ? diskJson(machine, first, showsLayout(machine, machine.bootDiskSeenAs ?? machine.status)) : null,
    bcaches: [],
    cache_sets: [],
    raids: [],
    volume_groups: [],
    special_filesystems: [],
  };
}

/** Without an owner's layout MAAS shows the machine's own, but only where nobody holds the machine. */
const showsLayout = (machine: Machine, status: MachineStatus): boolean =>
  !machine.layoutDropped || status === 'Ready' || status === 'Broken' || status === 'Reserved';

function networkJson(region: Region, machine: Machine) {
  const nic = interfaceJson(region, machine);
  const gateway = machine.commissioned === null ? null : (region.subnets[0]?.gateway ?? null);
  return {
    ip_addresses: machine.address === null ? [] : [machine.address],
    interface_set: [nic],
    boot_interface: nic,
    default_gateways: { ipv4: { gateway_ip: gateway, link_id: null }, ipv6: { gateway_ip: null, link_id: null } },
    address_ttl: null,
    disable_ipv4: false,
  };
}

function testResultsJson(machine: Machine) {
  const passed = machine.commissioned !== null;
  const overall = passed ? { code: 2, name: 'Passed' } : { code: -1, name: 'Unknown' };
  return {
    commissioning_status: overall.code,
    commissioning_status_name: overall.name,
    testing_status: overall.code,
    testing_status_name: overall.name,
    ...UNTESTED_PARTS,
  };
}

const UNTESTED_PARTS = Object.fromEntries(
  ['cpu', 'memory', 'storage', 'network', 'interface', 'other'].flatMap((part) => [
    [`${part}_test_status`, -1],
    [`${part}_test_status_name`, 'Unknown'],
  ]),
);

const HARDWARE_NAMES = [
  'system_vendor',
  'system_product',
  'system_family',
  'system_version',
  'system_sku',
  'system_serial',
  'cpu_model',
  'mainboard_vendor',
  'mainboard_product',
  'mainboard_serial',
  'mainboard_version',
  'mainboard_firmware_vendor',
  'mainboard_firmware_date',
  'mainboard_firmware_version',
  'chassis_vendor',
  'chassis_type',
  'chassis_serial',
  'chassis_version',
];

const HARDWARE_INFO = Object.fromEntries(HARDWARE_NAMES.map((name) => [name, 'Unknown']));
