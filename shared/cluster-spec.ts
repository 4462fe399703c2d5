// What a user asks for. Field names are those of features.md 1.13; every default is here.
import { z } from 'zod';
import { AccountId, ProfileId, SystemId } from './ids.ts';
import { CONTROL_PLANE_SIZE_MAX, POOLS_MAX, WORKER_POOL_SIZE_MAX } from './limits.ts';

/** A user's own, or the machines that carry a gateway (architecture ruling 12.2). */
export const ClusterKind = z.enum(['workload', 'gateway']);
export type ClusterKind = z.infer<typeof ClusterKind>;

/** RFC 1123 label. */
export const Label = z.string().regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/, 'use lower-case letters, digits and hyphens');
/** 32 characters leave room for `-<slot>` in a host name of 63. */
export const ClusterName = Label.max(32);
export const Tag = z.string().regex(/^[A-Za-z0-9._/-]{1,63}(:[A-Za-z0-9._/ -]{0,63})?$/, 'use key or key:value');

/** One `--name=value` of the kubelet; kubeadm v1beta4 takes a list. */
export const KubeletArgument = z.strictObject({
  name: z.string().regex(/^[a-z][a-z0-9-]{0,62}$/),
  value: z.string().max(1_024),
});

/** A file put on the machine before kubeadm runs. Never secret: it is kept in clear. */
export const NodeFile = z.strictObject({
  path: z.string().regex(/^\/[^\0]{1,254}$/, 'use an absolute path'),
  mode: z
    .string()
    .regex(/^0[0-7]{3}$/)
    .default('0644'),
  content: z.string().max(131_072),
});
export type NodeFile = z.infer<typeof NodeFile>;

export const Taint = z.strictObject({
  key: z.string().min(1).max(253),
  value: z.string().max(63).default(''),
  effect: z.enum(['NoSchedule', 'PreferNoSchedule', 'NoExecute']),
});

const Minimums = z.strictObject({
  cpuCores: z.int().min(1).max(4_096).default(2),
  memoryMiB: z.int().min(1_024).max(67_108_864).default(2_048),
  diskGB: z.int().min(1).max(1_000_000).default(30),
});

const Placement = z.strictObject({
  resourcePool: z.string().min(1).max(256).nullable().default(null),
  zones: z.array(z.string().min(1).max(256)).max(64).default([]),
  /** even: as many in each zone as can be; strict: refuse when uneven; pack: do not care. */
  spread: z.enum(['even', 'strict', 'pack']).default('even'),
  tags: z.array(z.string().min(1).max(256)).max(32).default([]),
  notTags: z.array(z.string().min(1).max(256)).max(32).default([]),
  systemIds: z.array(SystemId).max(WORKER_POOL_SIZE_MAX).default([]),
});

const poolFields = {
  name: Label.max(40),
  minimums: Minimums.prefault({}),
  placement: Placement.prefault({}),
  rollout: z
    .strictObject({ strategy: z.enum(['expand-first', 'contract-first']).default('expand-first') })
    .prefault({}),
  labels: z.record(z.string().min(1).max(317), z.string().max(63)).default({}),
  taints: z.array(Taint).max(50).default([]),
  kubelet: z.strictObject({ extraArgs: z.array(KubeletArgument).max(50).default([]) }).prefault({}),
  hooks: z
    .strictObject({
      preKubeadm: z.array(z.string().min(1).max(4_096)).max(50).default([]),
      postKubeadm: z.array(z.string().min(1).max(4_096)).max(50).default([]),
    })
    .prefault({}),
  files: z.array(NodeFile).max(50).default([]),
};

export const ControlPlanePool = z.strictObject({
  ...poolFields,
  role: z.literal('control-plane'),
  size: z.int().min(1).max(CONTROL_PLANE_SIZE_MAX),
  /** Lets ordinary workloads run on control-plane nodes (no taint). */
  allowWorkloads: z.boolean().default(false),
});

export const WorkerPool = z.strictObject({
  ...poolFields,
  role: z.literal('worker'),
  size: z.int().min(0).max(WORKER_POOL_SIZE_MAX),
});

export const NodePool = z.discriminatedUnion('role', [ControlPlanePool, WorkerPool]);
export type NodePool = z.infer<typeof NodePool>;

/** The Kubernetes API's address. Omitted subnet or ip: the planner picks a free one in the nodes' subnet. */
export const Endpoint = z.strictObject({
  mode: z.literal('vip'),
  subnet: z.string().max(256).optional(),
  ip: z.ipv4().optional(),
});

export const ERASE_MODES = ['none', 'quick', 'full', 'secure'] as const;

export const ClusterSpec = z.strictObject({
  name: ClusterName,
  description: z.string().max(1_000).default(''),
  tags: z.array(Tag).max(50).default([]),
  profileId: ProfileId,
  /** Overrides of the profile's parameters, by layer name; unknown keys are refused. */
  parameters: z.record(z.string().max(64), z.record(z.string().max(64), z.json())).default({}),
  accountId: AccountId,
  /** MAAS DNS domain; null takes MAAS's default domain. */
  domain: z.string().min(1).max(253).nullable().default(null),
  endpoint: Endpoint.default({ mode: 'vip' }),
  pools: z
    .array(NodePool)
    .min(1)
    .max(POOLS_MAX)
    .prefault(() => defaultPools()),
  /** What happens to the disks when machines are given back (architecture ruling 13.12). */
  erase: z.enum(ERASE_MODES).default('quick'),
});
export type ClusterSpec = z.infer<typeof ClusterSpec>;
/** As a client sends it: defaults may be left out. */
export type ClusterSpecInput = z.input<typeof ClusterSpec>;

/** One control plane and one worker (the seed: "configured by default"). */
function defaultPools(): z.input<typeof NodePool>[] {
  return [
    { name: 'control-plane', role: 'control-plane', size: 1 },
    { name: 'workers', role: 'worker', size: 1 },
  ];
}

/** The slot names of a pool, in order. */
export function slotName(pool: string, index: number): string {
  return `${pool}-${index}`;
}
