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

type Deps = {
  readonly store: Store;
  readonly clock: Clock;
  readonly timings: Timings;
  readonly version: string;
  writable(): boolean;
  onLost(node: string): void;
};

/** Plays kubelets and the node controllers. `reconcile` brings every Node in line and may be called at any time. */
export class Nodes {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #timings: Timings;
  readonly #version: string;
  readonly #writable: () => boolean;
  readonly #onLost: (node: string) => void;
  readonly #kubelets = new Map<string, Kubelet>();
  readonly #subnets = new Map<string, number>();

  constructor(deps: Deps) {
    this.#store = deps.store;
    this.#clock = deps.clock;
    this.#timings = deps.timings;
    this.#version = deps.version;
    this.#writable = deps.writable;
    this.#onLost = deps.onLost;
  }

  /** A node somebody posted over HTTP has no kubelet here: it is taken at its word. */
  readonly isAlive = (name: string): boolean => {
    const kubelet = this.#kubelets.get(name);
    if (kubelet !== undefined) return kubelet.alive;
    const node = this.#store.get(NODES, '', name);
    return node.ok && readinessOf(node.value) === 'True';
  };

  readonly #readiness = (kubelet: Kubelet): Readiness => {
    if (!kubelet.alive && kubelet.lost) return SILENT;
    if (kubelet.forced !== undefined) return kubelet.forced;
    return kubelet.networkUp ? READY : NO_CNI;
  };

  readonly #reportStatus = (name: string): void => {
    const kubelet = this.#kubelets.get(name);
    if (kubelet === undefined || (!kubelet.alive && !kubelet.lost)) return;
    this.#store.change(NODES, '', name, (node) => setReadiness(node, this.#readiness(kubelet), this.#clock.now()));
  };

  readonly #bringUpNetwork = (name: string, kubelet: Kubelet): void => {
    const applied = this.#store.all(DAEMON_SETS).some(isNetworkPlugin);
    if (kubelet.networkUp || !kubelet.alive || !(applied || kubelet.spec.cniConfigured === true)) return;
    this.#clock.after(this.#timings.cniReadyMs, () => {
      kubelet.networkUp = true;
      if (this.#kubelets.get(name) === kubelet && this.#writable()) this.#reportStatus(name);
    });
  };

  /** Steps of the node controllers, one write each as recorded: the ttl annotation, the pod CIDR, the taints. */
  readonly #reconcileNode = (name: string): void => {
    this.#store.change(NODES, '', name, (node) => {
      const metadata = grow(node, 'metadata');
      grow(metadata, 'annotations')['node.alpha.kubernetes.io/ttl'] ??= '0';
    });
    if (!this.#subnets.has(name)) this.#subnets.set(name, this.#subnets.size);
    this.#store.change(NODES, '', name, (node) => {
      const spec = grow(node, 'spec');
      if (spec.podCIDR !== undefined) return;
      spec.podCIDR = `10.244.${this.#subnets.get(name) ?? 0}.0/24`;
      spec.podCIDRs = [spec.podCIDR];
    });
    this.#store.change(NODES, '', name, (node) => setLifecycleTaints(node, this.#clock.now()));
  };

  readonly reconcile = (): void => {
    for (const node of this.#store.all(NODES)) {
      const name = nameOf(node);
      const kubelet = this.#kubelets.get(name);
      if (kubelet !== undefined) {
        this.#bringUpNetwork(name, kubelet);
        if (kubelet.lost || readinessOf(node) !== this.#readiness(kubelet).status) this.#reportStatus(name);
      }
      this.#reconcileNode(name);
    }
    for (const lease of this.#store.all(LEASES, 'kube-node-lease')) {
      if (!this.#store.get(NODES, '', nameOf(lease)).ok) this.#store.remove(LEASES, 'kube-node-lease', nameOf(lease));
    }
  };

  readonly #createMirrors = (node: JsonObject, version: string): void => {
    for (const pod of mirrorPods(node, version)) {
      const spec = grow(pod, 'spec');
      defaultPodSpec(spec, false);
      // A static pod has no service account.
      delete spec.serviceAccountName;
      delete spec.serviceAccount;
      if (!this.#store.get(PODS, namespaceOf(pod), nameOf(pod)).ok)
        this.#store.create(PODS, bookedTo('kubelet', pod, timestamp(this.#clock.now())));
    }
  };

  readonly #renewLease = (node: JsonObject): void => {
    const renewed = this.#store.change(LEASES, 'kube-node-lease', nameOf(node), (lease) => {
      grow(lease, 'spec').renewTime = microTimestamp(this.#clock.now());
    });
    if (renewed === undefined)
      this.#store.create(LEASES, bookedTo('kubelet', nodeLease(node, this.#clock.now()), timestamp(this.#clock.now())));
  };

  /**
   * A kubelet starts and registers its node, or takes up the one there is (its labels are put back, its taints are not).
   * May be repeated. Fails with the API's own failure when etcd has no quorum.
   */
  readonly registerNode = (spec: NodeSpec): Result<JsonObject, ApiFailure> => {
    if (!this.#writable()) return { ok: false, error: timedOut() };
    const known = this.#kubelets.get(spec.name);
    this.#kubelets.set(spec.name, {
      spec,
      alive: true,
      lost: false,
      networkUp: known?.networkUp ?? false,
      forced: undefined,
    });
    const time = timestamp(this.#clock.now());
    const fresh = registeredNode(spec, this.#version, this.#clock.now());
    const created = this.#store.create(NODES, bookedTo('kubelet', fresh, time));
    if (!created.ok) {
      this.#store.change(NODES, '', spec.name, (node) =>
        Object.assign(grow(grow(node, 'metadata'), 'labels'), nodeLabels(spec)),
      );
      this.#reportStatus(spec.name);
    }
    const node = created.ok ? created : this.#store.get(NODES, '', spec.name);
    if (!node.ok) return node;
    this.#renewLease(node.value);
    if (spec.role === 'control-plane') this.#createMirrors(node.value, spec.staticPodVersion ?? this.#version);
    return ok(node.value);
  };

  /** Holds a node at a readiness until told otherwise; `true` lets it follow its kubelet again. */
  readonly setNodeReady = (name: string, isReady: boolean, reason = 'KubeletNotReady', message = reason): void => {
    const kubelet = this.#kubelets.get(name);
    if (kubelet === undefined) return;
    kubelet.forced = isReady ? undefined : { status: 'False', reason, message };
    if (isReady) kubelet.networkUp = true;
    if (this.#writable()) this.#reportStatus(name);
  };

  /** The machine stops answering: after the grace its node is Unknown and tainted, its pods unready. */
  readonly kubeletGone = (name: string): void => {
    const kubelet = this.#kubelets.get(name);
    if (kubelet === undefined || !kubelet.alive) return;
    kubelet.alive = false;
    this.#clock.after(this.#timings.kubeletGraceMs, () => {
      if (kubelet.alive || this.#kubelets.get(name) !== kubelet) return;
      kubelet.lost = true;
      if (!this.#writable()) return;
      this.#reportStatus(name);
      this.#onLost(name);
    });
  };

  /** The kubelet speaks (again): its lease is renewed and its node follows it. Registers nothing by itself. */
  readonly heartbeat = (name: string): void => {
    const kubelet = this.#kubelets.get(name);
    if (kubelet === undefined) return;
    kubelet.alive = true;
    kubelet.lost = false;
    if (!this.#writable()) return;
    const node = this.#store.get(NODES, '', name);
    if (node.ok) this.#renewLease(node.value);
    this.#reportStatus(name);
  };

  readonly listNodes = (): NodeView[] => {
    return this.#store.all(NODES).map((node) => {
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
  };
}
