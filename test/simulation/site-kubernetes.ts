// The Kubernetes clusters that machines make: nodes, join tokens, applied objects, and etcd by the lab's own rules. A light model
// behind the relay's ports; the lab's full stand-in is held to recordings elsewhere and would cost a hundred times as much.
import type { ClusterIdentity } from '../../relay/bootstrap/cluster-identity.ts';
import type { ClusterDial } from '../../relay/kubernetes/connect.ts';
import type { EtcdApi } from '../../relay/kubernetes/etcd-members.ts';
import type { KubernetesApi, NodeEvent, WatchEnd } from '../../relay/kubernetes/kubernetes-api.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import { createEtcd } from '../lab/kubernetes/etcd.ts';
import type { KubernetesHub, NodeRegistration } from '../lab/machines/kubernetes-hub.ts';
import type { RelayProcess } from './relay-process.ts';
import {
  changeRecord,
  newRecord,
  recordIn,
  type SimulatedCluster,
  type SimulatedNode,
  viewOf,
} from './simulated-cluster.ts';
import type { Site } from './site.ts';

const READY_MS = 3_000;
const GRACE_MS = 40_000;
const WATCH_MS = 25_000;
const CALL_MS_MAX = 10_000;

export class SiteKubernetes {
  readonly #site: Site;
  readonly clusters = new Map<string, SimulatedCluster>();
  /** Every control plane that was ever begun: a second one at an address is a second cluster. */
  readonly begun: string[] = [];
  /** Names of nodes that a kubelet ever called Ready. */
  readonly everReady = new Set<string>();

  constructor(site: Site) {
    this.#site = site;
  }

  /** What kubeadm does to it, for the lab's kubeadm stand-in. */
  readonly hub: KubernetesHub = {
    nodes: () => [],
    init: async (start, node) => {
      if (this.clusters.has(start.server)) return err(`error: there is a cluster at ${start.server} already`);
      const cluster: SimulatedCluster = {
        start,
        etcd: createEtcd(),
        nodes: new Map(),
        running: new Map(),
        resting: new Map(),
        tokens: new Map(),
        applied: new Set(),
        hasNetwork: false,
        watchers: new Set(),
        version: 1,
        record: newRecord(start.kubernetesVersion),
      };
      this.begun.push(start.server);
      this.clusters.set(start.server, cluster);
      return this.#admit(cluster, node);
    },
    join: async (join, node) => {
      const cluster = this.clusters.get(join.server);
      if (cluster === undefined || !this.#answers(cluster)) return err('error: the API server does not answer');
      if ((cluster.tokens.get(join.token) ?? 0) <= this.#site.timeline.now) return err('error: the token is not known');
      return this.#admit(cluster, node);
    },
    reset: async (systemId) => {
      this.#leave(systemId, (cluster, node) => {
        if (node.role === 'control-plane') cluster.etcd.remove(node.name);
      });
    },
    powerOff: async (systemId) => this.powerOff(systemId),
    close: async () => {},
  };

  powerOff(systemId: string): void {
    this.#leave(systemId, (cluster, node) => cluster.etcd.setUp(node.name, false));
  }

  /** Its machine boots again with its disk, so whatever it is part of is still there. */
  rest(systemId: string): void {
    // Again while it boots: what it had waits for it still.
    if (this.clusterOf(systemId) === null) return;
    for (const cluster of this.clusters.values()) {
      const registration = cluster.running.get(systemId);
      if (registration !== undefined) cluster.resting.set(systemId, registration);
    }
    this.powerOff(systemId);
  }

  /** The machine came back with its disk. */
  powerOn(systemId: string): void {
    for (const cluster of this.clusters.values()) {
      const registration = cluster.resting.get(systemId);
      if (registration === undefined) continue;
      cluster.resting.delete(systemId);
      cluster.running.set(systemId, registration);
      cluster.etcd.setUp(registration.name, true);
      const node = cluster.nodes.get(registration.name);
      if (node === undefined || node.registration.systemId !== systemId) continue;
      node.alive = true;
      node.lost = false;
      this.#soonReady(cluster, node);
    }
  }

  clusterOf(systemId: string): SimulatedCluster | null {
    return [...this.clusters.values()].find(({ running }) => running.has(systemId)) ?? null;
  }

  dialFor(process: RelayProcess): ClusterDial {
    return {
      kubernetes: (server, identity) => this.#api(process, new URL(server).host, identity),
      etcd: (identity) => this.#etcdApi(process, identity),
    };
  }

  #admit(cluster: SimulatedCluster, registration: NodeRegistration): Result<void, string> {
    if (registration.role === 'control-plane') {
      const added = cluster.etcd.add(registration.name, registration.address);
      if (!added.ok) return err(`error: error execution phase etcd-join: ${added.error.detail}`);
    }
    const node = { registration, alive: true, ready: false, lost: false, cordoned: false, version: 0 };
    cluster.nodes.set(registration.name, node);
    cluster.running.set(registration.systemId, registration);
    this.#changed(cluster, node);
    this.#soonReady(cluster, node);
    return ok(undefined);
  }

  #leave(systemId: string, how: (cluster: SimulatedCluster, node: NodeRegistration) => void): void {
    for (const cluster of this.clusters.values()) {
      const registration = cluster.running.get(systemId) ?? cluster.resting.get(systemId);
      if (registration === undefined) continue;
      if (!cluster.running.delete(systemId)) cluster.resting.delete(systemId);
      how(cluster, registration);
      // With its last machine a cluster is gone, and its address may be somebody else's.
      if (cluster.running.size + cluster.resting.size === 0) this.clusters.delete(cluster.start.server);
      const node = cluster.nodes.get(registration.name);
      if (node === undefined || node.registration.systemId !== systemId) continue;
      node.alive = false;
      this.#site.timeline.after(GRACE_MS, () => {
        if (node.alive || cluster.nodes.get(registration.name) !== node) return;
        node.ready = false;
        node.lost = true;
        this.#changed(cluster, node);
      });
    }
  }

  #soonReady(cluster: SimulatedCluster, node: SimulatedNode): void {
    if (!cluster.hasNetwork) return;
    this.#site.timeline.after(READY_MS, () => {
      if (!node.alive || node.ready || cluster.nodes.get(node.registration.name) !== node) return;
      node.ready = true;
      this.everReady.add(node.registration.name);
      this.#changed(cluster, node);
    });
  }

  #changed(cluster: SimulatedCluster, node: SimulatedNode): void {
    cluster.version += 1;
    node.version = cluster.version;
    const view = viewOf(node);
    for (const tell of cluster.watchers) tell({ kind: 'present', node: view });
  }

  #answers(cluster: SimulatedCluster): boolean {
    const serving = [...cluster.running.values()].some(({ role }) => role === 'control-plane');
    return serving && cluster.etcd.hasQuorum() && cluster.etcd.members().some(({ up }) => up);
  }

  /** Runs `work` against the API at `server` after a while; UNREACHABLE when nothing of this identity answers there. */
  #ask<T>(
    process: RelayProcess,
    server: string,
    identity: ClusterIdentity,
    work: (cluster: SimulatedCluster) => T,
  ): Promise<Result<T, { code: 'KUBERNETES_UNREACHABLE'; detail: string }>> {
    const { faults, network } = this.#site;
    return new Promise((resolve) => {
      const refuse = (delayMs: number, detail: string): void =>
        void process.hear(delayMs, () => resolve(err({ code: 'KUBERNETES_UNREACHABLE', detail })));
      if (faults.strikes('kubernetes-away')) return refuse(network.between(100, CALL_MS_MAX), 'timed out (simulated)');
      process.hear(network.between(2, 15), () => {
        const cluster = this.clusters.get(server);
        if (cluster === undefined || !this.#answers(cluster)) return refuse(network.between(1, 3_000), 'no answer');
        if (cluster.start.pki.caKeyPem !== identity.ca.keyPem) return refuse(1, 'a certificate of another authority');
        resolve(ok(work(cluster)));
      });
    });
  }

  #api(process: RelayProcess, server: string, identity: ClusterIdentity): KubernetesApi {
    const ask = <T>(work: (cluster: SimulatedCluster) => T) => this.#ask(process, server, identity, work);
    return {
      readiness: async () => {
        const answered = await ask(() => null);
        return { ready: answered.ok, detail: answered.ok ? '' : answered.error.detail };
      },
      listNodes: () =>
        ask((cluster) => ({
          nodes: [...cluster.nodes.values()].map(viewOf),
          resourceVersion: String(cluster.version),
        })),
      watchNodes: (version, onEvent, signal) => this.#watch(process, server, version, onEvent, signal),
      readNode: (name) =>
        ask((cluster) => {
          const node = cluster.nodes.get(name);
          return node === undefined ? null : viewOf(node);
        }),
      cordonNode: (name) =>
        ask((cluster) => {
          const node = cluster.nodes.get(name);
          if (node !== undefined) node.cordoned = true;
          return null;
        }),
      deleteNode: (name) => ask((cluster) => this.#deleteNode(cluster, name)),
      listPodsOn: () => ask(() => []),
      evictPod: () => ask(() => 'gone' as const),
      readConfigMap: () => ask(recordIn),
      changeConfigMap: async (_namespace, _name, changes, resourceVersion) => {
        const changed = await ask((cluster) => changeRecord(cluster, changes, resourceVersion));
        return changed.ok ? changed.value : changed;
      },
      createJoinToken: ({ id, secret, lifeMs }) =>
        ask((cluster) => {
          cluster.tokens.set(`${id}.${secret}`, this.#site.timeline.now + lifeMs);
          return null;
        }),
      apply: (object) =>
        ask((cluster) => {
          cluster.applied.add(`${object.kind} ${object.metadata.name}`);
          if (object.kind === 'DaemonSet') {
            cluster.hasNetwork = true;
            for (const node of cluster.nodes.values()) this.#soonReady(cluster, node);
          }
          return null;
        }),
      close: async () => {},
    };
  }

  #deleteNode(cluster: SimulatedCluster, name: string): boolean {
    const existed = cluster.nodes.delete(name);
    cluster.version += 1;
    if (existed) for (const tell of cluster.watchers) tell({ kind: 'gone', name });
    return existed;
  }

  #watch(
    process: RelayProcess,
    server: string,
    version: string,
    onEvent: (event: NodeEvent) => void,
    signal: AbortSignal,
  ): Promise<WatchEnd> {
    const cluster = this.clusters.get(server);
    return new Promise((resolve) => {
      if (cluster === undefined) return resolve({ kind: 'failed', detail: 'nothing is there' });
      // Only what came after the list is told; anything between would be lost here, so the list is taken anew.
      if (version !== String(cluster.version)) return resolve({ kind: 'expired' });
      const tell = (event: NodeEvent): void =>
        void process.hear(this.#site.network.between(1, 20), () => onEvent(event));
      const end = (): void => {
        cluster.watchers.delete(tell);
        signal.removeEventListener('abort', end);
        resolve({ kind: 'ended' });
      };
      cluster.watchers.add(tell);
      signal.addEventListener('abort', end);
      process.hear(WATCH_MS, () => {
        if (cluster.watchers.has(tell)) onEvent({ kind: 'bookmark', resourceVersion: String(cluster.version) });
        end();
      });
    });
  }

  #etcdApi(process: RelayProcess, identity: ClusterIdentity): EtcdApi {
    const serverOf = (peers: readonly string[]): string => {
      const found = [...this.clusters.values()].find(({ running }) =>
        [...running.values()].some(({ role, address }) => role === 'control-plane' && peers.includes(address)),
      );
      return found?.start.server ?? '';
    };
    return {
      listMembers: (peers) =>
        this.#ask(process, serverOf(peers), identity, (cluster) =>
          cluster.etcd
            .members()
            .map(({ name, address, up }) => ({ id: name, name, healthy: up, learner: false, host: address })),
        ),
      removeMember: async (peers, id) => {
        const done = await this.#ask(process, serverOf(peers), identity, (cluster) => cluster.etcd.remove(id));
        return done.ok ? ok(null) : done;
      },
      close: async () => {},
    };
  }
}
