// What a Node looks like: as its kubelet registers it, and its conditions and taints through its life, as recorded.
import { createHash } from 'node:crypto';
import { microTimestamp, timestamp } from './clock.ts';
import type { Json, JsonObject } from './json.ts';
import { grow, list, text } from './json.ts';

export type NodeRole = 'control-plane' | 'worker';

export type NodeSpec = {
  readonly name: string;
  readonly role: NodeRole;
  readonly internalIp: string;
  /** `maas:///zone/systemId`; immutable once set. */
  readonly providerId?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly taints?: readonly { readonly key: string; readonly value?: string; readonly effect: string }[];
  /** With the leading v; the cluster's version when absent. */
  readonly kubeletVersion?: string;
  /** Of its control plane's static pods; the cluster's version when absent. */
  readonly staticPodVersion?: string;
  readonly cpuCores?: number;
  readonly memoryMiB?: number;
  readonly osImage?: string;
  /** True when the machine brings its own CNI configuration, so that no plugin has to be applied. */
  readonly cniConfigured?: boolean;
};

const CONTROL_PLANE_TAINT = { key: 'node-role.kubernetes.io/control-plane', effect: 'NoSchedule' };

const PRESSURES = [
  { type: 'MemoryPressure', reason: 'KubeletHasSufficientMemory', message: 'kubelet has sufficient memory available' },
  { type: 'DiskPressure', reason: 'KubeletHasNoDiskPressure', message: 'kubelet has no disk pressure' },
  { type: 'PIDPressure', reason: 'KubeletHasSufficientPID', message: 'kubelet has sufficient PID available' },
] as const;

export type Readiness = {
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
};

export const READY: Readiness = { status: 'True', reason: 'KubeletReady', message: 'kubelet is posting ready status' };
export const NO_CNI: Readiness = {
  status: 'False',
  reason: 'KubeletNotReady',
  message:
    'container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin not initialized',
};
export const SILENT: Readiness = {
  status: 'Unknown',
  reason: 'NodeStatusUnknown',
  message: 'Kubelet stopped posting node status.',
};

const EMPTY_NODE_INFO: JsonObject = {
  machineID: '',
  systemUUID: '',
  bootID: '',
  kernelVersion: '',
  osImage: '',
  containerRuntimeVersion: '',
  kubeletVersion: '',
  kubeProxyVersion: '',
  operatingSystem: '',
  architecture: '',
};

/** The parts a Node has even when a hand made it without a kubelet. Writes into `node`. */
export function defaultNode(node: JsonObject): void {
  grow(node, 'spec');
  const status = grow(node, 'status');
  status.daemonEndpoints ??= { kubeletEndpoint: { Port: 0 } };
  status.nodeInfo ??= { ...EMPTY_NODE_INFO };
}

export function nodeLabels(spec: NodeSpec): JsonObject {
  const common = {
    'beta.kubernetes.io/arch': 'amd64',
    'beta.kubernetes.io/os': 'linux',
    'kubernetes.io/arch': 'amd64',
    'kubernetes.io/hostname': spec.name,
    'kubernetes.io/os': 'linux',
  };
  const role =
    spec.role === 'control-plane'
      ? { 'node-role.kubernetes.io/control-plane': '', 'node.kubernetes.io/exclude-from-external-load-balancers': '' }
      : {};
  return { ...common, ...role, ...spec.labels };
}

/** A Node as its kubelet posts it, not ready yet. */
export function registeredNode(spec: NodeSpec, version: string, nowMs: number): JsonObject {
  const machineId = createHash('md5').update(spec.name).digest('hex');
  const taints: Json[] =
    spec.taints === undefined
      ? spec.role === 'control-plane'
        ? [{ ...CONTROL_PLANE_TAINT }]
        : []
      : spec.taints.map((taint) => ({ ...taint }));
  const memory = `${(spec.memoryMiB ?? 8192) * 1024}Ki`;
  const cpu = String(spec.cpuCores ?? 4);
  const capacity = {
    cpu,
    'ephemeral-storage': '264212084Ki',
    'hugepages-1Gi': '0',
    'hugepages-2Mi': '0',
    memory,
    pods: '110',
  };
  const node: JsonObject = {
    kind: 'Node',
    apiVersion: 'v1',
    metadata: {
      name: spec.name,
      labels: nodeLabels(spec),
      annotations: { 'volumes.kubernetes.io/controller-managed-attach-detach': 'true' },
    },
    spec: {
      ...(spec.providerId === undefined ? {} : { providerID: spec.providerId }),
      taints: [...taints, { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' }],
    },
    status: {
      capacity,
      allocatable: { ...capacity, 'ephemeral-storage': '267847642337' },
      conditions: [],
      addresses: [
        { type: 'InternalIP', address: spec.internalIp },
        { type: 'Hostname', address: spec.name },
      ],
      daemonEndpoints: { kubeletEndpoint: { Port: 10250 } },
      nodeInfo: {
        machineID: machineId,
        systemUUID: machineId,
        bootID: '00000000-0000-4000-8000-000000000000',
        kernelVersion: '6.8.0-slipway-lab',
        osImage: spec.osImage ?? 'Ubuntu 24.04.1 LTS',
        containerRuntimeVersion: 'containerd://2.1.9',
        kubeletVersion: spec.kubeletVersion ?? version,
        kubeProxyVersion: '',
        operatingSystem: 'linux',
        architecture: 'amd64',
      },
      images: [],
      runtimeHandlers: [{ name: '', features: { recursiveReadOnlyMounts: true, userNamespaces: true } }],
      features: { supplementalGroupsPolicy: true },
    },
  };
  setReadiness(node, NO_CNI, nowMs);
  return node;
}

export const readinessOf = (node: Json | undefined): string =>
  text(
    list(node, 'status', 'conditions').find((condition) => text(condition, 'type') === 'Ready'),
    'status',
  );

/** Writes all four conditions; heartbeats stop when the kubelet is silent, transitions are dated. */
export function setReadiness(node: JsonObject, readiness: Readiness, nowMs: number): void {
  const status = grow(node, 'status');
  const before = list(status, 'conditions');
  const now = timestamp(nowMs);
  const silent = readiness.status === 'Unknown';
  const all = [...PRESSURES.map((pressure) => ({ ...pressure, status: 'False' })), { type: 'Ready', ...readiness }];
  status.conditions = all.map((wanted): JsonObject => {
    const value = silent ? 'Unknown' : wanted.status;
    const old = before.find((condition) => text(condition, 'type') === wanted.type);
    const moved = text(old, 'status') !== value;
    const told = text(old, 'message') !== (silent ? SILENT.message : wanted.message);
    return {
      type: wanted.type,
      status: value,
      lastHeartbeatTime: old !== undefined && (silent || !(moved || told)) ? text(old, 'lastHeartbeatTime') : now,
      lastTransitionTime: moved ? now : text(old, 'lastTransitionTime'),
      reason: silent ? SILENT.reason : wanted.reason,
      message: silent ? SILENT.message : wanted.message,
    };
  });
}

type Wanted = { readonly key: string; readonly effect: string; readonly dated: boolean };

/** The taints the controllers want for a node's condition; recorded: only the first not-ready one carries no time. */
function wantedTaints(node: JsonObject): Wanted[] {
  const ready = readinessOf(node);
  const wanted: Wanted[] = [];
  if (ready === 'False') {
    wanted.push({ key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule', dated: false });
    wanted.push({ key: 'node.kubernetes.io/not-ready', effect: 'NoExecute', dated: true });
  }
  if (ready === 'Unknown') {
    wanted.push({ key: 'node.kubernetes.io/unreachable', effect: 'NoSchedule', dated: true });
    wanted.push({ key: 'node.kubernetes.io/unreachable', effect: 'NoExecute', dated: true });
  }
  if (grow(node, 'spec').unschedulable === true) {
    wanted.push({ key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule', dated: true });
  }
  return wanted;
}

const CONTROLLED = new Set([
  'node.kubernetes.io/not-ready',
  'node.kubernetes.io/unreachable',
  'node.kubernetes.io/unschedulable',
]);

/** Brings the controllers' taints in line with the conditions; others are left alone. Writes into `node`. */
export function setLifecycleTaints(node: JsonObject, nowMs: number): void {
  const spec = grow(node, 'spec');
  const present = list(spec, 'taints');
  const wanted = wantedTaints(node);
  const is = (taint: Json, one: Wanted): boolean =>
    text(taint, 'key') === one.key && text(taint, 'effect') === one.effect;
  const kept = present.filter((taint) => !CONTROLLED.has(text(taint, 'key')) || wanted.some((one) => is(taint, one)));
  const missing = wanted.filter((one) => !present.some((taint) => is(taint, one)));
  const taints = [
    ...kept,
    ...missing.map(
      (one): JsonObject => ({
        key: one.key,
        effect: one.effect,
        ...(one.dated ? { timeAdded: timestamp(nowMs) } : {}),
      }),
    ),
  ];
  if (taints.length === 0) delete spec.taints;
  else spec.taints = taints;
}

/** The heartbeat lease of a node. */
export function nodeLease(node: JsonObject, nowMs: number): JsonObject {
  const name = text(node, 'metadata', 'name');
  return {
    kind: 'Lease',
    apiVersion: 'coordination.k8s.io/v1',
    metadata: {
      name,
      namespace: 'kube-node-lease',
      ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name, uid: text(node, 'metadata', 'uid') }],
    },
    spec: { holderIdentity: name, leaseDurationSeconds: 40, renewTime: microTimestamp(nowMs) },
  };
}

/** The static pods kubeadm leaves on a control plane, mirrored into the API by its kubelet. */
export function mirrorPods(node: JsonObject, version: string): JsonObject[] {
  const name = text(node, 'metadata', 'name');
  return ['etcd', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler'].map((component): JsonObject => {
    const hash = createHash('md5').update(`${component}/${name}`).digest('hex');
    return {
      kind: 'Pod',
      apiVersion: 'v1',
      metadata: {
        name: `${component}-${name}`,
        generation: 1,
        namespace: 'kube-system',
        labels: { component, tier: 'control-plane' },
        annotations: {
          'kubernetes.io/config.hash': hash,
          'kubernetes.io/config.mirror': hash,
          'kubernetes.io/config.source': 'file',
        },
        ownerReferences: [
          { apiVersion: 'v1', kind: 'Node', name, uid: text(node, 'metadata', 'uid'), controller: true },
        ],
      },
      spec: {
        containers: [{ name: component, image: `${component}:${version}`, resources: {} }],
        nodeName: name,
        hostNetwork: true,
        securityContext: { seccompProfile: { type: 'RuntimeDefault' } },
        priorityClassName: 'system-node-critical',
        tolerations: [{ operator: 'Exists', effect: 'NoExecute' }],
      },
      status: { phase: 'Pending', qosClass: 'BestEffort' },
    };
  });
}
