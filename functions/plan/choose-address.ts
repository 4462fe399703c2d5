// Pure. Which addresses to try for the Kubernetes API (SPEC.md [AD1], [AD2]). Used by the planner and by the plan route.
import type { ClusterSpec } from '../../shared/cluster-spec.ts';
import type { InventoryFacts, SubnetFacts } from '../../shared/inventory.ts';
import { CANDIDATES_MAX } from '../../shared/limits.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import { hashText } from './hash-text.ts';
import { cidrContains, ipv4Number } from './ipv4.ts';

export type AddressChoice = { readonly subnetCidr: string; readonly candidates: readonly string[] };
export type NoAddress = { readonly code: 'subnet-unknown' | 'no-free-address'; readonly sentence: string };

/** Up to 5 free addresses, in an order that differs by `seed`, so that clusters made at once do not all try the same one. */
export function chooseAddress(
  inventory: InventoryFacts,
  endpoint: ClusterSpec['endpoint'],
  seed: string,
): Result<AddressChoice, NoAddress> {
  const subnet = chooseSubnet(inventory, endpoint);
  if (subnet === null) {
    const asked = endpoint.ip ?? endpoint.subnet;
    const what = asked === undefined ? 'MAAS shows no subnet with a free address' : `MAAS shows no subnet for ${asked}`;
    return err({ code: 'subnet-unknown', sentence: `${what}; name one in endpoint.subnet, or add it to MAAS.` });
  }
  if (endpoint.ip !== undefined) return ok({ subnetCidr: subnet.cidr, candidates: [endpoint.ip] });
  const free = usableAddresses(subnet);
  if (free.length === 0) {
    const sentence = `Subnet ${subnet.name} (${subnet.cidr}) has no free address for the Kubernetes API; free or reserve one in MAAS.`;
    return err({ code: 'no-free-address', sentence });
  }
  const start = hashText(seed) % free.length;
  const turned = [...free.slice(start), ...free.slice(0, start)];
  return ok({ subnetCidr: subnet.cidr, candidates: turned.slice(0, CANDIDATES_MAX) });
}

/** The subnet asked for; else the one most machines have an address in; else the managed one with most free addresses. */
function chooseSubnet(inventory: InventoryFacts, endpoint: ClusterSpec['endpoint']): SubnetFacts | null {
  const { ip, subnet: wanted } = endpoint;
  const ipv4 = inventory.subnets.filter((subnet) => ipv4Number(subnet.cidr.split('/')[0] ?? '') !== null);
  if (wanted !== undefined) {
    const named = ipv4.find((subnet) => subnet.name === wanted || subnet.cidr === wanted || `${subnet.id}` === wanted);
    return named === undefined || (ip !== undefined && !cidrContains(named.cidr, ip)) ? null : named;
  }
  if (ip !== undefined) return ipv4.find((subnet) => cidrContains(subnet.cidr, ip)) ?? null;
  const addresses = inventory.machines.flatMap((machine) => machine.addresses);
  const ranked = ipv4
    .filter((subnet) => usableAddresses(subnet).length > 0)
    .map((subnet) => ({ subnet, nodes: addresses.filter((address) => cidrContains(subnet.cidr, address)).length }))
    .sort(
      (a, b) =>
        b.nodes - a.nodes ||
        Number(b.subnet.managed) - Number(a.subnet.managed) ||
        Number(b.subnet.gatewayIp !== null) - Number(a.subnet.gatewayIp !== null) ||
        b.subnet.freeCount - a.subnet.freeCount ||
        a.subnet.id - b.subnet.id,
    );
  return ranked[0]?.subnet ?? null;
}

function usableAddresses(subnet: SubnetFacts): string[] {
  return subnet.freeAddresses.filter((address) => address !== subnet.gatewayIp && cidrContains(subnet.cidr, address));
}

/** `<name>-<last 8 of the cluster's id>.<domain>`: the name in MAAS's DNS that proves whose the address is. */
export function addressName(clusterName: string, clusterId: string, domain: string): string {
  return `${clusterName}-${clusterId.split('_')[1]?.slice(-8) ?? ''}.${domain}`;
}

/** The domain asked for, or MAAS's default. */
export function chooseDomain(inventory: InventoryFacts, wanted: string | null): string {
  return wanted ?? inventory.domains.find((domain) => domain.isDefault)?.name ?? 'maas';
}
