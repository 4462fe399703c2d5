// ipaddresses/, subnets/, ipranges/, domains/, dnsresources/, dnsresourcerecords/.

import { listAddresses, releaseAddress, reserveAddress } from '../addresses.ts';
import {
  createDnsResource,
  createDomain,
  deleteDnsResource,
  dnsResourceById,
  domainBySpec,
  listDnsResources,
  updateDnsResource,
} from '../dns.ts';
import { createDnsRecord, deleteDnsRecord, listDnsRecords } from '../dns-records.ts';
import { cidrBounds, ipv4Number } from '../ipv4.ts';
import { freeStretches, type Subnet, subnetBySpec, subnetStatistics, takenStretches } from '../subnets.ts';
import { type Answer, answerOf, gone, json, notModelledAnswer } from './answer.ts';
import { addressJson, dnsRecordJson, dnsResourceJson, domainJson, subnetAddressesJson } from './dns-json.ts';
import { gapJson, rangeJson, statisticsJson, stretchJson, subnetJson } from './network-json.ts';
import type { Call, Handler, Resource } from './resource.ts';

const onSubnet =
  (run: (call: Call, subnet: Subnet) => Answer): Handler =>
  (call) =>
    answerOf(subnetBySpec(call.region, call.key), (subnet) => run(call, subnet));

export const networkResources: readonly Resource[] = [
  {
    name: 'ipaddresses',
    path: /^ipaddresses\/$/,
    read: (call) =>
      answerOf(listAddresses(call.region, call.caller, call.fields), (addresses) =>
        json(addresses.map((address) => addressJson(call.region, address))),
      ),
    posts: {
      reserve: (call) =>
        answerOf(reserveAddress(call.region, call.caller, call.fields), (address) =>
          json(addressJson(call.region, address)),
        ),
      release: (call) => answerOf(releaseAddress(call.region, call.caller, call.fields), gone),
    },
  },
  {
    name: 'subnets',
    path: /^subnets\/$/,
    read: (call) => json(call.region.subnets.map(subnetJson)),
    create: () => notModelledAnswer('making subnets; the inventory holds them'),
  },
  {
    name: 'subnet',
    // A CIDR in the path brings its own slash.
    path: /^subnets\/([^/]+(?:\/\d{1,2})?)\/$/,
    read: onSubnet((_call, subnet) => json(subnetJson(subnet))),
    update: () => notModelledAnswer('changing subnets; the inventory holds them'),
    remove: () => notModelledAnswer('deleting subnets; the inventory holds them'),
    gets: {
      reserved_ip_ranges: onSubnet((call, subnet) => json(takenStretches(call.region, subnet).map(stretchJson))),
      unreserved_ip_ranges: onSubnet((call, subnet) => json(freeStretches(call.region, subnet).map(gapJson))),
      statistics: onSubnet((call, subnet) => json(statisticsJson(subnet, subnetStatistics(call.region, subnet)))),
      ip_addresses: onSubnet((call, subnet) => {
        const { first, last } = cidrBounds(subnet.cidr) ?? subnet;
        return json(subnetAddressesJson(call.region, first, last, ipv4Number));
      }),
    },
  },
  {
    name: 'ipranges',
    path: /^ipranges\/$/,
    read: (call) => json(call.region.ranges.map((range) => rangeJson(call.region, range))),
    create: () => notModelledAnswer('making address ranges; the inventory holds them'),
  },
  {
    name: 'domains',
    path: /^domains\/$/,
    read: (call) => json(call.region.domains.map((domain) => domainJson(call.region, domain))),
    create: (call) =>
      answerOf(createDomain(call.region, call.caller, call.fields), (domain) => json(domainJson(call.region, domain))),
    unmodelled: ['set_serial'],
  },
  {
    name: 'domain',
    path: /^domains\/([^/]+)\/$/,
    read: (call) => answerOf(domainBySpec(call.region, call.key), (domain) => json(domainJson(call.region, domain))),
    unmodelled: ['set_default'],
  },
  {
    name: 'dnsresources',
    path: /^dnsresources\/$/,
    read: (call) =>
      answerOf(listDnsResources(call.region, call.fields), (resources) =>
        json(resources.map((resource) => dnsResourceJson(call.region, resource))),
      ),
    create: (call) =>
      answerOf(createDnsResource(call.region, call.caller, call.fields), (made) =>
        json(dnsResourceJson(call.region, made)),
      ),
  },
  {
    name: 'dnsresource',
    path: /^dnsresources\/([^/]+)\/$/,
    read: (call) =>
      answerOf(dnsResourceById(call.region, call.key), (found) => json(dnsResourceJson(call.region, found))),
    update: (call) =>
      answerOf(updateDnsResource(call.region, call.caller, call.key, call.fields), (changed) =>
        json(dnsResourceJson(call.region, changed)),
      ),
    remove: (call) => answerOf(deleteDnsResource(call.region, call.caller, call.key), gone),
  },
  {
    name: 'dnsresourcerecords',
    path: /^dnsresourcerecords\/$/,
    read: (call) => json(listDnsRecords(call.region, call.fields).map(dnsRecordJson)),
    create: (call) =>
      answerOf(createDnsRecord(call.region, call.caller, call.fields), (record) => json(dnsRecordJson(record))),
  },
  {
    name: 'dnsresourcerecord',
    path: /^dnsresourcerecords\/([^/]+)\/$/,
    remove: (call) => answerOf(deleteDnsRecord(call.region, call.caller, call.key), gone),
  },
];
