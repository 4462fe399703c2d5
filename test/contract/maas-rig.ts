// The recorded site built again in the lab: same machines, users, keys, subnets and images, and steps that bring it to the
// state in which a scenario was recorded. Steps go through the region model, not through HTTP.

import type { AddressInfo } from 'node:net';
import { createFaults } from '../lab/faults.ts';
import { inventorySchema } from '../lab/inventory.ts';
import { createLabServer } from '../lab/lab-server.ts';
import { addAddress } from '../lab/maas/addresses.ts';
import { addEvent } from '../lab/maas/events.ts';
import type { Machine } from '../lab/maas/machine.ts';
import { createRegion, nextId, type PowerDone, type Region } from '../lab/maas/region.ts';
import { addUser, keyOf, type User } from '../lab/maas/users-and-keys.ts';

export type Rig = {
  readonly region: Region;
  readonly admin: User;
  readonly alice: User;
  readonly port: number;
  /** Power-off jobs that never end while this is set. */
  holdPowerOff: boolean;
  /** Ends the waits of exactly this length. */
  pass(ms: number): void;
  machine(hostname: string): Machine;
  close(): Promise<void>;
};

export type Step = (rig: Rig) => void | Promise<void>;

const IDS: Record<string, string> = {
  'probe-1': 'm4ws8f',
  w1: 'bneq6n',
  w2: 'fx4sbc',
  w3: '43e6hq',
  w4: 'p4ffwg',
  i1: 'a66h78',
  i2: 'npb4fm',
  i3: 'et6g7d',
};
/** hostname, cpu, memory, disks, zone, pool, tags, power. */
const MACHINES = [
  ['probe-1', 8, 16_384, [500], 'default', 'default', [], 'manual'],
  ['w1', 8, 16_384, [500], 'az1', 'k8s', ['ssd', 'k8s-worker'], 'manual'],
  ['w2', 8, 16_384, [500], 'az1', 'k8s', ['ssd', 'k8s-worker'], 'manual'],
  ['w3', 16, 32_768, [1_000], 'az2', 'k8s', ['ssd', 'k8s-worker'], 'manual'],
  ['w4', 32, 131_072, [2_000, 2_000, 2_000], 'az2', 'k8s', ['gpu'], 'manual'],
  ['i1', 4, 8_192, [250], 'az2', 'infra', [], 'ipmi'],
  ['i2', 4, 8_192, [250], 'az1', 'default', [], 'ipmi'],
  ['i3', 4, 8_192, [250], 'az1', 'default', [], 'ipmi'],
] as const;

const NEVER_MS = 80_000_000;
export const ERASE_MS = 70_000_000;

const INVENTORY = inventorySchema.parse({
  domain: 'maas',
  domains: ['lab.example'],
  subnets: [
    {
      cidr: '10.10.0.0/24',
      name: 'prov',
      gateway: '10.10.0.1',
      dnsServers: ['10.10.0.2'],
      dynamic: [{ start: '10.10.0.100', end: '10.10.0.150' }],
      reserved: [{ start: '10.10.0.200', end: '10.10.0.210' }],
    },
    { cidr: '10.20.0.0/24', name: 'unmanaged', managed: false },
  ],
  machines: MACHINES.map(([hostname, cpu, memoryMiB, disks, zone, pool, tags, powerType], index) => ({
    id: IDS[hostname],
    hostname,
    cpu,
    memoryMiB,
    zone,
    pool,
    tags,
    powerType,
    disks: disks.map((gb, disk) => ({ gb, tags: disk === 0 ? ['ssd'] : ['hdd'] })),
    ip: `10.10.0.${230 + index}`,
    mac: `52:54:00:00:00:0${index}`,
  })),
  timings: { deployMs: NEVER_MS, powerOnMs: 0, releaseMs: 0, eraseMs: ERASE_MS, nodeTimeoutMs: NEVER_MS },
});

const ADMIN_KEY = {
  consumerKey: 'Y3VrqSTNVrHrTEZZ7V',
  tokenKey: '4tkxjmLBUErea5Rn2r',
  secret: 'C3fxZL6ykcLTWrQp3stsevQ6bzZV5ujC',
};
const ALICE_KEY = {
  consumerKey: '7BgUN9XSXaZz6rFsdv',
  tokenKey: 'xchkVj9AJKV84Z7EqH',
  secret: 'jfSteWCSaNByM4vBmrfjLTnyWyuQVQVn',
};

/** The site at this moment; time does not pass. Only waits of no length end. */
export async function buildRig(nowSeconds: number): Promise<Rig> {
  const power = { holdPowerOff: false };
  const waits: { delayMs: number; fn: () => void }[] = [];
  const schedule = (delayMs: number, fn: () => void): (() => void) => {
    if (delayMs === 0) setImmediate(fn);
    else waits.push({ delayMs, fn });
    return () => undefined;
  };
  const off = (_systemId: string, done: PowerDone): void => (power.holdPowerOff ? undefined : done({ ok: true }));
  const random = seededRandom();
  const now = (): number => nowSeconds * 1_000;
  const region = createRegion(INVENTORY, {
    now,
    random,
    schedule,
    power: { on: (_boot, done) => done({ ok: true }), off },
  });
  const admin = addUser(region, 'admin', { admin: true });
  const alice = addUser(region, 'alice', { admin: false });
  region.tokens.push(
    { ...ADMIN_KEY, owner: 'admin', name: 'MAAS consumer' },
    { ...ALICE_KEY, owner: 'alice', name: 'MAAS consumer' },
  );
  wearIn(region, nowSeconds);
  const faults = createFaults(now);
  const server = createLabServer({
    api: { region, nonces: new Set(), isDenied: (token) => faults.isDenied(keyOf(token)) },
    metadata: { region, nonces: new Set(), reports: [] },
    control: { region, faults, history: [], reports: [] },
    lostOnce: new Set(),
  });
  const port = await new Promise<number>((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port)); // a TCP server's address is an AddressInfo
  });
  return Object.assign(power, {
    region,
    admin,
    alice,
    port,
    pass: (ms: number) => {
      for (const wait of waits.filter(({ delayMs }) => delayMs === ms)) wait.fn();
    },
    machine: (hostname: string) => machineOf(region, hostname),
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  });
}

function seededRandom(): () => number {
  let seed = 1;
  return () => {
    seed = (seed * 16_807) % 2_147_483_647;
    return seed / 2_147_483_647;
  };
}

/** Between these moments w1 carried what machine_put_json_body had written. */
const JSON_DESCRIPTION = { from: 1_795_341_600, to: 1_795_343_100 };

/** What earlier scenarios had left behind: events, and BMC and rack addresses. */
function wearIn(region: Region, nowSeconds: number): void {
  if (nowSeconds > JSON_DESCRIPTION.from && nowSeconds < JSON_DESCRIPTION.to)
    machineOf(region, 'w1').description = 'json';
  for (const ip of ['10.10.0.2', '10.10.0.221', '10.10.0.222', '10.10.0.223']) addAddress(region, ip, null);
  for (const machine of region.machines.values()) {
    addEvent(region, machine, 'Deployed');
    machine.installationResultId = nextId(region, 'result');
  }
}

function machineOf(region: Region, hostname: string): Machine {
  const machine = [...region.machines.values()].find((candidate) => candidate.hostname === hostname);
  if (!machine) throw new Error(`no machine ${hostname} on the recorded site`);
  return machine;
}
