// The state of one MAAS region and the ways to the outside world that it needs. No HTTP, no clock, no randomness of its
// own: the server in http/ and a simulator both drive this same model. Every call runs to its end before the next one
// starts, which is what MAAS's database lock does for parallel calls (maas.md §5.1).
//
// Map: machine.ts, machine-status.ts (one machine) · allocate.ts, constraints.ts, storage-constraint.ts, machine-filter.ts ·
// deploy.ts, boot.ts · release.ts, abort.ts, broken.ts, power.ts, annotations.ts · addresses.ts, subnets.ts · dns.ts,
// dns-records.ts · zones-pools-tags.ts, images.ts, config.ts, events.ts, users-and-keys.ts · fates.ts · refusal.ts, fields.ts

import type { Inventory, Timings } from '../inventory.ts';
import type { LabDelay, MetadataOauth } from '../machine-driver.ts';
import type { Address } from './addresses.ts';
import { defaultConfig } from './config.ts';
import { addDomain, type DnsResource, type Domain } from './dns.ts';
import type { DnsRecord } from './dns-records.ts';
import type { LabEvent } from './events.ts';
import { fateOf } from './fates.ts';
import { addImage, type Image } from './images.ts';
import { addMachine, type Machine } from './machine.ts';
import { type MachineStatus, mayMove } from './machine-status.ts';
import { addSubnet, type IpRange, type Subnet } from './subnets.ts';
import { type ApiToken, addUser, type User } from './users-and-keys.ts';
import { addPool, addTag, addZone, type Pool, type Tag, type Zone } from './zones-pools-tags.ts';

/** What MAAS tells the power driver of a machine that shall boot its installed system. */
export type BootOrder = {
  readonly systemId: string;
  readonly hostname: string;
  readonly fqdn: string;
  readonly address: string;
  readonly mac: string;
  readonly zone: string;
  readonly pool: string;
  readonly metadataOauth: MetadataOauth;
  readonly userData: Uint8Array;
  readonly timings: Timings;
};

export type PowerDone = (outcome: { ok: true } | { ok: false; detail: string }) => void;

/** The power buttons. Each calls `done` exactly once, at once or later. */
export type PowerPort = {
  on(boot: BootOrder, done: PowerDone): void;
  off(systemId: string, done: PowerDone): void;
};

export type RegionPorts = {
  /** Epoch milliseconds. */
  now(): number;
  /** 0 ≤ n < 1. */
  random(): number;
  /** Runs `fn` once after the delay; the returned function takes it back. */
  schedule(delayMs: number, fn: () => void): () => void;
  readonly power: PowerPort;
};

/** One move of the status machine, for whoever checks afterwards that nothing was held twice or leaked. */
export type Transition = {
  readonly atMs: number;
  readonly machine: string;
  readonly from: MachineStatus;
  readonly to: MachineStatus;
  readonly owner: string | null;
  readonly agentName: string;
  readonly annotations: Readonly<Record<string, string>>;
};

export type Region = {
  readonly ports: RegionPorts;
  readonly timings: Timings;
  readonly defaultDomain: string;
  readonly machines: Map<string, Machine>;
  readonly users: Map<string, User>;
  readonly tokens: ApiToken[];
  readonly zones: Zone[];
  readonly pools: Pool[];
  readonly tags: Tag[];
  readonly domains: Domain[];
  readonly subnets: Subnet[];
  readonly ranges: IpRange[];
  readonly addresses: Address[];
  readonly dnsResources: DnsResource[];
  readonly dnsRecords: DnsRecord[];
  readonly images: Image[];
  readonly config: Map<string, unknown>;
  readonly events: LabEvent[];
  /** The newest event of each machine, by system id: every machine shown needs it. */
  readonly lastEvents: Map<string, LabEvent>;
  readonly transitions: Transition[];
  readonly delays: LabDelay[];
  readonly counters: Map<string, number>;
  /** false: no rack controller answers, so no power call can be made. */
  rackConnected: boolean;
};

/** Logs of a long-running lab stay bounded: the oldest half is dropped. */
export const LOG_ENTRIES_MAX = 50_000;

export const RACK_ID = 'q4hnqt';
export const RACK_ADDRESS_SUFFIX = 2;

export function createRegion(inventory: Inventory, ports: RegionPorts): Region {
  const region: Region = {
    ports,
    timings: inventory.timings,
    defaultDomain: inventory.domain,
    machines: new Map(),
    users: new Map(),
    tokens: [],
    zones: [],
    pools: [],
    tags: [],
    domains: [],
    subnets: [],
    ranges: [],
    addresses: [],
    dnsResources: [],
    dnsRecords: [],
    images: [],
    config: defaultConfig(),
    events: [],
    lastEvents: new Map(),
    transitions: [],
    delays: [],
    counters: new Map([['vlan', 5_000]]),
    rackConnected: true,
  };
  addUser(region, 'MAAS', { admin: true, email: 'maas@localhost' });
  for (const domain of [inventory.domain, ...inventory.domains]) addDomain(region, domain);
  addZone(region, 'default', '');
  addPool(region, 'default', 'Default pool');
  for (const subnet of inventory.subnets) addSubnet(region, subnet);
  for (const image of inventory.images) addImage(region, image);
  for (const machine of inventory.machines) {
    if (!region.zones.some((zone) => zone.name === machine.zone)) addZone(region, machine.zone, '');
    if (!region.pools.some((pool) => pool.name === machine.pool)) addPool(region, machine.pool, '');
    for (const tag of machine.tags) if (!region.tags.some((known) => known.name === tag)) addTag(region, tag, '');
    addMachine(region, machine);
  }
  return region;
}

/** Moves a machine and writes the move down. A move that MAAS does not have is a bug of the lab, so it throws. */
export function moveTo(region: Region, machine: Machine, to: MachineStatus): void {
  if (!mayMove(machine.status, to))
    throw new Error(`the lab moved ${machine.systemId} from ${machine.status} to ${to}`);
  appendBounded(region.transitions, {
    atMs: region.ports.now(),
    machine: machine.systemId,
    from: machine.status,
    to,
    owner: machine.owner,
    agentName: machine.agentName,
    annotations: { ...machine.annotations },
  });
  machine.status = to;
  machine.turn += 1;
}

/** Waits on behalf of a machine and enters the wait in the ledger of the lab's own delays when it is over. */
export function delay(region: Region, machine: Machine, kind: string, ms: number, fn: () => void): void {
  const startMs = region.ports.now();
  region.ports.schedule(ms, () => {
    appendBounded(region.delays, { machine: machine.systemId, kind, startMs, endMs: region.ports.now() });
    fn();
  });
}

/** The region's timings as this machine lives them. */
export function timingsOf(region: Region, machine: Machine): Timings {
  const { slowness } = fateOf(machine.hostname);
  if (slowness === 1) return region.timings;
  const slow: Timings = { ...region.timings };
  for (const key of ['deployMs', 'powerOnMs', 'releaseMs', 'eraseMs', 'kubeadmInitMs', 'kubeadmJoinMs'] as const)
    slow[key] *= slowness;
  return slow;
}

export function nextId(region: Region, kind: string): number {
  const id = (region.counters.get(kind) ?? 0) + 1;
  region.counters.set(kind, id);
  return id;
}

export function appendBounded<T>(log: T[], entry: T): void {
  if (log.length >= LOG_ENTRIES_MAX) log.splice(0, LOG_ENTRIES_MAX / 2);
  log.push(entry);
}
