// Pure. What one machine gets when it is its turn: files and steps (SPEC.md [CP8]-[CP10], [WK3]). Secrets are named, never
// held; the relay puts them in. Sources: kubernetes.md §2 and §4.
import type { BootstrapDocument, BootstrapFile } from '../../shared/bootstrap.ts';
import { bootstrapSteps } from './bootstrap-steps.ts';
import type { ClusterState, MachineRecord } from './cluster-state.ts';
import { type DocumentKind, SLIPWAY_FOLDER } from './document-kind.ts';
import { kubeVipManifest } from './kube-vip-manifest.ts';
import { kubeadmConfig } from './kubeadm-config.ts';
import { RELAY_FILES } from './relay-step.ts';
import type { ResolvedProfile } from './resolve-profile.ts';
import { directlyReached, SITE_FILES } from './site-step.ts';
import { guardBraces } from './user-text.ts';

/** Null until the cluster has its address and the machine is held. */
export function bootstrapDocument(
  state: ClusterState,
  machine: MachineRecord,
  turn: 'init' | 'join',
  profile: ResolvedProfile,
): BootstrapDocument | null {
  const pool = state.spec.pools.find((candidate) => candidate.name === machine.pool);
  const { address } = state;
  if (machine.held === null || pool === undefined || address === null || address.ip === null) return null;
  const kind: DocumentKind =
    turn === 'init' ? 'init' : machine.role === 'worker' ? 'join-worker' : 'join-control-plane';
  const node = { pool, nodeName: machine.held.hostname, zone: machine.held.zone, systemId: machine.held.systemId };
  const endpoint = { ip: address.ip, fqdn: address.fqdn };
  const hooks = {
    pre: [...profile.kubernetes.preKubeadm, ...pool.hooks.preKubeadm],
    post: [...profile.kubernetes.postKubeadm, ...pool.hooks.postKubeadm],
  };
  const userFiles = [
    ...profile.kubernetes.files,
    ...profile.manifests.flatMap((layer) => layer.files),
    ...pool.files,
    ...hookFiles('pre', hooks.pre),
    ...hookFiles('post', hooks.post),
  ];
  const config = kubeadmConfig(kind, { clusterName: state.spec.name, endpoint, node, kubernetes: profile.kubernetes });
  const own = [
    ...SITE_FILES,
    ...systemFiles(),
    { path: `${SLIPWAY_FOLDER}/kubeadm.yaml`, mode: '0600', content: config },
    ...(kind === 'join-worker' ? [] : controlPlaneFiles(kind, endpoint.ip, profile.kubernetes.kubeVipImage)),
    ...(state.kind === 'gateway' ? RELAY_FILES : []),
  ];
  const carriesRelay = state.kind === 'gateway';
  return {
    v: 1,
    nodeName: node.nodeName,
    nodeSubnet: address.subnetCidr,
    files: [...own, ...userFiles.map((file) => ({ ...file, content: guardBraces(file.content) }))],
    steps: bootstrapSteps(kind, {
      endpoint: endpoint.ip,
      direct: directlyReached({
        ...profile.kubernetes,
        ...{ endpoint, nodeSubnet: address.subnetCidr, maas: state.account.endpoint },
      }),
      hooks,
      userFiles,
      carriesRelay,
      kubernetes: profile.kubernetes,
    }),
  };
}

/** Kept outside /etc/kubernetes, since `kubeadm reset` empties that; put there before each attempt. */
function controlPlaneFiles(kind: DocumentKind, vip: string, image: string): BootstrapFile[] {
  const pki = (name: string, slot: string): BootstrapFile => ({
    path: `${SLIPWAY_FOLDER}/pki/${name}`,
    mode: '0600',
    content: `{{secret:${slot}}}`,
  });
  return [
    pki('ca.crt', 'ca-cert'),
    pki('ca.key', 'ca-key'),
    pki('front-proxy-ca.crt', 'front-proxy-ca-cert'),
    pki('front-proxy-ca.key', 'front-proxy-ca-key'),
    pki('etcd/ca.crt', 'etcd-ca-cert'),
    pki('etcd/ca.key', 'etcd-ca-key'),
    pki('sa.key', 'service-account-key'),
    pki('sa.pub', 'service-account-pub'),
    { path: `${SLIPWAY_FOLDER}/kube-vip.yaml`, mode: '0600', content: kubeVipManifest(kind === 'init', vip, image) },
  ];
}

function systemFiles(): BootstrapFile[] {
  const sysctl = [
    'net.ipv4.ip_forward = 1',
    'net.bridge.bridge-nf-call-iptables = 1',
    'net.bridge.bridge-nf-call-ip6tables = 1',
    '',
  ].join('\n');
  return [
    { path: '/etc/modules-load.d/slipway.conf', mode: '0644', content: 'overlay\nbr_netfilter\n' },
    { path: '/etc/sysctl.d/90-slipway.conf', mode: '0644', content: sysctl },
  ];
}

function hookFiles(when: 'pre' | 'post', commands: readonly string[]): BootstrapFile[] {
  return commands.map((content, index) => ({
    path: `${SLIPWAY_FOLDER}/hooks/${when}-${index + 1}`,
    mode: '0700',
    content: `${content}\n`,
  }));
}
