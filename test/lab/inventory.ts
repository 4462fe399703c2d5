// What stands in the lab's racks: the schema of lab.yaml, and the racks that the tests and the demo use when none is given.

import { load } from 'js-yaml';
import { z } from 'zod';
import { err, ok, type Result } from '../../shared/result.ts';

const name = z.string().regex(/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/, 'lower-case letters, digits, dots and dashes');
const ipv4 = z.ipv4();
const milliseconds = z.number().int().min(0).max(86_400_000);

/** How long the parts of a machine's life take, in milliseconds. The defaults make a demo of a few seconds. */
export const timingsSchema = z.strictObject({
  /** From the deploy call to the power button of the installed system: MAAS writing the image. */
  deployMs: milliseconds.default(1_000),
  /** From the power button to the moment cloud-init asks for its user-data; the driver spends it. */
  powerOnMs: milliseconds.default(300),
  /** A BMC's power-off job; the answer to a release waits for it. */
  releaseMs: milliseconds.default(300),
  eraseMs: milliseconds.default(600),
  kubeadmInitMs: milliseconds.default(800),
  kubeadmJoinMs: milliseconds.default(500),
  /** How long MAAS waits for a machine to ask for its user-data. MAAS's own `node_timeout` is 30 minutes. */
  nodeTimeoutMs: milliseconds.default(1_800_000),
  /** The same for a `never-boots-…` machine, so that a test needs not wait half an hour. */
  neverBootsMs: milliseconds.default(3_000),
  /** MAAS's limit for Releasing, after which a machine is `Releasing failed`: 5 minutes (maas.md §5). */
  releasingLimitMs: milliseconds.default(300_000),
});
export type Timings = z.infer<typeof timingsSchema>;

const machineSchema = z.strictObject({
  id: z.string().regex(/^[a-z0-9]{6}$/, 'six lower-case letters or digits, as MAAS makes them'),
  hostname: name,
  ip: ipv4,
  mac: z.string().regex(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/, 'a MAC address in lower case'),
  cpu: z.number().int().min(1).max(1_024).default(8),
  memoryMiB: z.number().int().min(512).default(16_384),
  /** Disks in GB (10^9 bytes); each may carry tags. */
  disks: z
    .array(z.union([z.number().positive(), z.strictObject({ gb: z.number().positive(), tags: z.array(z.string()) })]))
    .default([500]),
  zone: name.default('default'),
  pool: name.default('default'),
  tags: z.array(z.string().regex(/^[\w.-]+$/)).default([]),
  powerType: z.enum(['ipmi', 'manual']).default('ipmi'),
});
export type InventoryMachine = z.infer<typeof machineSchema>;

const rangeSchema = z.strictObject({ start: ipv4, end: ipv4 });
const subnetSchema = z.strictObject({
  cidr: z.cidrv4(),
  name: name.optional(),
  gateway: ipv4.optional(),
  dnsServers: z.array(ipv4).default([]),
  managed: z.boolean().default(true),
  dynamic: z.array(rangeSchema).default([]),
  reserved: z.array(rangeSchema).default([]),
});

export type InventorySubnet = z.infer<typeof subnetSchema>;

const imageSchema = z.strictObject({
  /** `ubuntu/noble` for a synced image, `custom/NAME` for an uploaded one. */
  name: z.string().regex(/^[a-z0-9-]+\/[a-z0-9.-]+$/),
  title: z.string().default(''),
  kernels: z.array(z.string()).min(1).default(['ga-24.04', 'hwe-24.04']),
});
export type InventoryImage = z.infer<typeof imageSchema>;

const DEFAULT_IMAGES = [
  { name: 'ubuntu/jammy', title: '22.04 LTS', kernels: ['ga-22.04', 'hwe-22.04'] },
  { name: 'ubuntu/noble', title: '24.04 LTS', kernels: ['ga-24.04', 'hwe-24.04'] },
  { name: 'custom/k8s-node', title: 'K8s node image', kernels: ['ga-24.04'] },
];

export const inventorySchema = z
  .strictObject({
    domain: name.default('maas'),
    domains: z.array(name).default([]),
    subnets: z.array(subnetSchema).min(1),
    machines: z.array(machineSchema).max(5_000),
    images: z.array(imageSchema).default(DEFAULT_IMAGES),
    timings: timingsSchema.prefault({}),
  })
  .superRefine((inventory, context) => {
    for (const key of ['id', 'hostname', 'ip', 'mac'] as const) {
      const seen = new Set<string>();
      for (const machine of inventory.machines) {
        if (seen.has(machine[key]))
          context.addIssue({ code: 'custom', message: `two machines share ${key} ${machine[key]}` });
        seen.add(machine[key]);
      }
    }
  });
export type Inventory = z.infer<typeof inventorySchema>;

/** Reads the text of a lab.yaml. Every mistake is in the failure, one a line. */
export function parseInventory(text: string): Result<Inventory, { code: 'INVENTORY_INVALID'; detail: string }> {
  let loaded: unknown;
  try {
    loaded = load(text);
  } catch (error) {
    return err({ code: 'INVENTORY_INVALID', detail: error instanceof Error ? error.message : String(error) });
  }
  const parsed = inventorySchema.safeParse(loaded);
  return parsed.success ? ok(parsed.data) : err({ code: 'INVENTORY_INVALID', detail: z.prettifyError(parsed.error) });
}

export type DefaultInventory = {
  machines: number;
  zones?: number;
  timings?: Partial<Timings>;
  /** Names for the first machines, such as `fails-deploying-1`; the rest are `node-1`, `node-2`, … */
  hostnames?: readonly string[];
  /** A /24 that is this host's, for machines with network namespaces; left out: 127.10.0.0/16. */
  network?: { readonly cidr: string; readonly hostAddress: string };
  /** The second number of the loopback network, 10 unless given: labs at the same time on one host need different ones. */
  loopback?: number;
};

/**
 * Equal machines spread over the zones. Every address is one of 127.10.0.0/16 (see `loopback`), which Linux lets any process
 * bind, so machine addresses and virtual addresses are real sockets. 127.10.1.0/24 is for DHCP; 127.10.2.0–50 is a reserved range.
 */
export function defaultInventory(options: DefaultInventory): Inventory {
  const zones = options.zones ?? 3;
  const loopback = `127.${options.loopback ?? 10}`;
  const machines = Array.from({ length: options.machines }, (_, index) => ({
    id: `m${index.toString(36).padStart(5, '0')}`,
    hostname: options.hostnames?.[index] ?? `node-${index + 1}`,
    ip: options.network === undefined ? loopbackAddress(loopback, index) : wireAddress(options.network, index),
    mac: `52:54:00:10:${hexByte(Math.floor(index / 256))}:${hexByte(index % 256)}`,
    cpu: 8,
    memoryMiB: 16_384,
    disks: [500],
    zone: `az${(index % zones) + 1}`,
    pool: 'default',
    tags: [],
    powerType: 'ipmi',
  }));
  return inventorySchema.parse({
    domain: 'maas',
    domains: ['lab.example'],
    subnets: [
      options.network === undefined
        ? loopbackSubnet(loopback)
        : { cidr: options.network.cidr, name: 'lab', gateway: options.network.hostAddress },
    ],
    machines,
    timings: options.timings ?? {},
  });
}

const loopbackSubnet = (prefix: string) => ({
  cidr: `${prefix}.0.0/16`,
  name: 'lab',
  gateway: `${prefix}.0.1`,
  dnsServers: [`${prefix}.0.2`],
  dynamic: [{ start: `${prefix}.1.0`, end: `${prefix}.1.255` }],
  reserved: [{ start: `${prefix}.2.0`, end: `${prefix}.2.50` }],
});

const loopbackAddress = (prefix: string, index: number): string =>
  `${prefix}.${10 + Math.floor(index / 200)}.${(index % 200) + 1}`;

/** From .100 on, so that the first half of the wire stays free for virtual addresses. */
function wireAddress(network: { readonly hostAddress: string }, index: number): string {
  if (index > 150) throw new Error('a wire of 256 addresses has room for 150 machines');
  return `${network.hostAddress.slice(0, network.hostAddress.lastIndexOf('.'))}.${100 + index}`;
}

const hexByte = (value: number): string => value.toString(16).padStart(2, '0');
