// Subnets, VLANs and interfaces as the API shows them. The lab has one fabric, one VLAN and one space.

import { ipv4Text } from '../ipv4.ts';
import type { Machine } from '../machine.ts';
import { RACK_ID, type Region } from '../region.ts';
import type { IpRange, Stretch, Subnet, SubnetStatistics } from '../subnets.ts';
import { userJson } from './user-json.ts';

const VLAN_ID = 5_001;

export const vlanJson = () => ({
  vid: 0,
  mtu: 1_500,
  dhcp_on: true,
  external_dhcp: null,
  relay_vlan: null,
  primary_rack: RACK_ID,
  secondary_rack: null,
  fabric_id: 1,
  fabric: 'fabric-0',
  space: 'undefined',
  name: 'untagged',
  id: VLAN_ID,
  resource_uri: `/MAAS/api/2.0/vlans/${VLAN_ID}/`,
});

export const subnetJson = (subnet: Subnet) => ({
  name: subnet.name,
  description: '',
  vlan: vlanJson(),
  cidr: subnet.cidr,
  rdns_mode: 2,
  gateway_ip: subnet.gateway,
  dns_servers: subnet.dnsServers,
  allow_dns: true,
  allow_proxy: true,
  active_discovery: false,
  managed: subnet.managed,
  disabled_boot_architectures: [],
  space: 'undefined',
  id: subnet.id,
  resource_uri: `/MAAS/api/2.0/subnets/${subnet.id}/`,
});

export function interfaceJson(region: Region, machine: Machine) {
  const known = machine.commissioned !== null;
  return {
    id: machine.interfaceId,
    name: 'eth0',
    type: 'physical',
    mac_address: machine.mac,
    system_id: machine.systemId,
    vendor: known ? 'Lab' : null,
    product: known ? 'Lab NIC' : null,
    firmware_version: null,
    tags: known ? ['lab'] : [],
    parents: [],
    children: [],
    links: known ? [linkJson(region, machine)] : [],
    vlan: known ? vlanJson() : null,
    enabled: true,
    link_connected: true,
    link_speed: known ? 10_000 : 0,
    interface_speed: known ? 10_000 : 0,
    effective_mtu: 1_500,
    sriov_max_vf: 0,
    numa_node: 0,
    discovered: null,
    params: known ? '' : {},
    resource_uri: `/MAAS/api/2.0/nodes/${machine.systemId}/interfaces/${machine.interfaceId}/`,
  };
}

/** `ip_address` is there only while the machine has one. */
function linkJson(region: Region, machine: Machine) {
  const subnet = region.subnets[0];
  return {
    id: machine.linkId,
    mode: 'auto',
    ...(machine.address === null ? {} : { ip_address: machine.address }),
    ...(subnet ? { subnet: subnetJson(subnet) } : {}),
  };
}

/** A reserved address that came with a MAC brings an interface of no machine. */
export const strayInterfaceJson = (mac: string, id: number) => ({
  id,
  name: 'eth0',
  type: 'unknown',
  mac_address: mac,
  vendor: null,
  product: null,
  firmware_version: null,
  tags: [],
  parents: [],
  children: [],
  vlan: vlanJson(),
  enabled: true,
  link_connected: true,
  link_speed: 0,
  interface_speed: 0,
  sriov_max_vf: 0,
  numa_node: null,
  params: {},
});

export function rangeJson(region: Region, range: IpRange) {
  const subnet = region.subnets.find((candidate) => candidate.id === range.subnetId);
  const owner = region.users.get('admin') ?? region.users.get('MAAS');
  return {
    id: range.id,
    type: range.type,
    subnet: subnet ? subnetJson(subnet) : null,
    start_ip: ipv4Text(range.start),
    end_ip: ipv4Text(range.end),
    user: owner ? userJson(owner) : null,
    comment: range.comment,
    resource_uri: `/MAAS/api/2.0/ipranges/${range.id}/`,
  };
}

export const stretchJson = (stretch: Stretch) => ({
  start: ipv4Text(stretch.start),
  end: ipv4Text(stretch.end),
  num_addresses: stretch.end - stretch.start + 1,
  purpose: stretch.purpose,
});

/** `unreserved_ip_ranges` has no purpose in its rows. */
export const gapJson = (stretch: Stretch) => ({
  start: ipv4Text(stretch.start),
  end: ipv4Text(stretch.end),
  num_addresses: stretch.end - stretch.start + 1,
});

export function statisticsJson(subnet: Subnet, statistics: SubnetStatistics) {
  const unavailable = statistics.total - statistics.available;
  const usage = statistics.total === 0 ? 0 : unavailable / statistics.total;
  return {
    num_available: statistics.available,
    largest_available: statistics.largest,
    num_unavailable: unavailable,
    total_addresses: statistics.total,
    usage,
    usage_string: `${Math.round(usage * 100)}%`,
    available_string: `${Math.round((1 - usage) * 100)}%`,
    first_address: ipv4Text(subnet.first + 1),
    last_address: ipv4Text(subnet.last - 1),
    ip_version: 4,
  };
}
