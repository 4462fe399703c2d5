// DNS records other than addresses: text, service and the like (maas.md §7).

import { ok } from '../../../shared/result.ts';
import { addResource, fqdnOfName, placedFrom } from './dns.ts';
import { type Fields, lastOf } from './fields.ts';
import { forAdmins, invalid, noMatch, type Outcome } from './refusal.ts';
import { nextId, type Region } from './region.ts';
import type { User } from './users-and-keys.ts';

export type DnsRecord = {
  readonly id: number;
  readonly fqdn: string;
  readonly type: string;
  readonly text: string;
  readonly ttl: number | null;
};

const TYPES = 'SRV SSHFP MX NS TXT CNAME';

export function createDnsRecord(region: Region, caller: User, fields: Fields): Outcome<DnsRecord> {
  if (!caller.admin) return forAdmins();
  const type = lastOf(fields, 'rrtype') ?? '';
  if (!TYPES.split(' ').includes(type)) return invalid({ rrtype: [`${type} is not one of ${TYPES}.`] });
  const placed = placedFrom(region, fields);
  if (!placed.ok) return placed;
  const fqdn = fqdnOfName(placed.value);
  const existing = region.dnsResources.find((resource) => fqdnOfName(resource) === fqdn);
  const others = region.dnsRecords.filter((record) => record.fqdn === fqdn);
  const clash = type === 'CNAME' ? existing !== undefined : others.some((record) => record.type === 'CNAME');
  if (clash) return invalid({ __all__: ['CNAME records for a name cannot coexist with non-CNAME records.'] });
  if (!existing) addResource(region, placed.value, [], null, caller.username);
  const ttl = lastOf(fields, 'ttl');
  const record = {
    id: nextId(region, 'dnsdata'),
    fqdn,
    type,
    text: lastOf(fields, 'rrdata') ?? '',
    ttl: ttl === undefined ? null : Number(ttl),
  };
  region.dnsRecords.push(record);
  return ok(record);
}

export function listDnsRecords(region: Region, fields: Fields): DnsRecord[] {
  const [fqdn, type] = [lastOf(fields, 'fqdn'), lastOf(fields, 'rrtype')];
  return region.dnsRecords.filter(
    (record) => (fqdn === undefined || record.fqdn === fqdn) && (type === undefined || record.type === type),
  );
}

export function deleteDnsRecord(region: Region, caller: User, id: string): Outcome<null> {
  if (!caller.admin) return forAdmins();
  const index = region.dnsRecords.findIndex((record) => String(record.id) === id);
  if (index < 0) return noMatch('DNSData');
  region.dnsRecords.splice(index, 1);
  return ok(null);
}
