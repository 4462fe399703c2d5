// A STAND-IN for kubeadm, used by the simulated and cloud-init drivers: it checks what a real kubeadm's preflight checks of the
// files on the machine (recorded texts), and then has the lab's Kubernetes register the node. It runs no container and
// generates no certificate. What it does not model ends with exit code 64 and says so.
import { readInitFile, readJoinFile } from './kubeadm-config.ts';
import type { KubernetesHub, NodeRegistration } from './kubernetes-hub.ts';

/** The part of a machine's disk that kubeadm touches. */
export type MachineDisk = {
  read(path: string): string | null;
  write(path: string, content: string): void;
  /** Removes the file, or everything below the folder. */
  remove(path: string): void;
};

/** Where a simulated machine remembers which kubelet it has installed. */
export const KUBELET_VERSION_FILE = '/var/lib/slipway-lab/kubelet-version';

export type KubeadmMachine = { readonly systemId: string; readonly disk: MachineDisk };
export type KubeadmRun = { readonly exitCode: number; readonly output: string };

const MANIFESTS = ['kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'etcd'].map(
  (name) => `/etc/kubernetes/manifests/${name}.yaml`,
);
const SHARED_PKI = [
  'ca.crt',
  'ca.key',
  'sa.key',
  'sa.pub',
  'front-proxy-ca.crt',
  'front-proxy-ca.key',
  'etcd/ca.crt',
  'etcd/ca.key',
].map((name) => `/etc/kubernetes/pki/${name}`);

export async function runKubeadm(
  args: readonly string[],
  machine: KubeadmMachine,
  hub: KubernetesHub,
): Promise<KubeadmRun> {
  const [verb, ...rest] = args;
  if (verb === 'init') return init(configPath(rest), machine, hub);
  if (verb === 'join') return join(configPath(rest), machine, hub);
  if (verb === 'reset' && (rest.includes('-f') || rest.includes('--force'))) return reset(machine, hub);
  if (verb === 'version') return { exitCode: 0, output: `${machine.disk.read(KUBELET_VERSION_FILE) ?? 'v1.36.2'}\n` };
  return { exitCode: 64, output: `error: the lab's kubeadm stand-in does not model: kubeadm ${args.join(' ')}\n` };
}

async function init(path: string | null, machine: KubeadmMachine, hub: KubernetesHub): Promise<KubeadmRun> {
  const { disk } = machine;
  const file = readInitFile(disk.read(path ?? '') ?? '');
  if (!file.ok) return failed(`error: couldn't load the configuration ${path}: ${file.error}`);
  const clashes = [...MANIFESTS, '/etc/kubernetes/kubelet.conf'].filter((one) => disk.read(one) !== null);
  if (clashes.length > 0) return failed(preflightErrors(clashes));
  const missing = SHARED_PKI.filter((one) => disk.read(one) === null);
  if (missing.length > 0)
    return {
      exitCode: 64,
      output: `error: the stand-in models pre-provisioned CAs only; missing ${missing.join(' ')}\n`,
    };
  const started = await hub.init(
    {
      server: file.value.cluster.controlPlaneEndpoint,
      kubernetesVersion: file.value.cluster.kubernetesVersion,
      sans: file.value.cluster.apiServer.certSANs,
      pki: {
        caCertPem: disk.read('/etc/kubernetes/pki/ca.crt') ?? '',
        caKeyPem: disk.read('/etc/kubernetes/pki/ca.key') ?? '',
        etcdCaCertPem: disk.read('/etc/kubernetes/pki/etcd/ca.crt') ?? '',
        etcdCaKeyPem: disk.read('/etc/kubernetes/pki/etcd/ca.key') ?? '',
      },
    },
    registration(
      machine,
      'control-plane',
      file.value.init.localAPIEndpoint.advertiseAddress,
      file.value.init.nodeRegistration,
    ),
  );
  if (!started.ok) return failed(started.error);
  for (const path of [
    ...MANIFESTS,
    '/etc/kubernetes/kubelet.conf',
    '/etc/kubernetes/admin.conf',
    '/etc/kubernetes/super-admin.conf',
  ])
    disk.write(path, 'stand-in\n');
  return { exitCode: 0, output: '[init] stand-in\nYour Kubernetes control-plane has initialized successfully!\n' };
}

async function join(path: string | null, machine: KubeadmMachine, hub: KubernetesHub): Promise<KubeadmRun> {
  const { disk } = machine;
  const file = readJoinFile(disk.read(path ?? '') ?? '');
  if (!file.ok) return failed(`error: couldn't load the configuration ${path}: ${file.error}`);
  const controlPlane = file.value.controlPlane;
  const mustBeAbsent = ['/etc/kubernetes/kubelet.conf', '/etc/kubernetes/bootstrap-kubelet.conf'];
  if (controlPlane === undefined) mustBeAbsent.push('/etc/kubernetes/pki/ca.crt');
  const clashes = mustBeAbsent.filter((one) => disk.read(one) !== null);
  if (clashes.length > 0) return failed(preflightErrors(clashes));
  const missing = controlPlane === undefined ? [] : SHARED_PKI.filter((one) => disk.read(one) === null);
  if (missing.length > 0) return failed(missingCertificates(missing));
  const { token, apiServerEndpoint, caCertHashes } = file.value.discovery.bootstrapToken;
  // A real join that fails from here on leaves these behind (kubernetes.md finding 1).
  disk.write('/etc/kubernetes/bootstrap-kubelet.conf', 'stand-in\n');
  const registered = registration(
    machine,
    controlPlane === undefined ? 'worker' : 'control-plane',
    controlPlane?.localAPIEndpoint.advertiseAddress ?? null,
    file.value.nodeRegistration,
  );
  const joined = await hub.join({ server: apiServerEndpoint, token, caCertHashes }, registered);
  if (!joined.ok) return failed(joined.error);
  disk.remove('/etc/kubernetes/bootstrap-kubelet.conf');
  disk.write('/etc/kubernetes/kubelet.conf', 'stand-in\n');
  disk.write('/etc/kubernetes/pki/ca.crt', disk.read('/etc/kubernetes/pki/ca.crt') ?? 'stand-in\n');
  if (controlPlane !== undefined)
    for (const one of [...MANIFESTS, '/etc/kubernetes/admin.conf']) disk.write(one, 'stand-in\n');
  return { exitCode: 0, output: 'This node has joined the cluster (stand-in)\n' };
}

async function reset(machine: KubeadmMachine, hub: KubernetesHub): Promise<KubeadmRun> {
  await hub.reset(machine.systemId);
  for (const folder of ['/etc/kubernetes/manifests', '/etc/kubernetes/pki', '/var/lib/etcd'])
    machine.disk.remove(folder);
  for (const name of ['admin', 'super-admin', 'kubelet', 'bootstrap-kubelet', 'controller-manager', 'scheduler'])
    machine.disk.remove(`/etc/kubernetes/${name}.conf`);
  return { exitCode: 0, output: '[reset] stand-in: deleted /etc/kubernetes/{manifests,pki} and kubeconfig files\n' };
}

function registration(
  { systemId, disk }: KubeadmMachine,
  role: NodeRegistration['role'],
  advertised: string | null,
  node: {
    name: string;
    taints?: { key: string; value?: string | undefined; effect: string }[] | undefined;
    kubeletExtraArgs: { name: string; value: string }[];
  },
): NodeRegistration {
  const argument = (name: string): string | null =>
    node.kubeletExtraArgs.find((one) => one.name === name)?.value ?? null;
  const labels = (argument('node-labels') ?? '').split(',').filter((pair) => pair.includes('='));
  const standard: NonNullable<typeof node.taints> = [
    { key: 'node-role.kubernetes.io/control-plane', effect: 'NoSchedule' },
  ];
  return {
    systemId,
    name: node.name,
    role,
    address: argument('node-ip') ?? advertised ?? '',
    providerId: argument('provider-id'),
    kubeletVersion: disk.read(KUBELET_VERSION_FILE),
    labels: Object.fromEntries(
      labels.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]),
    ),
    taints: (node.taints ?? (role === 'control-plane' ? standard : [])).map((taint) => ({
      key: taint.key,
      effect: taint.effect,
      ...(taint.value ? { value: taint.value } : {}),
    })),
  };
}

function configPath(args: readonly string[]): string | null {
  const inline = args.find((one) => one.startsWith('--config='));
  if (inline !== undefined) return inline.slice('--config='.length);
  const at = args.indexOf('--config');
  return at < 0 ? null : (args[at + 1] ?? null);
}

const failed = (text: string): KubeadmRun => ({
  exitCode: 1,
  output: `${text}\nTo see the stack trace of this error execute with --v=5 or higher\n`,
});

function preflightErrors(paths: readonly string[]): string {
  const lines = paths.map((path) => `\t[ERROR FileAvailable-${path.replaceAll('/', '-')}]: ${path} already exists`);
  return [
    '[preflight] Some fatal errors occurred:',
    ...lines,
    'error: error execution phase preflight: preflight checks failed',
  ].join('\n');
}

function missingCertificates(paths: readonly string[]): string {
  return `error: error execution phase preflight: \nOne or more conditions for hosting a new control plane instance is not satisfied.\n\n[${paths.map((path) => `couldn't load ${path}: no such file or directory`).join(', ')}]`;
}
