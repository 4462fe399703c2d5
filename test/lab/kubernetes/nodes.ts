// The nodes of one cluster and the kubelets behind them: what machine drivers call. Deterministic under a given clock.
import type { Result } from '../../../shared/result.ts';
import { ok } from '../../../shared/result.ts';
import { bookedTo } from './apply.ts';
import type { Clock } from './clock.ts';
import { microTimestamp, timestamp } from './clock.ts';
import type { JsonObject } from './json.ts';
import { grow, list, nameOf, namespaceOf, text } from './json.ts';
import type { NodeRole, NodeSpec, Readiness } from './node-object.ts';
import {
  mirrorPods,
  NO_CNI,
  nodeLabels,
  nodeLease,
  READY,
  readinessOf,
  registeredNode,
  SILENT,
  setLifecycleTaints,
  setReadiness,
} from './node-object.ts';
import { defaultPodSpec } from './pod-object.ts';
import { DAEMON_SETS, LEASES, NODES, PODS } from './resources.ts';
import type { ApiFailure } from './status.ts';
import { timedOut } from './status.ts';
import type { Store } from './store.ts';
import type { Timings } from './timings.ts';

/** A kubelet's machine: `lost` is set when its grace is over. */
type Kubelet = {
  readonly spec: NodeSpec;
  alive: boolean;
  lost: boolean;
  networkUp: boolean;
  forced: Readiness | undefined;
};

export type NodeView = {
  readonly name: string;
  readonly role: NodeRole;
  readonly ready: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly internalIp: string;
  readonly unschedulable: boolean;
};

/** Namespaces whose name tells that a network plugin lives there; kube-system counts too, kube-proxy does not. */
const CNI_NAMESPACE = /cni|cilium|calico|flannel|antrea|weave|canal|tigera|kube-ovn|kube-router/;

function isNetworkPlugin(daemonSet: JsonObject): boolean {
  if (nameOf(daemonSet) === 'kube-proxy') return false;
  return namespaceOf(daemonSet) === 'kube-system' || CNI_NAMESPACE.test(namespaceOf(daemonSet));
}

export type Nodes = ReturnType<typeof createNodes>;
type Deps = {
  readonly store: Store;
  readonly clock: Clock;
  readonly timings: Timings;
  readonly version: string;
  writable(): boolean;
  onLost(node: string): void;
};

/** Plays kubelets and the node controllers. `reconcile` brings every Node in line and may be called at any time. */
export function createNodes({ store, clock, timings, version, writable, onLost }: Deps) {
  const kubelets = new Map<string, Kubelet>();
  const subnets = new Map<string, number>();

  /** A node somebody posted over HTTP has no kubelet here: it is taken at its word. */
  const isAlive = (name: string): boolean => {
    const kubelet = kubelets.get(name);
    if (kubelet !== undefined) return kubelet.alive;
    const node = store.get(NODES, '', name);
    return node.ok && readinessOf(node.value) === 'True';
  };

  function readiness(kubelet: Kubelet): Readiness {
    if (!kubelet.alive && kubelet.lost) return SILENT;
    if (kubelet.forced !== undefined) return kubelet.forced;
    return kubelet.networkUp ? READY : NO_CNI;
  }

  function reportStatus(name: string): void {
    const kubelet = kubelets.get(name);
    if (kubelet === undefined || (!kubelet.alive && !kubelet.lost)) return;
    store.change(NODES, '', name, (node) => setReadiness(node, readiness(kubelet), clock.now()));
  }

  function bringUpNetwork(name: string, kubelet: Kubelet): void {
    const applied = store.all(DAEMON_SETS).some(isNetworkPlugin);
    if (kubelet.networkUp || !kubelet.alive || !(applied || kubelet.spec.cniConfigured === true)) return;
    clock.after(timings.cniReadyMs, () => {
      kubelet.networkUp = true;
      if (kubelets.get(name) === kubelet && writable()) reportStatus(name);
    });
  }

  /** Steps of the node controllers, one write each as recorded: the ttl annotation, the pod CIDR, the taints. */
  function reconcileNode(name: string): void {
    store.change(NODES, '', name, (node) => {
      const metadata = grow(node, 'metadata');
      grow(metadata, 'annotations')['node.alpha.kubernetes.io/ttl'] ??= '0';
    });
    if (!subnets.has(name)) subnets.set(name, subnets.size);
    store.change(NODES, '', name, (node) => {
      const spec = grow(node, 'spec');
      if (spec.podCIDR !== undefined) return;
      spec.podCIDR = `10.244.${subnets.get(name) ?? 0}.0/24`;
      spec.podCIDRs = [spec.podCIDR];
    });
    store.change(NODES, '', name, (node) => setLifecycleTaints(node, clock.now()));
  }

  function reconcile(): void {
    for (const node of store.all(NODES)) {
      const name = nameOf(node);
      const kubelet = kubelets.get(name);
      if (kubelet !== undefined) {
        bringUpNetwork(name, kubelet);
        if (kubelet.lost || readinessOf(node) !== readiness(kubelet).status) reportStatus(name);
      }
      reconcileNode(name);
    }
    for (const lease of store.all(LEASES, 'kube-node-lease')) {
      if (!store.get(NODES, '', nameOf(lease)).ok) store.remove(LEASES, 'kube-node-lease', nameOf(lease));
    }
  }

  function createMirrors(node: JsonObject): void {
    for (const pod of mirrorPods(node, version)) {
      const spec = grow(pod, 'spec');
      defaultPodSpec(spec, false);
      // A static pod has no service account.
      delete spec.serviceAccountName;
      delete spec.serviceAccount;
      if (!store.get(PODS, namespaceOf(pod), nameOf(pod)).ok)
        store.create(PODS, bookedTo('kubelet', pod, timestamp(clock.now())));
    }
  }

  function renewLease(node: JsonObject): void {
    const renewed = store.change(LEASES, 'kube-node-lease', nameOf(node), (lease) => {
      grow(lease, 'spec').renewTime = microTimestamp(clock.now());
    });
    if (renewed === undefined)
      store.create(LEASES, bookedTo('kubelet', nodeLease(node, clock.now()), timestamp(clock.now())));
  }

  /**
   * A kubelet starts and registers its node, or takes up the one there is (its labels are put back, its taints are not).
   * May be repeated. Fails with the API's own failure when etcd has no quorum.
   */
  function registerNode(spec: NodeSpec): Result<JsonObject, ApiFailure> {
    if (!writable()) return { ok: false, error: timedOut() };
    const known = kubelets.get(spec.name);
    kubelets.set(spec.name, {
      spec,
      alive: true,
      lost: false,
      networkUp: known?.networkUp ?? false,
      forced: undefined,
    });
    const time = timestamp(clock.now());
    const fresh = registeredNode(spec, version, clock.now());
    const created = store.create(NODES, bookedTo('kubelet', fresh, time));
    if (!created.ok) {
      store.change(NODES, '', spec.name, (node) =>
        Object.assign(grow(grow(node, 'metadata'), 'labels'), nodeLabels(spec)),
      );
      reportStatus(spec.name);
    }
    const node = created.ok ? created : store.get(NODES, '', spec.name);
    if (!node.ok) return node;
    renewLease(node.value);
    if (spec.role === 'control-plane') createMirrors(node.value);
    return ok(node.value);
  }

  /** Holds a node at a readiness until told otherwise; `true` lets it follow its kubelet again. */
  function setNodeReady(name: string, isReady: boolean, reason = 'KubeletNotReady', message = reason): void {
    const kubelet = kubelets.get(name);
    if (kubelet === undefined) return;
    kubelet.forced = isReady ? undefined : { status: 'False', reason, message };
    if (isReady) kubelet.networkUp = true;
    if (writable()) reportStatus(name);
  }

  /** The machine stops answering: after the grace its node is Unknown and tainted, its pods unready. */
  function kubeletGone(name: string): void {
    const kubelet = kubelets.get(name);
    if (kubelet === undefined || !kubelet.alive) return;
    kubelet.alive = false;
    clock.after(timings.kubeletGraceMs, () => {
      if (kubelet.alive || kubelets.get(name) !== kubelet) return;
      kubelet.lost = true;
      if (!writable()) return;
      reportStatus(name);
      onLost(name);
    });
  }

  /** The kubelet speaks (again): its lease is renewed and its node follows it. Registers nothing by itself. */
  function heartbeat(name: string): void {
    const kubelet = kubelets.get(name);
    if (kubelet === undefined) return;
    kubelet.alive = true;
    kubelet.lost = false;
    if (!writable()) return;
    const node = store.get(NODES, '', name);
    if (node.ok) renewLease(node.value);
    reportStatus(name);
  }

  function listNodes(): NodeView[] {
    return store.all(NODES).map((node) => {
      const ready = list(node, 'status', 'conditions').find((condition) => text(condition, 'type') === 'Ready');
      const status = text(ready, 'status');
      const labels = grow(grow(structuredClone(node), 'metadata'), 'labels');
      return {
        name: nameOf(node),
        role: labels['node-role.kubernetes.io/control-plane'] === undefined ? 'worker' : 'control-plane',
        ready: status === 'True' || status === 'False' ? status : 'Unknown',
        reason: text(ready, 'reason'),
        internalIp: text(
          list(node, 'status', 'addresses').find((one) => text(one, 'type') === 'InternalIP'),
          'address',
        ),
        unschedulable: grow(structuredClone(node), 'spec').unschedulable === true,
      };
    });
  }

  return {
    registerNode,
    setNodeReady,
    kubeletGone,
    heartbeat,
    listNodes,
    isAlive,
    reconcile,
    isKnown: (name: string) => kubelets.has(name),
  };
}
