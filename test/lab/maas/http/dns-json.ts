// Addresses, domains and names as the API shows them.

import type { Address } from '../addresses.ts';
import { type DnsResource, type Domain, fqdnOfName } from '../dns.ts';
import type { DnsRecord } from '../dns-records.ts';
import type { Region } from '../region.ts';
import { subnetOf } from '../subnets.ts';
import { strayInterfaceJson, subnetJson } from './network-json.ts';
import { longDate } from './place-json.ts';
import { userJson } from './user-json.ts';

const ALLOC_TYPE_NAMES = { 1: 'Static', 4: 'User reserved' } as const;

export function addressJson(region: Region, address: Address) {
  const subnet = subnetOf(region, address.ip);
  const owner = address.owner === null ? undefined : region.users.get(address.owner);
  return {
    ip: address.ip,
    alloc_type: address.type,
    alloc_type_name: ALLOC_TYPE_NAMES[address.type],
    created: new Date(address.createdMs).toISOString(),
    subnet: subnet ? subnetJson(subnet) : null,
    owner: owner ? userJson(owner) : null,
    interface_set: address.attached ? [strayInterfaceJson(address.attached.mac, address.attached.interfaceId)] : [],
    resource_uri: '/MAAS/api/2.0/ipaddresses/',
  };
}

export function domainJson(region: Region, domain: Domain) {
  return {
    authoritative: true,
    ttl: null,
    name: domain.name,
    is_default: domain.id === 0,
    id: domain.id,
    resource_record_count: region.dnsResources.filter((resource) => resource.domain === domain.name).length,
    resource_uri: `/MAAS/api/2.0/domains/${domain.id}/`,
  };
}

export function dnsResourceJson(region: Region, resource: DnsResource) {
  const fqdn = fqdnOfName(resource);
  return {
    id: resource.id,
    fqdn,
    address_ttl: resource.addressTtl,
    ip_addresses: resource.addresses.flatMap((ip) => {
      const address = region.addresses.find((candidate) => candidate.ip === ip);
      return address ? [addressJson(region, address)] : [];
    }),
    resource_records: region.dnsRecords.filter((record) => record.fqdn === fqdn).map(dnsRecordJson),
    resource_uri: `/MAAS/api/2.0/dnsresources/${resource.id}/`,
  };
}

export const dnsRecordJson = (record: DnsRecord) => ({
  ttl: record.ttl,
  rrtype: record.type,
  rrdata: record.text,
  id: record.id,
  fqdn: record.fqdn,
  resource_uri: `/MAAS/api/2.0/dnsresourcerecords/${record.id}/`,
});

/** One row of `subnets/{id}/?op=ip_addresses`: a reserved address names its user, a machine's names the machine. */
export function subnetAddressesJson(
  region: Region,
  first: number,
  last: number,
  numberOf: (ip: string) => number | null,
) {
  const within = (ip: string): boolean => {
    const number = numberOf(ip);
    return number !== null && number >= first && number <= last;
  };
  const reserved = region.addresses
    .filter((address) => within(address.ip))
    .map((address) => ({
      ip: address.ip,
      alloc_type: address.type,
      created: longDate(address.createdMs),
      updated: longDate(address.createdMs),
      ...(address.owner === null ? {} : { user: address.owner }),
    }));
  const machines = [...region.machines.values()].flatMap((machine) => {
    if (machine.address === null || !within(machine.address)) return [];
    const { systemId, hostname, domain, owner } = machine;
    const node = {
      system_id: systemId,
      node_type: 0,
      fqdn: `${hostname}.${domain}`,
      hostname,
      is_container: false,
      via: 'eth0',
    };
    return [
      {
        ip: machine.address,
        alloc_type: 0,
        created: longDate(0),
        updated: longDate(0),
        node_summary: node,
        user: owner,
      },
    ];
  });
  return [...reserved, ...machines];
}
