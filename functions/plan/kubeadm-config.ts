// Pure. kubeadm's configuration, kubeadm.k8s.io/v1beta4 (since Kubernetes 1.31; kubernetes.md §4). Arguments are lists of
// name and value there. No certificateKey: every control-plane machine is given the CAs.
import { dump } from 'js-yaml';
import type { KubernetesLayer } from '../../shared/cluster-profile.ts';
import type { NodePool } from '../../shared/cluster-spec.ts';
import type { DocumentKind } from './document-kind.ts';

export type KubeadmInput = {
  readonly clusterName: string;
  readonly endpoint: { readonly ip: string; readonly fqdn: string };
  readonly node: {
    readonly pool: NodePool;
    readonly nodeName: string;
    readonly zone: string;
    readonly systemId: string;
  };
  readonly kubernetes: KubernetesLayer;
};

const API = 'kubeadm.k8s.io/v1beta4';
const NODE_ADDRESS = '{{fact:node-address}}';

/** YAML documents for `--config`; `{{secret:…}}` and `{{fact:…}}` are filled in on site. */
export function kubeadmConfig(kind: DocumentKind, input: KubeadmInput): string {
  const documents =
    kind === 'init'
      ? [initConfiguration(input), clusterConfiguration(input), kubeletConfiguration()]
      : [joinConfiguration(kind, input)];
  return documents.map((document) => dump(document, { lineWidth: -1, noRefs: true })).join('---\n');
}

function initConfiguration(input: KubeadmInput) {
  return {
    apiVersion: API,
    kind: 'InitConfiguration',
    // kubeadm makes a token whether one is wanted or not: without this, one of 24 hours that nobody uses.
    bootstrapTokens: [{ ttl: '15m0s' }],
    localAPIEndpoint: { advertiseAddress: NODE_ADDRESS, bindPort: 6443 },
    nodeRegistration: nodeRegistration(input),
  };
}

function clusterConfiguration({ clusterName, endpoint, kubernetes }: KubeadmInput) {
  const { podSubnet, serviceSubnet, dnsDomain, extraSans, imageRepository, version } = kubernetes;
  return {
    apiVersion: API,
    kind: 'ClusterConfiguration',
    clusterName,
    kubernetesVersion: version,
    controlPlaneEndpoint: `${endpoint.ip}:6443`,
    networking: { podSubnet, serviceSubnet, dnsDomain },
    apiServer: { certSANs: [...new Set([endpoint.ip, endpoint.fqdn, ...extraSans])] },
    ...(imageRepository === null ? {} : { imageRepository }),
  };
}

/** Nodes with cgroup v1 or swap still run: whether to allow them is the site's choice of image, not ours. */
function kubeletConfiguration() {
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    cgroupDriver: 'systemd',
    failCgroupV1: false,
    failSwapOn: false,
  };
}

function joinConfiguration(kind: DocumentKind, input: KubeadmInput) {
  const localAPIEndpoint = { advertiseAddress: NODE_ADDRESS, bindPort: 6443 };
  return {
    apiVersion: API,
    kind: 'JoinConfiguration',
    ...(kind === 'join-control-plane' ? { controlPlane: { localAPIEndpoint } } : {}),
    discovery: {
      bootstrapToken: {
        apiServerEndpoint: `${input.endpoint.ip}:6443`,
        token: '{{secret:join-token}}',
        caCertHashes: ['{{secret:ca-cert-hash}}'],
      },
    },
    nodeRegistration: nodeRegistration(input),
  };
}

function nodeRegistration({ node, kubernetes }: KubeadmInput) {
  const { pool, nodeName } = node;
  return {
    name: nodeName,
    taints: taintsOf(pool),
    // Cores and memory are the pool's minimums, verified on the machine; the rest are warnings about the host's kernel.
    ignorePreflightErrors: [
      'NumCPU',
      'Mem',
      'Swap',
      'SystemVerification',
      'FileContent--proc-sys-net-bridge-bridge-nf-call-iptables',
    ],
    kubeletExtraArgs: [
      { name: 'node-ip', value: NODE_ADDRESS },
      { name: 'provider-id', value: `maas:///${node.zone}/${node.systemId}` },
      { name: 'node-labels', value: labelsOf(node) },
      ...kubernetes.kubeletExtraArgs,
      ...pool.kubelet.extraArgs,
    ],
  };
}

/** An empty list is not the same as none: none would bring back the default taint. */
function taintsOf(pool: NodePool): { key: string; value?: string; effect: string }[] {
  const own = pool.taints.map(({ key, value, effect }) => (value === '' ? { key, effect } : { key, value, effect }));
  if (pool.role === 'worker' || pool.allowWorkloads) return own;
  return [{ key: 'node-role.kubernetes.io/control-plane', effect: 'NoSchedule' }, ...own];
}

function labelsOf({ pool, zone }: KubeadmInput['node']): string {
  const isLabel = /^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/.test(zone);
  const own = { 'slipway.dev/pool': pool.name, ...(isLabel ? { 'topology.kubernetes.io/zone': zone } : {}) };
  return Object.entries({ ...own, ...pool.labels })
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
}
