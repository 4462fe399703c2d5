// A cluster profile: the template of a cluster, as layers. Versions are immutable once a cluster uses them.
import { z } from 'zod';
import { KubeletArgument, NodeFile } from './cluster-spec.ts';
import { ProfileId } from './ids.ts';

const IpRange = z.cidrv4();
const Image = z.string().regex(/^[a-z0-9][a-z0-9.:/_@-]{1,254}$/);
const Command = z.string().min(1).max(4_096);

export const OsLayer = z.strictObject({
  kind: z.literal('os'),
  name: z.string().max(64),
  /** As MAAS deploys it: `ubuntu/noble`, or an uploaded image that may have Kubernetes inside. */
  image: z.string().min(1).max(128),
  hweKernel: z.string().max(64).nullable().default(null),
  architecture: z.enum(['amd64', 'arm64']).default('amd64'),
});

export const KubernetesLayer = z.strictObject({
  kind: z.literal('kubernetes'),
  name: z.string().max(64),
  version: z.string().regex(/^v1\.(3[1-9]|[4-9]\d)\.\d+$/, 'use v1.31.0 or later: kubeadm v1beta4'),
  /** Where packages come from when the image has no kubeadm; null: the image must have it, nothing is downloaded. */
  packageRepository: z.url().nullable().default(null),
  imageRepository: z.string().max(255).nullable().default(null),
  kubeVipImage: Image,
  podSubnet: IpRange,
  serviceSubnet: IpRange,
  dnsDomain: z.string().max(253).default('cluster.local'),
  extraSans: z.array(z.string().max(253)).max(50).default([]),
  kubeletExtraArgs: z.array(KubeletArgument).max(50).default([]),
  files: z.array(NodeFile).max(50).default([]),
  preKubeadm: z.array(Command).max(50).default([]),
  postKubeadm: z.array(Command).max(50).default([]),
});

/** Manifests applied by server-side apply, in order. */
const manifestLayer = <K extends 'cni' | 'csi' | 'addon'>(kind: K) =>
  z.strictObject({
    kind: z.literal(kind),
    name: z.string().max(64),
    manifests: z.string().max(786_432),
    /** Files the layer needs on every node, such as a static CNI configuration. */
    files: z.array(NodeFile).max(50).default([]),
  });

export const Layer = z.discriminatedUnion('kind', [
  OsLayer,
  KubernetesLayer,
  manifestLayer('cni'),
  manifestLayer('csi'),
  manifestLayer('addon'),
]);
export type Layer = z.infer<typeof Layer>;
export type OsLayer = z.infer<typeof OsLayer>;
export type KubernetesLayer = z.infer<typeof KubernetesLayer>;

export const ClusterProfile = z.strictObject({
  profileId: ProfileId,
  name: z.string().min(1).max(64),
  version: z.string().regex(/^\d+\.\d+\.\d+$/),
  type: z.enum(['infra', 'full', 'addon']),
  cloud: z.literal('maas'),
  description: z.string().max(1_000),
  layers: z.array(Layer).min(1).max(32),
});
export type ClusterProfile = z.infer<typeof ClusterProfile>;
