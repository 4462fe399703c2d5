// One cluster without its HTTP: store, controllers, nodes and etcd under one clock. A simulator uses this part alone.
import { randomUUID } from 'node:crypto';
import type { Result } from '../../../shared/result.ts';
import { cleanExpiredTokens } from './bootstrap-tokens.ts';
import type { CertificateAuthority } from './certificate-authority.ts';
import type { Clock } from './clock.ts';
import { createCustomResources } from './custom-resources.ts';
import { reconcileBudgets } from './disruption-budgets.ts';
import type { EtcdFailure } from './etcd.ts';
import { createEtcd } from './etcd.ts';
import { createGarbageCollector } from './garbage.ts';
import { Nodes } from './nodes.ts';
import { Pods } from './pods.ts';
import type { SeedOptions } from './seed.ts';
import { reconcileClusterInfo, reconcileNamespaceDefaults, seedCluster } from './seed.ts';
import { createSigner } from './signing-requests.ts';
import { Store } from './store.ts';
import type { Timings } from './timings.ts';
import { createWorkloads } from './workloads.ts';

export type ClusterOptions = SeedOptions & {
  readonly clock: Clock;
  readonly timings: Timings;
  /** Absent in a simulation without certificates: then no CertificateSigningRequest is ever signed. */
  readonly authority?: CertificateAuthority;
  /** Defaults to random; a simulator passes its own. */
  readonly newUid?: () => string;
};

export type Cluster = ReturnType<typeof createCluster>;

/** Makes a cluster as `kubeadm init` leaves it, without nodes. `stop` ends its timers. */
export function createCluster(options: ClusterOptions) {
  const { clock, timings } = options;
  const store = new Store(clock, options.newUid ?? randomUUID);
  let dirty = false;
  let stopped = false;
  let cancel = (): void => {};
  const touch = (): void => {
    if (dirty || stopped) return;
    dirty = true;
    cancel = clock.after(timings.reconcileMs, reconcile);
  };
  const etcd = createEtcd(() => touch());
  let pods: Pods | undefined;
  const nodes = new Nodes({
    store,
    clock,
    timings,
    version: options.kubernetesVersion,
    writable: etcd.hasQuorum,
    onLost: (name) => pods?.markNodeLost(name),
  });
  const kubelets = new Pods(store, clock, timings, nodes.isAlive);
  pods = kubelets;
  const workloads = createWorkloads(store, kubelets, clock);
  const customResources = createCustomResources(store, clock, timings);
  const garbage = createGarbageCollector({
    store,
    pods: kubelets,
    customKinds: () => customResources.kinds().map((kind) => kind.resource),
  });
  const signer = options.authority === undefined ? undefined : createSigner(store, options.authority, clock, timings);

  /** All controllers once. What they change makes the cluster dirty again, so this runs until nothing changes. */
  function reconcile(): void {
    dirty = false;
    if (stopped || !etcd.hasQuorum()) return;
    customResources.reconcile();
    nodes.reconcile();
    workloads.reconcile();
    kubelets.reconcile();
    reconcileBudgets(store, clock.now());
    garbage.reconcile();
    signer?.reconcile();
    reconcileClusterInfo(store);
    reconcileNamespaceDefaults(store, options.caPem);
  }

  const unsubscribe = store.subscribe(touch);
  const stopCleaner = cleanExpiredTokens(store, clock);
  seedCluster(store, clock, options);

  return {
    options,
    store,
    etcd,
    nodes,
    pods: kubelets,
    customResources,
    /** Adds an etcd member for a control plane; see `Etcd.add` for what a stale member does. */
    addControlPlane: (name: string, address: string): Result<void, EtcdFailure> => etcd.add(name, address),
    /** `etcdctl member remove`, also of a dead member. Leaves the Node alone. */
    removeControlPlane: (name: string): Result<void, EtcdFailure> => etcd.remove(name),
    /** A machine loses power: its kubelet falls silent, its etcd member is down. */
    powerOff: (name: string): void => {
      nodes.kubeletGone(name);
      etcd.setUp(name, false);
    },
    /** The machine is back with its disk: member and kubelet return. */
    powerOn: (name: string): void => {
      etcd.setUp(name, true);
      nodes.heartbeat(name);
      touch();
    },
    stop: (): void => {
      stopped = true;
      cancel();
      unsubscribe();
      stopCleaner();
      kubelets.stop();
    },
  };
}
