// Where the demo's MAAS and enrolment endpoint listen: an address of this host that the machines reach.
import { networkInterfaces } from 'node:os';
import ipaddr from 'ipaddr.js';
import type { Inventory } from '../lab/inventory.ts';
import { HOST_NETWORK } from '../lab/machines/host-network.ts';

/**
 * Simulated machines are on loopback, cloud-init's on the lab's own wire (which does not exist yet). Real hosts are in a
 * subnet of the inventory: this host's address there, else loopback, which only hosts of this machine reach.
 */
export function labAddress(driver: string, inventory: Inventory): string {
  if (driver === 'cloud-init') return HOST_NETWORK.hostAddress;
  if (!driver.startsWith('exec:')) return '127.0.0.1';
  const own = Object.values(networkInterfaces()).flatMap((list) =>
    (list ?? []).filter(({ family, internal }) => family === 'IPv4' && !internal),
  );
  const subnets = inventory.subnets.map(({ cidr }) => ipaddr.IPv4.parseCIDR(cidr));
  const near = own.find(({ address }) => subnets.some((subnet) => ipaddr.IPv4.parse(address).match(subnet)));
  return near?.address ?? '127.0.0.1';
}
