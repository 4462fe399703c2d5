// Addresses that users reserve and machines are given (maas.md §7).

import { ok } from '../../../shared/result.ts';
import { nameAddress, type PlacedName, placeName, unnameAddress } from './dns.ts';
import { type Fields, lastOf, looseFlag } from './fields.ts';
import { ipv4Number, ipv4Text } from './ipv4.ts';
import type { Machine } from './machine.ts';
import { badRequest, forbidden, invalid, notFound, notModelled, type Outcome, unavailable } from './refusal.ts';
import { nextId, type Region } from './region.ts';
import { anyFreeAddress, findSubnet, rangeAround, type Subnet, subnetOf } from './subnets.ts';
import type { User } from './users-and-keys.ts';

export type Address = {
  readonly ip: string;
  /** 4 is "User reserved"; 1 is "Static", the address of a BMC or a rack controller. */
  readonly type: 1 | 4;
  readonly owner: string | null;
  readonly createdMs: number;
  /** Reserved together with a MAC: MAAS makes an interface of unknown type for it. */
  readonly attached: { readonly mac: string; readonly interfaceId: number } | null;
};

const BAD_IP = 'Enter a valid IPv4 or IPv6 address.';
const RESERVE_FIELDS = new Set(['op', 'ip', 'ip_address', 'subnet', 'hostname', 'domain', 'mac']);

/** `ipaddresses/?op=reserve`. When `ip` and `subnet` disagree, `subnet` is ignored, as in MAAS. Not repeatable. */
export function reserveAddress(region: Region, caller: User, fields: Fields): Outcome<Address> {
  const unknown = [...fields.keys()].find((key) => !RESERVE_FIELDS.has(key));
  if (unknown !== undefined) return notModelled(`ipaddresses reserve with ${unknown}`);
  const hostname = lastOf(fields, 'hostname') ?? '';
  // The parameter `domain` is not read here: in 3.7.3 a short hostname lands in the default domain whatever it says.
  const name: Outcome<PlacedName | null> = hostname === '' ? ok(null) : placeName(region, hostname);
  if (!name.ok) return name;
  const chosen = chooseAddress(region, lastOf(fields, 'ip') ?? lastOf(fields, 'ip_address'), lastOf(fields, 'subnet'));
  if (!chosen.ok) return chosen;
  const mac = lastOf(fields, 'mac');
  const attached = mac === undefined ? null : { mac, interfaceId: nextId(region, 'interface') };
  const address = addAddress(region, chosen.value, caller.username, attached);
  if (name.value) nameAddress(region, name.value, address.ip, caller.username);
  return ok(address);
}

function chooseAddress(region: Region, ip: string | undefined, spec: string | undefined): Outcome<string> {
  if (ip !== undefined && ip !== '') return checkGiven(region, ip);
  if (spec === undefined || spec === '') return badRequest("Must supply either the 'subnet' or the 'ip' parameter.");
  const subnet = findSubnet(region, spec);
  if (!subnet) return badRequest(`Unable to identify subnet: ${spec}.`);
  const free = subnet.managed ? anyFreeAddress(region, subnet) : freeInReservedRange(region, subnet);
  return free === undefined ? unavailable(`No more IPs available in subnet: ${subnet.cidr}.`, null) : ok(free);
}

/** The gateway's and the network's own address are not protected, as in MAAS. */
function checkGiven(region: Region, ip: string): Outcome<string> {
  if (ipv4Number(ip) === null) return invalid({ ip_address: [BAD_IP] });
  if (!subnetOf(region, ip)) return badRequest(`No known subnet for IP address: ${ip}.`);
  const range = rangeAround(region, ip);
  if (range) {
    const text = `${ip} is within the ${range.type} range from ${ipv4Text(range.start)} to ${ipv4Text(range.end)}`;
    return range.type === 'dynamic' ? forbidden(text) : notFound(text);
  }
  return isTaken(region, ip) ? notFound(`The IP address ${ip} is already in use.`) : ok(ip);
}

/** `ipaddresses/?op=release`. A name that was left with no other address goes too. A repeat is refused. */
export function releaseAddress(region: Region, caller: User, fields: Fields): Outcome<null> {
  const ip = lastOf(fields, 'ip') ?? '';
  if (ipv4Number(ip) === null) return invalid({ ip: [BAD_IP] });
  const force = looseFlag(fields, 'force');
  if (force && !caller.admin) return forbidden('Force-releasing an IP address requires admin privileges.');
  const mine = region.addresses.some(
    (address) => address.ip === ip && address.type === 4 && (force || address.owner === caller.username),
  );
  if (!mine) {
    return badRequest(
      `IP address ${ip} does not exist, is not the correct type of address, or does not belong to the requesting user.\n` +
        'If you are sure you want to release this address, use force=true as a MAAS administrator.',
    );
  }
  unnameAddress(region, ip);
  dropAddress(region, ip);
  return ok(null);
}

/** A plain user sees only the own ones; an admin sees own ones too, unless `all` or `owner` asks for more. */
export function listAddresses(region: Region, caller: User, fields: Fields): Outcome<Address[]> {
  const ip = lastOf(fields, 'ip');
  const all = looseFlag(fields, 'all');
  const owner = lastOf(fields, 'owner') ?? caller.username;
  if ((all || owner !== caller.username) && !caller.admin)
    return forbidden('Listing all IP addresses requires admin privileges.');
  return ok(
    region.addresses.filter(
      (address) => (all || (address.type === 4 && address.owner === owner)) && (ip === undefined || address.ip === ip),
    ),
  );
}

export function addAddress(
  region: Region,
  ip: string,
  owner: string | null,
  attached: Address['attached'] = null,
): Address {
  const address: Address = { ip, type: owner === null ? 1 : 4, owner, createdMs: region.ports.now(), attached };
  region.addresses.push(address);
  return address;
}

export function dropAddress(region: Region, ip: string): void {
  const index = region.addresses.findIndex((address) => address.ip === ip && address.type === 4);
  if (index >= 0) region.addresses.splice(index, 1);
}

export const isTaken = (region: Region, ip: string): boolean =>
  region.addresses.some((address) => address.ip === ip) ||
  [...region.machines.values()].some((machine) => machine.address === ip);

/** Gives a machine its home address, or any other free one when that is taken. False when the subnets are full. */
export function claimAddress(region: Region, machine: Machine): boolean {
  if (machine.address !== null) return true;
  const home = machine.homeAddress;
  if (home !== null && !isTaken(region, home)) machine.address = home;
  else machine.address = firstFree(region) ?? null;
  return machine.address !== null;
}

const firstFree = (region: Region): string | undefined => {
  const subnet = region.subnets.find((candidate) => candidate.managed);
  return subnet && anyFreeAddress(region, subnet);
};

function freeInReservedRange(region: Region, subnet: Subnet): string | undefined {
  for (const range of region.ranges.filter(
    (candidate) => candidate.subnetId === subnet.id && candidate.type === 'reserved',
  )) {
    for (let number = range.start; number <= range.end; number += 1) {
      const text = ipv4Text(number);
      if (!isTaken(region, text)) return text;
    }
  }
  return undefined;
}
