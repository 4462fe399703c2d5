// A strict schema of kubeadm's configuration, v1beta4, from the fields of its Go types (kubernetes.md §4). Unknown fields are
// errors, as they are for `kubeadm config validate`.
import { z } from 'zod';

const Args = z.array(z.strictObject({ name: z.string().min(1), value: z.string() }));
const Env = z.array(z.looseObject({ name: z.string() }));
const Duration = z.string().regex(/^(\d+(h|m|s))+$/);
const ApiVersion = z.literal('kubeadm.k8s.io/v1beta4');

const Taint = z.strictObject({
  key: z.string().min(1),
  value: z.string().optional(),
  effect: z.enum(['NoSchedule', 'PreferNoSchedule', 'NoExecute']),
});

const NodeRegistration = z.strictObject({
  name: z.string().min(1).optional(),
  criSocket: z.string().optional(),
  taints: z.array(Taint).optional(),
  kubeletExtraArgs: Args.optional(),
  ignorePreflightErrors: z.array(z.string()).optional(),
  imagePullPolicy: z.enum(['Always', 'IfNotPresent', 'Never']).optional(),
  imagePullSerial: z.boolean().optional(),
});

const ApiEndpoint = z.strictObject({ advertiseAddress: z.string(), bindPort: z.int().optional() });

const Timeouts = z.strictObject({
  controlPlaneComponentHealthCheck: Duration.optional(),
  kubeletHealthCheck: Duration.optional(),
  kubernetesAPICall: Duration.optional(),
  etcdAPICall: Duration.optional(),
  tlsBootstrap: Duration.optional(),
  discovery: Duration.optional(),
  upgradeManifests: Duration.optional(),
});

const Token = z.string().regex(/^([a-z0-9]{6}\.[a-z0-9]{16}|\{\{secret:join-token\}\})$/);

export const InitConfiguration = z.strictObject({
  apiVersion: ApiVersion,
  kind: z.literal('InitConfiguration'),
  bootstrapTokens: z
    .array(
      z.strictObject({
        // Left out, kubeadm makes one (SetBootstrapTokensDynamicDefaults).
        token: Token.optional(),
        description: z.string().optional(),
        ttl: Duration.optional(),
        usages: z.array(z.string()).optional(),
        groups: z.array(z.string()).optional(),
      }),
    )
    .optional(),
  dryRun: z.boolean().optional(),
  nodeRegistration: NodeRegistration.optional(),
  localAPIEndpoint: ApiEndpoint.optional(),
  certificateKey: z.string().optional(),
  skipPhases: z.array(z.string()).optional(),
  patches: z.strictObject({ directory: z.string() }).optional(),
  timeouts: Timeouts.optional(),
});

const Component = z.strictObject({
  extraArgs: Args.optional(),
  extraVolumes: z
    .array(
      z.strictObject({
        name: z.string(),
        hostPath: z.string(),
        mountPath: z.string(),
        readOnly: z.boolean().optional(),
        pathType: z.string().optional(),
      }),
    )
    .optional(),
  extraEnvs: Env.optional(),
});

export const ClusterConfiguration = z.strictObject({
  apiVersion: ApiVersion,
  kind: z.literal('ClusterConfiguration'),
  etcd: z
    .strictObject({
      local: z
        .strictObject({
          imageRepository: z.string().optional(),
          imageTag: z.string().optional(),
          dataDir: z.string().optional(),
          extraArgs: Args.optional(),
          extraEnvs: Env.optional(),
          serverCertSANs: z.array(z.string()).optional(),
          peerCertSANs: z.array(z.string()).optional(),
        })
        .optional(),
    })
    .optional(),
  networking: z
    .strictObject({
      serviceSubnet: z.cidrv4().optional(),
      podSubnet: z.cidrv4().optional(),
      dnsDomain: z.string().optional(),
    })
    .optional(),
  kubernetesVersion: z
    .string()
    .regex(/^v\d+\.\d+\.\d+$/)
    .optional(),
  controlPlaneEndpoint: z.string().optional(),
  apiServer: Component.extend({ certSANs: z.array(z.string()).optional() }).optional(),
  controllerManager: Component.optional(),
  scheduler: Component.optional(),
  dns: z
    .strictObject({
      imageRepository: z.string().optional(),
      imageTag: z.string().optional(),
      disabled: z.boolean().optional(),
    })
    .optional(),
  proxy: z.strictObject({ disabled: z.boolean().optional() }).optional(),
  certificatesDir: z.string().optional(),
  imageRepository: z.string().optional(),
  featureGates: z.record(z.string(), z.boolean()).optional(),
  clusterName: z.string().optional(),
  encryptionAlgorithm: z.enum(['RSA-2048', 'RSA-3072', 'RSA-4096', 'ECDSA-P256', 'ECDSA-P384']).optional(),
  certificateValidityPeriod: Duration.optional(),
  caCertificateValidityPeriod: Duration.optional(),
});

export const JoinConfiguration = z.strictObject({
  apiVersion: ApiVersion,
  kind: z.literal('JoinConfiguration'),
  dryRun: z.boolean().optional(),
  nodeRegistration: NodeRegistration.optional(),
  caCertPath: z.string().optional(),
  discovery: z.strictObject({
    bootstrapToken: z
      .strictObject({
        token: Token,
        apiServerEndpoint: z.string(),
        caCertHashes: z.array(z.string().regex(/^(sha256:[0-9a-f]{64}|\{\{secret:ca-cert-hash\}\})$/)).min(1),
        unsafeSkipCAVerification: z.literal(false).optional(),
      })
      .optional(),
    file: z.strictObject({ kubeConfigPath: z.string() }).optional(),
    tlsBootstrapToken: Token.optional(),
  }),
  controlPlane: z
    .strictObject({ localAPIEndpoint: ApiEndpoint.optional(), certificateKey: z.string().optional() })
    .optional(),
  skipPhases: z.array(z.string()).optional(),
  patches: z.strictObject({ directory: z.string() }).optional(),
  timeouts: Timeouts.optional(),
});

/** Only what we set: the kubelet's own configuration has hundreds of fields. */
const KubeletConfiguration = z.strictObject({
  apiVersion: z.literal('kubelet.config.k8s.io/v1beta1'),
  kind: z.literal('KubeletConfiguration'),
  cgroupDriver: z.enum(['systemd', 'cgroupfs']).optional(),
  failCgroupV1: z.boolean().optional(),
  failSwapOn: z.boolean().optional(),
});

export const KubeadmDocument = z.discriminatedUnion('kind', [
  InitConfiguration,
  ClusterConfiguration,
  JoinConfiguration,
  KubeletConfiguration,
]);
export type KubeadmDocument = z.infer<typeof KubeadmDocument>;
