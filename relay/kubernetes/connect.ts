// How handlers reach a cluster: given by main.ts, and by tests and the simulator instead.
import type { ClusterIdentity } from '../bootstrap/cluster-identity.ts';
import type { Clock } from '../ports.ts';
import { createKubernetesApi } from './client.ts';
import { createEtcdApi, type EtcdApi } from './etcd-members.ts';
import type { KubernetesApi } from './kubernetes-api.ts';

export type ClusterDial = {
  /** Sends nothing by itself; to be closed by who asked. @param server `https://<virtual ip>:6443` */
  readonly kubernetes: (server: string, identity: ClusterIdentity) => KubernetesApi;
  readonly etcd: (identity: ClusterIdentity) => EtcdApi;
};

export function createClusterDial(clock: Clock): ClusterDial {
  return {
    kubernetes: (server, identity) => createKubernetesApi(server, identity, clock),
    etcd: (identity) => createEtcdApi(identity, clock),
  };
}
