// The networks of pods and services: private, and apart from each other and from every subnet of MAAS (features G4).
import ipaddr from 'ipaddr.js';
import { err, ok, type Result } from '../../shared/result.ts';
import { type InstallProblem, type Refusal, refusal } from './install-problem.ts';

const { IPv4, IPv6 } = ipaddr;

/** RFC 1918 and RFC 6598. */
const PRIVATE = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10'];
/** Each node takes a /24 of the pods' network; a service range smaller than that is used up soon. */
const PREFIX_MIN = 8;
const PREFIX_MAX = 24;

export type Networks = { readonly podCidr: string; readonly serviceIpRange: string };
export type NamedSubnet = { readonly name: string; readonly cidr: string };

export function readCidr(text: string): Result<string, Refusal> {
  const cidr = text.trim();
  if (IPv6.isValidCIDR(cidr)) return err(refusal('IPV6_UNSUPPORTED', `${cidr} is an IPv6 network`));
  if (!/^[\d.]+\/\d+$/.test(cidr) || !IPv4.isValidCIDR(cidr))
    return err(refusal('CIDR_INVALID', `${cidr === '' ? 'nothing' : cidr} is not an IPv4 network`));
  const [, bits] = IPv4.parseCIDR(cidr);
  const network = `${IPv4.networkAddressFromCIDR(cidr).toString()}/${bits}`;
  if (network !== cidr) return err(refusal('CIDR_INVALID', `${cidr} is an address within ${network}`));
  if (bits < PREFIX_MIN || bits > PREFIX_MAX)
    return err(refusal('CIDR_INVALID', `${cidr} is not between /${PREFIX_MIN} and /${PREFIX_MAX}`));
  if (!PRIVATE.some((range) => lies(cidr, range)))
    return err(refusal('CIDR_NOT_PRIVATE', `${cidr} is public address space`));
  return ok(cidr);
}

/** Every overlap, of the two and with MAAS's subnets. What isn't an IPv4 network is passed over. */
export function overlapsOf(networks: Networks, subnets: readonly NamedSubnet[]): InstallProblem[] {
  const { podCidr, serviceIpRange } = networks;
  const mutual = overlap(podCidr, serviceIpRange)
    ? [found('serviceIpRange', `${serviceIpRange} overlaps the pods’ network ${podCidr}`)]
    : [];
  const withSubnets = (['podCidr', 'serviceIpRange'] as const).flatMap((field) =>
    subnets
      .filter(({ cidr }) => overlap(cidr, networks[field]))
      .map(({ name, cidr }) =>
        found(field, `${networks[field]} overlaps MAAS subnet ${name === cidr ? cidr : `${name} (${cidr})`}`),
      ),
  );
  return [...mutual, ...withSubnets];
}

const found = (field: keyof Networks, detail: string): InstallProblem => ({
  ...refusal('CIDR_OVERLAP', detail),
  where: `network.${field}`,
});

function overlap(one: string, other: string): boolean {
  if (!IPv4.isValidCIDR(one) || !IPv4.isValidCIDR(other)) return false;
  const [a, aBits] = IPv4.parseCIDR(one);
  const [b, bBits] = IPv4.parseCIDR(other);
  return a.match(b, Math.min(aBits, bBits));
}

/** All of `cidr` in `range`. */
function lies(cidr: string, range: string): boolean {
  const [, bits] = IPv4.parseCIDR(cidr);
  return bits >= IPv4.parseCIDR(range)[1] && overlap(cidr, range);
}
