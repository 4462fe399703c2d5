// One Kubernetes cluster of a simulated site, and a node of it as the relay sees it.
import type { KubernetesFailure, NodeEvent, NodeView } from '../../relay/kubernetes/kubernetes-api.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import type { Etcd } from '../lab/kubernetes/etcd.ts';
import type { ClusterStart, NodeRegistration } from '../lab/machines/kubernetes-hub.ts';

export type SimulatedNode = {
  readonly registration: NodeRegistration;
  alive: boolean;
  /** Its kubelet has spoken since the network plugin came. */
  ready: boolean;
  lost: boolean;
  cordoned: boolean;
  version: number;
};

export type SimulatedCluster = {
  readonly start: ClusterStart;
  readonly etcd: Etcd;
  readonly nodes: Map<string, SimulatedNode>;
  /** Machines that run a part of it. */
  readonly running: Map<string, NodeRegistration>;
  /** Those that are booting again with their disk. */
  readonly resting: Map<string, NodeRegistration>;
  readonly tokens: Map<string, number>;
  readonly applied: Set<string>;
  /** A network plugin was applied: nodes may become Ready. */
  hasNetwork: boolean;
  readonly watchers: Set<(event: NodeEvent) => void>;
  version: number;
  /** kubeadm's own, of what the cluster runs. */
  readonly record: { text: string; resourceVersion: number };
};

/** Also while its machine boots, with its disk. */
export const registrationOf = ({ running, resting }: SimulatedCluster, systemId: string): NodeRegistration | null =>
  running.get(systemId) ?? resting.get(systemId) ?? null;

export function viewOf(node: SimulatedNode): NodeView {
  const { name, role, providerId, address } = node.registration;
  return {
    name,
    resourceVersion: String(node.version),
    ready: node.ready,
    reason: node.ready ? '' : node.lost ? 'NodeStatusUnknown' : 'KubeletNotReady',
    role,
    unschedulable: node.cordoned,
    unreachable: node.lost,
    providerId,
    internalIp: address,
    kubeletVersion: 'v1.36.2',
  };
}

/** kubeadm's ConfigMap, as far as anybody here reads it. */
const RECORD = 'ClusterConfiguration';

export const newRecord = (version: string): SimulatedCluster['record'] => ({
  text: `kind: ClusterConfiguration\nkubernetesVersion: ${version}\n`,
  resourceVersion: 1,
});

export const recordIn = ({ record }: SimulatedCluster) => ({
  data: { [RECORD]: record.text },
  resourceVersion: String(record.resourceVersion),
});

export function changeRecord(
  { record }: SimulatedCluster,
  changes: Readonly<Record<string, string>>,
  resourceVersion: string,
): Result<null, KubernetesFailure> {
  const isLate = String(record.resourceVersion) !== resourceVersion;
  if (isLate) return err({ code: 'KUBERNETES_REFUSED', status: 409, reason: 'Conflict', detail: 'it was changed' });
  record.text = changes[RECORD] ?? record.text;
  record.resourceVersion += 1;
  return ok(null);
}
