// One machine in the lab's MAAS: plain data, no behaviour. What the API shows of it is made in http/machine-json.ts.

import type { InventoryMachine } from '../inventory.ts';
import type { MetadataOauth } from '../machine-driver.ts';
import { fateOf } from './fates.ts';
import type { MachineStatus } from './machine-status.ts';
import { nextId, type Region } from './region.ts';
import { randomText } from './users-and-keys.ts';

export type PowerState = 'on' | 'off' | 'unknown' | 'error';

export type Disk = {
  readonly id: number;
  readonly name: string;
  readonly sizeBytes: number;
  readonly tags: readonly string[];
  readonly partitionIds: readonly [number, number] | null;
};

export type Machine = {
  readonly systemId: string;
  readonly nodeId: number;
  hostname: string;
  domain: string;
  description: string;
  status: MachineStatus;
  /** What mark_fixed goes back to: a machine that was Deployed comes back as Deployed (maas.md §5.6). */
  statusBeforeBroken: MachineStatus | null;
  owner: string | null;
  /** '' when unset; only a filter can see it. */
  agentName: string;
  annotations: Record<string, string>;
  architecture: string;
  readonly cpuCount: number;
  readonly memoryMiB: number;
  readonly disks: readonly Disk[];
  zone: string;
  pool: string;
  tags: string[];
  readonly mac: string;
  readonly interfaceId: number;
  readonly linkId: number;
  /** null for a machine made through the API, which nothing has looked at yet. */
  readonly commissioned: { readonly resultId: number } | null;
  readonly powerType: 'ipmi' | 'manual';
  powerState: PowerState;
  /** How many more times the BMC refuses to switch off. */
  bmcRefusals: number;
  /** The address that the inventory gives it, claimed on deploy when free; null when it does not matter which. */
  readonly homeAddress: string | null;
  address: string | null;
  osystem: string;
  distroSeries: string;
  hweKernel: string | null;
  minHweKernel: string | null;
  installationResultId: number | null;
  netboot: boolean;
  locked: boolean;
  ephemeral: boolean;
  errorDescription: string;
  /** The layout made for this owner was dropped when a release began; Ready and Broken show the machine's own again. */
  layoutDropped: boolean;
  /** Only in answers to calls that change the status: MAAS shows the boot disk there as the status before had it. */
  bootDiskSeenAs: MachineStatus | null;
  userData: Uint8Array | null;
  metadataOauth: MetadataOauth;
  /** Counts status changes, so that a timer set before one knows that it is late. */
  turn: number;
};

const BYTES_PER_GB = 1_000_000_000;

export function addMachine(region: Region, from: InventoryMachine): Machine {
  const machine: Machine = {
    ...blankMachine(region, from.id, from.hostname, from.mac),
    status: 'Ready',
    cpuCount: from.cpu,
    memoryMiB: from.memoryMiB,
    disks: from.disks.map((disk, index) => makeDisk(region, disk, index)),
    zone: from.zone,
    pool: from.pool,
    tags: [...from.tags],
    commissioned: { resultId: nextId(region, 'result') },
    powerType: from.powerType,
    powerState: from.powerType === 'manual' ? 'unknown' : 'off',
    bmcRefusals: fateOf(from.hostname).bmcRefusals,
    homeAddress: from.ip,
  };
  region.machines.set(machine.systemId, machine);
  return machine;
}

/** A machine that somebody made by `POST machines/`: New, and nothing is known of its inside. */
export function blankMachine(region: Region, systemId: string, hostname: string, mac: string): Machine {
  return {
    systemId,
    nodeId: nextId(region, 'node'),
    hostname,
    domain: region.defaultDomain,
    description: '',
    status: 'New',
    statusBeforeBroken: null,
    owner: null,
    agentName: '',
    annotations: {},
    architecture: 'amd64/generic',
    cpuCount: 0,
    memoryMiB: 0,
    disks: [],
    zone: 'default',
    pool: 'default',
    tags: [],
    mac,
    interfaceId: nextId(region, 'interface'),
    linkId: nextId(region, 'link'),
    commissioned: null,
    powerType: 'manual',
    powerState: 'unknown',
    bmcRefusals: 0,
    homeAddress: null,
    address: null,
    osystem: '',
    distroSeries: '',
    hweKernel: null,
    minHweKernel: null,
    installationResultId: null,
    netboot: true,
    locked: false,
    ephemeral: false,
    errorDescription: '',
    layoutDropped: false,
    bootDiskSeenAs: null,
    userData: null,
    metadataOauth: {
      consumerKey: randomText(region, 18),
      tokenKey: randomText(region, 18),
      tokenSecret: randomText(region, 32),
    },
    turn: 0,
  };
}

/** The machine as an answer shows it, though it may move on before the answer is written. */
export const snapshot = (machine: Machine): Machine => ({
  ...machine,
  annotations: { ...machine.annotations },
  tags: [...machine.tags],
});

export const fqdnOf = (machine: Machine): string => `${machine.hostname}.${machine.domain}`;

function makeDisk(region: Region, from: InventoryMachine['disks'][number], index: number): Disk {
  const { gb, tags } = typeof from === 'number' ? { gb: from, tags: ['ssd'] } : from;
  return {
    id: nextId(region, 'disk'),
    name: `sd${String.fromCharCode('a'.charCodeAt(0) + index)}`,
    sizeBytes: Math.round(gb * BYTES_PER_GB),
    tags,
    partitionIds: index === 0 ? [nextId(region, 'partition'), nextId(region, 'partition')] : null,
  };
}
