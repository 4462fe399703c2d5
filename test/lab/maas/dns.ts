// Domains and the names in them that point to addresses (maas.md §7). Text records live in dns-records.ts.

import { ok } from '../../../shared/result.ts';
import { addAddress, dropAddress } from './addresses.ts';
import { type Fields, lastOf } from './fields.ts';
import { ipv4Number } from './ipv4.ts';
import { crashed, forAdmins, invalid, noMatch, notModelled, type Outcome } from './refusal.ts';
import { nextId, type Region } from './region.ts';
import type { User } from './users-and-keys.ts';

export type Domain = { readonly id: number; readonly name: string };

export type DnsResource = {
  readonly id: number;
  name: string;
  readonly domain: string;
  addressTtl: number | null;
  addresses: string[];
  /** Who made it; MAAS does not keep this, the lab counts left-overs by it. */
  readonly madeBy: string;
};

export type PlacedName = { readonly name: string; readonly domain: string };

/** The default domain has id 0. */
export function addDomain(region: Region, name: string): Domain {
  const domain = { id: nextId(region, 'domain') - 1, name };
  region.domains.push(domain);
  return domain;
}

export function createDomain(region: Region, caller: User, fields: Fields): Outcome<Domain> {
  if (!caller.admin) return forAdmins();
  const name = lastOf(fields, 'name');
  if (name === undefined || name === '') return invalid({ name: ['This field is required.'] });
  if (region.domains.some((domain) => domain.name === name))
    return invalid({ name: ['Domain with this Name already exists.'] });
  return ok(addDomain(region, name));
}

export function domainBySpec(region: Region, spec: string): Outcome<Domain> {
  const domain = region.domains.find((candidate) => candidate.name === spec || String(candidate.id) === spec);
  return domain ? ok(domain) : noMatch('Domain');
}

/** Splits at the first dot, as MAAS does: `_etcd._tcp.lab.example` names no known domain. No dot: the default domain. */
export function placeName(region: Region, hostname: string): Outcome<PlacedName> {
  const dot = hostname.indexOf('.');
  if (dot < 0) return ok({ name: hostname, domain: region.defaultDomain });
  const domain = domainBySpec(region, hostname.slice(dot + 1));
  return domain.ok ? ok({ name: hostname.slice(0, dot), domain: domain.value.name }) : domain;
}

export const fqdnOfName = (placed: PlacedName): string => `${placed.name}.${placed.domain}`;

/** Adds an address to a name, making the name when it is new. */
export function nameAddress(region: Region, placed: PlacedName, ip: string, madeBy: string): void {
  const existing = region.dnsResources.find(
    (resource) => resource.name === placed.name && resource.domain === placed.domain,
  );
  if (existing) existing.addresses.push(ip);
  else addResource(region, placed, [ip], null, madeBy);
}

/** Takes an address off every name; a name left with none goes. */
export function unnameAddress(region: Region, ip: string): void {
  for (const resource of region.dnsResources.filter((candidate) => candidate.addresses.includes(ip))) {
    resource.addresses = resource.addresses.filter((other) => other !== ip);
    if (resource.addresses.length === 0) removeResource(region, resource);
  }
}

export function createDnsResource(region: Region, caller: User, fields: Fields): Outcome<DnsResource> {
  if (!caller.admin) return forAdmins();
  const placed = placedFrom(region, fields);
  if (!placed.ok) return placed;
  const ips = parseAddresses(lastOf(fields, 'ip_addresses') ?? '');
  if (!ips.ok) return ips;
  const taken = region.dnsResources.some(
    (other) => other.name === placed.value.name && other.domain === placed.value.domain,
  );
  if (taken) return invalid({ __all__: ['Labels must be unique within their zone.'] });
  for (const ip of ips.value) ensureAddress(region, ip, caller);
  const ttl = lastOf(fields, 'address_ttl');
  return ok(addResource(region, placed.value, ips.value, ttl === undefined ? null : Number(ttl), caller.username));
}

/** Replaces the addresses. The replaced ones stay reserved: a leak that the real MAAS has (maas.md §7). */
export function updateDnsResource(region: Region, caller: User, id: string, fields: Fields): Outcome<DnsResource> {
  if (!caller.admin) return forAdmins();
  const found = dnsResourceById(region, id);
  if (!found.ok) return found;
  const ttl = lastOf(fields, 'address_ttl');
  if (ttl !== undefined) found.value.addressTtl = Number(ttl);
  const list = lastOf(fields, 'ip_addresses');
  if (list === undefined) return found;
  const ips = parseAddresses(list);
  if (!ips.ok) return ips;
  for (const ip of ips.value) ensureAddress(region, ip, caller);
  found.value.addresses = [...ips.value];
  return found;
}

/** Frees its addresses too, even one that was reserved on its own (maas.md §7). */
export function deleteDnsResource(region: Region, caller: User, id: string): Outcome<null> {
  if (!caller.admin) return forAdmins();
  const found = dnsResourceById(region, id);
  if (!found.ok) return found;
  removeResource(region, found.value);
  for (const ip of found.value.addresses) {
    if (!region.dnsResources.some((other) => other.addresses.includes(ip))) dropAddress(region, ip);
  }
  return ok(null);
}

export function dnsResourceById(region: Region, id: string): Outcome<DnsResource> {
  const resource = region.dnsResources.find((candidate) => String(candidate.id) === id);
  return resource ? ok(resource) : noMatch('DNSResource');
}

export function listDnsResources(region: Region, fields: Fields): Outcome<DnsResource[]> {
  if (fields.has('all')) return notModelled('dnsresources with all=true');
  const domain = lastOf(fields, 'domain');
  const known = domain === undefined ? null : domainBySpec(region, domain);
  if (known && !known.ok) return known;
  const [fqdn, name, type] = [lastOf(fields, 'fqdn'), lastOf(fields, 'name'), lastOf(fields, 'rrtype')];
  const hasRecord = (resource: DnsResource): boolean =>
    region.dnsRecords.some((record) => record.fqdn === fqdnOfName(resource) && record.type === type);
  return ok(
    region.dnsResources.filter(
      (resource) =>
        (known === null || resource.domain === known.value.name) &&
        (fqdn === undefined || fqdnOfName(resource) === fqdn) &&
        (name === undefined || resource.name === name) &&
        (type === undefined || type === 'A' || hasRecord(resource)),
    ),
  );
}

/** `fqdn`, or `name` with `domain`. */
export function placedFrom(region: Region, fields: Fields): Outcome<PlacedName> {
  const fqdn = lastOf(fields, 'fqdn');
  if (fqdn?.includes('*')) return crashed('cannot unpack non-iterable NoneType object');
  if (fqdn !== undefined) return placeName(region, fqdn);
  const [name, spec] = [lastOf(fields, 'name'), lastOf(fields, 'domain')];
  if (spec === undefined) return invalid({ domain: ['This field is required.'] });
  if (name === undefined) return invalid({ name: ['This field is required.'] });
  const domain = domainBySpec(region, spec);
  return domain.ok ? ok({ name, domain: domain.value.name }) : domain;
}

export function addResource(
  region: Region,
  placed: PlacedName,
  ips: readonly string[],
  ttl: number | null,
  madeBy: string,
): DnsResource {
  const resource = { id: nextId(region, 'dns'), ...placed, addressTtl: ttl, addresses: [...ips], madeBy };
  region.dnsResources.push(resource);
  return resource;
}

function removeResource(region: Region, resource: DnsResource): void {
  region.dnsResources.splice(region.dnsResources.indexOf(resource), 1);
}

function parseAddresses(text: string): Outcome<string[]> {
  const ips = text.split(/[\s,]+/).filter((ip) => ip !== '');
  const bad = ips.find((ip) => ipv4Number(ip) === null);
  return bad === undefined ? ok(ips) : crashed(`failed to detect a valid IP address from '${bad}'`);
}

/** MAAS reserves what it does not know, even outside every subnet. */
function ensureAddress(region: Region, ip: string, caller: User): void {
  if (!region.addresses.some((address) => address.ip === ip)) addAddress(region, ip, caller.username);
}
