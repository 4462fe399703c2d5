// Pure. IPv4 addresses and networks as numbers.
import { z } from 'zod';

const Ipv4 = z.ipv4();

/** Null for anything that is not an IPv4 address. */
export function ipv4Number(address: string): number | null {
  if (!Ipv4.safeParse(address).success) return null;
  return address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
}

/** False too when either is not IPv4. */
export function cidrContains(cidr: string, address: string): boolean {
  const [network, bits] = cidr.split('/');
  const base = network === undefined ? null : ipv4Number(network);
  const wanted = ipv4Number(address);
  if (base === null || wanted === null || bits === undefined) return false;
  const size = 2 ** (32 - Number(bits));
  return Math.floor(base / size) === Math.floor(wanted / size);
}
