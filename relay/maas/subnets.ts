// Subnets with a choice of their free addresses. IPv4 only (ruling 13.17); IPv6 subnets are listed without addresses.
import ipaddr from 'ipaddr.js';
import { z } from 'zod';
import type { SubnetFacts } from '../../shared/inventory.ts';
import type { MaasFailure } from '../../shared/maas-failure.ts';
import { ok, type Result } from '../../shared/result.ts';
import type { MaasClient } from './client.ts';

/** Each costs a call; a site of more is cut, in MAAS's order. */
const SUBNETS_MAX = 256;
/** As many calls as the region's gate lets through. */
const SUBNETS_AT_ONCE = 4;
const FREE_ADDRESSES_MAX = 64;

const Subnet = z.object({
  id: z.int(),
  name: z.string(),
  cidr: z.string(),
  gateway_ip: z.string().nullable(),
  managed: z.boolean(),
});
type Subnet = z.infer<typeof Subnet>;
const FreeRange = z.object({ start: z.string(), end: z.string() });
type FreeRange = z.infer<typeof FreeRange>;

export async function readSubnets(maas: MaasClient): Promise<Result<SubnetFacts[], MaasFailure>> {
  const listed = await maas.get({ operation: 'subnets.list', path: 'subnets/', answer: z.array(Subnet) });
  if (!listed.ok) return listed;
  const subnets = listed.value.slice(0, SUBNETS_MAX);
  const facts: SubnetFacts[] = [];
  for (let at = 0; at < subnets.length; at += SUBNETS_AT_ONCE) {
    const some = await Promise.all(subnets.slice(at, at + SUBNETS_AT_ONCE).map((subnet) => readSubnet(maas, subnet)));
    for (const one of some) {
      if (one.ok) facts.push(one.value);
      else if (one.error.code !== 'MAAS_NOT_FOUND') return one; // deleted between the two looks
    }
  }
  return ok(facts);
}

async function readSubnet(maas: MaasClient, subnet: Subnet): Promise<Result<SubnetFacts, MaasFailure>> {
  const facts = {
    id: subnet.id,
    name: subnet.name,
    cidr: subnet.cidr,
    gatewayIp: subnet.gateway_ip,
    managed: subnet.managed,
  };
  if (!ipaddr.IPv4.isValidCIDR(subnet.cidr)) return ok({ ...facts, freeAddresses: [], freeCount: 0 });
  const ranges = await maas.get({
    operation: 'subnets.unreserved-ip-ranges',
    path: `subnets/${subnet.id}/`,
    query: [['op', 'unreserved_ip_ranges']],
    answer: z.array(FreeRange),
  });
  return ranges.ok ? ok({ ...facts, ...freeAddresses(subnet, ranges.value) }) : ranges;
}

/** MAAS would hand out the gateway's and the network's own address when asked by `ip=` (recorded), so they are left out. */
function freeAddresses(subnet: Subnet, ranges: readonly FreeRange[]): Pick<SubnetFacts, 'freeAddresses' | 'freeCount'> {
  const never = [
    toNumber(ipaddr.IPv4.networkAddressFromCIDR(subnet.cidr).toString()),
    toNumber(ipaddr.IPv4.broadcastAddressFromCIDR(subnet.cidr).toString()),
    toNumber(subnet.gateway_ip ?? ''),
  ];
  const addresses: string[] = [];
  let count = 0;
  for (const { start, end } of ranges) {
    const first = toNumber(start);
    const last = toNumber(end);
    if (first === null || last === null || last < first) continue;
    const without = new Set(never.filter((each) => each !== null && each >= first && each <= last));
    count += last - first + 1 - without.size;
    for (let each = first; each <= last && addresses.length < FREE_ADDRESSES_MAX; each += 1) {
      if (!without.has(each)) addresses.push(toText(each));
    }
  }
  return { freeAddresses: addresses, freeCount: count };
}

function toNumber(address: string): number | null {
  if (!ipaddr.IPv4.isValidFourPartDecimal(address)) return null;
  return ipaddr.IPv4.parse(address).octets.reduce((sum, octet) => sum * 256 + octet, 0);
}

const toText = (address: number): string => [24, 16, 8, 0].map((bits) => (address >>> bits) & 255).join('.');
