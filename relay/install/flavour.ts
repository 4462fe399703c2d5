// Sizes of a gateway's machines, and what they ask of MAAS (features G7).
import { z } from 'zod';
import type { MachineRequirements } from '../../shared/machine.ts';

export const FLAVOURS = {
  small: { cpuCores: 4, memoryMiB: 8_192, diskGB: 60 },
  medium: { cpuCores: 8, memoryMiB: 16_384, diskGB: 100 },
  large: { cpuCores: 16, memoryMiB: 32_768, diskGB: 200 },
} as const;

/** Below this Kubernetes and the relay have no room. */
export const CUSTOM_MINIMUMS = { cpuCores: 2, memoryMiB: 4_096, diskGB: 40 } as const;

const Preset = z.enum(['small', 'medium', 'large']);
const Custom = z.strictObject({
  cpuCores: z.int().min(CUSTOM_MINIMUMS.cpuCores).max(4_096),
  memoryMiB: z.int().min(CUSTOM_MINIMUMS.memoryMiB).max(67_108_864),
  diskGB: z.int().min(CUSTOM_MINIMUMS.diskGB).max(1_000_000),
});
/** A preset's name, or the three numbers. Memory in MiB, disk in decimal GB, as everywhere. */
export const Flavour = z.union([Preset, Custom], 'is neither a preset nor cpuCores, memoryMiB and diskGB');
export type Flavour = z.infer<typeof Flavour>;

export type Minimums = z.infer<typeof Custom>;

export const Placement = z.strictObject({
  /** Null when the zone does not matter. */
  zone: z.string().min(1).nullable().default(null),
  flavour: Flavour,
  nodes: z.union([z.literal(1), z.literal(3)], 'is neither 1 nor 3'),
});
export type Placement = z.infer<typeof Placement>;

export const minimumsOf = (flavour: Flavour): Minimums => (typeof flavour === 'string' ? FLAVOURS[flavour] : flavour);

/** Gateways run on amd64 machines, as the built-in profile's packages do. */
export const GATEWAY_ARCHITECTURE = 'amd64';

export const requirementsOf = ({ zone, flavour }: Pick<Placement, 'zone' | 'flavour'>): MachineRequirements => ({
  minimums: minimumsOf(flavour),
  resourcePool: null,
  zones: zone === null ? [] : [zone],
  tags: [],
  notTags: [],
  systemIds: [],
  architecture: GATEWAY_ARCHITECTURE,
});

export function describeFlavour(flavour: Flavour): string {
  const { cpuCores, memoryMiB, diskGB } = minimumsOf(flavour);
  const memory = memoryMiB % 1_024 === 0 ? `${memoryMiB / 1_024} GiB` : `${memoryMiB} MiB`;
  return `${cpuCores} cores, ${memory}, ${diskGB} GB disk`;
}
