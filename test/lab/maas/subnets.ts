// Subnets, the ranges set aside in them, and which addresses are still free (maas.md §7).

import { ok } from '../../../shared/result.ts';
import type { InventorySubnet } from '../inventory.ts';
import { cidrBounds, ipv4Number, ipv4Text } from './ipv4.ts';
import { noMatch, type Outcome } from './refusal.ts';
import { nextId, type Region } from './region.ts';

export type Subnet = {
  readonly id: number;
  readonly name: string;
  readonly cidr: string;
  readonly first: number;
  readonly last: number;
  readonly gateway: string | null;
  readonly dnsServers: readonly string[];
  readonly managed: boolean;
};

export type IpRange = {
  readonly id: number;
  readonly subnetId: number;
  readonly type: 'dynamic' | 'reserved';
  readonly start: number;
  readonly end: number;
  readonly comment: string;
};

/** A stretch of addresses and what it is taken for. */
export type Stretch = { readonly start: number; readonly end: number; readonly purpose: readonly string[] };

export function addSubnet(region: Region, from: InventorySubnet): Subnet {
  const bounds = cidrBounds(from.cidr);
  if (!bounds) throw new Error(`the inventory's schema let ${from.cidr} through`);
  const subnet = {
    id: nextId(region, 'subnet'),
    name: from.name ?? from.cidr,
    cidr: from.cidr,
    ...bounds,
    gateway: from.gateway ?? null,
    dnsServers: from.dnsServers,
    managed: from.managed,
  };
  region.subnets.push(subnet);
  for (const type of ['dynamic', 'reserved'] as const) {
    for (const { start, end } of from[type]) addRange(region, subnet, type, start, end);
  }
  return subnet;
}

function addRange(region: Region, subnet: Subnet, type: IpRange['type'], startText: string, endText: string): void {
  const [start, end] = [ipv4Number(startText), ipv4Number(endText)];
  if (start === null || end === null) throw new Error('the schema of the inventory let a bad range through');
  region.ranges.push({ id: nextId(region, 'range'), subnetId: subnet.id, type, start, end, comment: '' });
}

/** By name, id or CIDR, as every subnet parameter of MAAS takes it. */
export const findSubnet = (region: Region, spec: string): Subnet | undefined =>
  region.subnets.find((subnet) => subnet.name === spec || String(subnet.id) === spec || subnet.cidr === spec);

export function subnetBySpec(region: Region, spec: string): Outcome<Subnet> {
  const subnet = findSubnet(region, spec);
  return subnet ? ok(subnet) : noMatch('Subnet');
}

export function subnetOf(region: Region, ip: string): Subnet | undefined {
  const number = ipv4Number(ip);
  if (number === null) return undefined;
  return region.subnets.find((subnet) => number >= subnet.first && number <= subnet.last);
}

export const rangeAround = (region: Region, ip: string): IpRange | undefined => {
  const number = ipv4Number(ip);
  return region.ranges.find((range) => number !== null && number >= range.start && number <= range.end);
};

/** Everything taken in a subnet, in order, neighbours of the same purpose joined. */
export function takenStretches(region: Region, subnet: Subnet): Stretch[] {
  const purposes = new Map<number, Set<string>>();
  const note = (ip: string | null, purpose: string): void => {
    const number = ip === null ? null : ipv4Number(ip);
    if (number === null || number < subnet.first || number > subnet.last) return;
    purposes.set(number, (purposes.get(number) ?? new Set()).add(purpose));
  };
  note(subnet.gateway, 'gateway-ip');
  for (const address of region.addresses) note(address.ip, 'assigned-ip');
  for (const machine of region.machines.values()) note(machine.address, 'assigned-ip');
  for (const server of subnet.dnsServers) note(server, 'dns-server');
  const single = [...purposes].map(([number, purpose]) => ({
    start: number,
    end: number,
    purpose: [...purpose].sort(),
  }));
  const ranges = region.ranges
    .filter((range) => range.subnetId === subnet.id)
    .map((range) => ({ start: range.start, end: range.end, purpose: [range.type] }));
  return joined([...single, ...ranges].sort((a, b) => a.start - b.start || b.end - a.end));
}

/** The gaps between what is taken, without the network's own and its broadcast address. */
export function freeStretches(region: Region, subnet: Subnet): Stretch[] {
  const free: Stretch[] = [];
  let next = subnet.first + 1;
  for (const taken of takenStretches(region, subnet)) {
    if (taken.start > next)
      free.push({ start: next, end: Math.min(taken.start, subnet.last) - 1, purpose: ['unused'] });
    next = Math.max(next, taken.end + 1);
  }
  if (next < subnet.last) free.push({ start: next, end: subnet.last - 1, purpose: ['unused'] });
  return free;
}

export type SubnetStatistics = { readonly total: number; readonly available: number; readonly largest: number };

export function subnetStatistics(region: Region, subnet: Subnet): SubnetStatistics {
  const sizes = freeStretches(region, subnet).map((stretch) => stretch.end - stretch.start + 1);
  return {
    total: subnet.last - subnet.first - 1,
    available: sizes.reduce((sum, size) => sum + size, 0),
    largest: Math.max(0, ...sizes),
  };
}

/**
 * The first address of the largest gap; undefined when there is none. MAAS promises no order. Home addresses of
 * machines are passed over while anything else is free, so that a machine keeps the address of the inventory.
 */
export function anyFreeAddress(region: Region, subnet: Subnet): string | undefined {
  const homes = new Set([...region.machines.values()].map((machine) => machine.homeAddress));
  const gaps = freeStretches(region, subnet).sort((a, b) => b.end - b.start - (a.end - a.start));
  for (const gap of gaps) {
    for (let number = gap.start; number <= gap.end; number += 1) {
      const text = ipv4Text(number);
      if (!homes.has(text)) return text;
    }
  }
  const first = gaps[0];
  return first ? ipv4Text(first.start) : undefined;
}

function joined(stretches: readonly Stretch[]): Stretch[] {
  const result: Stretch[] = [];
  for (const stretch of stretches) {
    const last = result.at(-1);
    const same = last !== undefined && last.purpose.join() === stretch.purpose.join();
    if (last && same && stretch.start === last.end + 1) result[result.length - 1] = { ...last, end: stretch.end };
    else result.push(stretch);
  }
  return result;
}
