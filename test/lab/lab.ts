// The lab: a MAAS over real HTTP whose machines are played by a driver. For tests, the demo and the benchmarks.
//
// Map: inventory.ts (what stands in the racks) · maas/ (the region model, no HTTP) · maas/http/ (the API) ·
// metadata-server.ts · machine-driver.ts, power-wire.ts, machines/ · faults.ts, control.ts · history.ts, leftovers.ts · clock.ts

import type { AddressInfo } from 'node:net';
import { type LabClock, realClock } from './clock.ts';
import { createFaults, type Faults } from './faults.ts';
import type { HistoryEntry } from './history.ts';
import type { Inventory } from './inventory.ts';
import { createLabServer } from './lab-server.ts';
import { type Leftovers, leftoversOf } from './leftovers.ts';
import { appendBounded, createRegion, type Region, type Transition } from './maas/region.ts';
import { addToken, addUser, keyOf } from './maas/users-and-keys.ts';
import type { LabDelay, MachineDriver, PlayedNode } from './machine-driver.ts';
import { type MachineReport, METADATA_PREFIX } from './metadata-server.ts';
import { wirePower } from './power-wire.ts';

export type LabOptions = {
  readonly inventory: Inventory;
  readonly driver: MachineDriver;
  /** Address to listen on; 127.0.0.1 unless given. */
  readonly bind?: string;
  /** 0, the default, takes any free port. */
  readonly port?: number;
  /** The host that machines and clients are told, when it is not the one bound. */
  readonly advertise?: string;
  readonly clock?: LabClock;
  readonly random?: () => number;
};

export type Lab = {
  /** Ends in `/MAAS`, as one gives it to a MAAS client. */
  readonly url: string;
  readonly adminKey: string;
  /** Key of `LAB_USER`, a plain user: what everyone should use. */
  readonly userKey: string;
  readonly region: Region;
  readonly history: readonly HistoryEntry[];
  readonly transitions: readonly Transition[];
  readonly delays: readonly LabDelay[];
  readonly reports: readonly MachineReport[];
  readonly faults: Faults;
  /** For drivers, which make delays of their own. */
  recordDelay(delay: LabDelay): void;
  /** The nodes of the Kubernetes that the driver plays. */
  nodes(): readonly PlayedNode[];
  leftovers(ownerUser: string): Leftovers;
  /** Ends the machines, then the server. May be repeated. */
  close(): Promise<void>;
};

export const LAB_ADMIN = 'admin';
export const LAB_USER = 'slipway';

/** Fails (throws) only when the address cannot be bound. */
export async function startLab(options: LabOptions): Promise<Lab> {
  const ownClock = options.clock === undefined ? realClock() : null;
  const clock = options.clock ?? ownClock ?? realClock();
  const bind = options.bind ?? '127.0.0.1';
  let url = '';
  const power = wirePower(options.driver, () => `${url}${METADATA_PREFIX.slice('/MAAS'.length)}`);
  const region = createRegion(options.inventory, { ...clock, random: options.random ?? Math.random, power });
  const keys = addUsers(region);
  const faults = createFaults(() => clock.now());
  const history: HistoryEntry[] = [];
  const reports: MachineReport[] = [];
  const server = createLabServer({
    api: { region, nonces: new Set(), isDenied: (token) => faults.isDenied(keyOf(token)) },
    metadata: { region, nonces: new Set(), reports },
    control: { region, faults, history, reports },
    lostOnce: new Set(),
  });
  const { port } = await listen(server, options.port ?? 0, bind);
  url = `http://${options.advertise ?? bind}:${port}/MAAS`;
  return {
    url,
    ...keys,
    region,
    history,
    transitions: region.transitions,
    delays: region.delays,
    reports,
    faults,
    recordDelay: (delay) => appendBounded(region.delays, delay),
    nodes: () => options.driver.nodes?.() ?? [],
    leftovers: (ownerUser) => leftoversOf(region, ownerUser),
    close: async () => {
      ownClock?.stop();
      await power.idle();
      await options.driver.close();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}

function addUsers(region: Region): { adminKey: string; userKey: string } {
  addUser(region, LAB_ADMIN, { admin: true });
  addUser(region, LAB_USER, { admin: false });
  return {
    adminKey: keyOf(addToken(region, LAB_ADMIN, 'MAAS consumer')),
    userKey: keyOf(addToken(region, LAB_USER, 'slipway')),
  };
}

function listen(server: ReturnType<typeof createLabServer>, port: number, bind: string): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, bind, () => {
      const address = server.address();
      if (address === null || typeof address === 'string') reject(new Error('the lab does not listen on a TCP port'));
      else resolve(address);
    });
  });
}
