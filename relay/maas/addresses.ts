// Virtual IPs, reserved in MAAS under their DNS name. The name is what attributes an address: two clusters of one MAAS
// user must never take each other's. MAAS makes and removes the A record together with the reservation (maas.md §7).
import { z } from 'zod';
import type { MaasFailure } from '../../shared/maas-failure.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import type { MaasClient } from './client.ts';
import { type AddressRefusal, addressNotHeld, addressRefusal } from './maas-error.ts';

export type AddressFailure =
  | MaasFailure
  /** In use: by a machine, by somebody, or by us under another name. */
  | { readonly code: 'ADDRESS_TAKEN'; readonly ip: string; readonly detail: string }
  /** MAAS never gives this one out; choose another. */
  | {
      readonly code: 'ADDRESS_NOT_RESERVABLE';
      readonly ip: string;
      readonly reason: Exclude<AddressRefusal, 'taken'>;
      readonly detail: string;
    }
  /** The name has another address already; a second reserve would ADD an A record, so it is not sent. */
  | {
      readonly code: 'ADDRESS_NAME_TAKEN';
      readonly fqdn: string;
      readonly addresses: string[];
      readonly detail: string;
    };

export type NamedAddress = {
  readonly ip: string;
  /** Reserved by our MAAS user; false for anybody else's record of the same name. */
  readonly ours: boolean;
};

const OwnedAddress = z.object({ ip: z.string().nullable() });
const DnsResource = z.object({ fqdn: z.string(), ip_addresses: z.array(OwnedAddress).nullable() });

/** The addresses behind a DNS name; empty when the name is free. May be repeated. */
export async function findAddress(maas: MaasClient, fqdn: string): Promise<Result<NamedAddress[], MaasFailure>> {
  const query = [['fqdn', fqdn]] as const;
  const found = await maas.get({
    operation: 'dnsresources.list',
    path: 'dnsresources/',
    query,
    answer: z.array(DnsResource),
  });
  if (!found.ok) return found.error.code === 'MAAS_NOT_FOUND' ? ok([]) : found; // the domain is not in MAAS
  const ips = found.value
    .filter((resource) => resource.fqdn.toLowerCase() === fqdn.toLowerCase())
    .flatMap((resource) => (resource.ip_addresses ?? []).flatMap(({ ip }) => (ip === null ? [] : [ip])));
  const addresses: NamedAddress[] = [];
  for (const ip of ips) {
    const ours = await holds(maas, ip);
    if (!ours.ok) return ours;
    addresses.push({ ip, ours: ours.value });
  }
  return ok(addresses);
}

/** MAAS lists to a user only the addresses that this user reserved. */
async function holds(maas: MaasClient, ip: string): Promise<Result<boolean, MaasFailure>> {
  const query = [['ip', ip]] as const;
  const answer = z.array(OwnedAddress);
  const own = await maas.get({ operation: 'ipaddresses.list', path: 'ipaddresses/', query, answer });
  return own.ok ? ok(own.value.some((address) => address.ip === ip)) : own;
}

/** Awaited directly before a change is sent, since looks come first here: when it fails, that is told and nothing is sent. */
export type Confirm<F> = () => Promise<Result<unknown, F>>;

export type NamedIp = { readonly ip: string; readonly fqdn: string };

/**
 * Reserves `ip` under `fqdn`; ok when it is so already, so it may be repeated, also after an unknown outcome.
 * One caller per name at a time: between look and reserve MAAS offers no lock.
 */
export async function reserveAddress<F = never>(
  maas: MaasClient,
  { ip, fqdn }: NamedIp,
  confirm?: Confirm<F>,
): Promise<Result<NamedIp, AddressFailure | F>> {
  const found = await findAddress(maas, fqdn);
  if (!found.ok) return found;
  if (found.value.some((address) => address.ip === ip && address.ours)) return ok({ ip, fqdn });
  if (found.value.length > 0) {
    const addresses = found.value.map((address) => address.ip);
    const detail = `${fqdn} already names ${addresses.join(', ')}`;
    return err({ code: 'ADDRESS_NAME_TAKEN', fqdn, addresses, detail });
  }
  const confirmed = await confirm?.();
  if (confirmed?.ok === false) return confirmed;
  const reserved = await maas.post({
    operation: 'ipaddresses.reserve',
    path: 'ipaddresses/',
    op: 'reserve',
    form: [
      ['ip', ip],
      ['hostname', fqdn],
    ],
    answer: z.object({ ip: z.literal(ip) }),
    refusal: (answer) => {
      const why = addressRefusal(answer);
      return why === null ? null : refusalOf(ip, why);
    },
  });
  return reserved.ok ? ok({ ip, fqdn }) : reserved;
}

function refusalOf(ip: string, why: AddressRefusal): AddressFailure {
  if (why === 'taken') return { code: 'ADDRESS_TAKEN', ip, detail: `${ip} is already in use` };
  const where = {
    'reserved-range': 'in a reserved range',
    'dynamic-range': 'in a dynamic range',
    'outside-subnets': 'outside all subnets',
  };
  return { code: 'ADDRESS_NOT_RESERVABLE', ip, reason: why, detail: `${ip} is ${where[why]} of MAAS` };
}

/**
 * Gives `ip` back, and its DNS name with it, if it is ours under exactly this name; else nothing is touched and the
 * answer is `absent`. May be repeated.
 */
export async function releaseAddress<F = never>(
  maas: MaasClient,
  { ip, fqdn }: NamedIp,
  confirm?: Confirm<F>,
): Promise<Result<'released' | 'absent', MaasFailure | F>> {
  const found = await findAddress(maas, fqdn);
  if (!found.ok) return found;
  if (!found.value.some((address) => address.ip === ip && address.ours)) return ok('absent');
  const confirmed = await confirm?.();
  if (confirmed?.ok === false) return confirmed;
  const released = await maas.post({
    operation: 'ipaddresses.release',
    path: 'ipaddresses/',
    op: 'release',
    form: [['ip', ip]],
    answer: z.unknown(),
    refusal: (answer) => (addressNotHeld(answer) ? 'absent' : null),
  });
  if (released.ok) return ok('released');
  return released.error === 'absent' ? ok('absent') : err(released.error);
}
