// The lab's Kubernetes clusters, as the machines make them: `kubeadm init` starts a stand-in API server at the cluster's virtual
// address, `kubeadm join` asks that address over HTTPS with its token, and a machine that loses power falls silent.
import { createHash, X509Certificate } from 'node:crypto';
import { request } from 'node:https';
import { err, ok, type Result } from '../../../shared/result.ts';
import { type EtcdGateway, startEtcdGateway } from '../kubernetes/etcd-gateway.ts';
import { list, nameOf, text } from '../kubernetes/json.ts';
import { type KubernetesApi, startKubernetesApi } from '../kubernetes/kubernetes-api.ts';
import { CONFIGMAPS, NODES, PODS } from '../kubernetes/resources.ts';
import type { PlayedNode } from '../machine-driver.ts';

export type NodeRegistration = {
  readonly systemId: string;
  readonly name: string;
  readonly role: 'control-plane' | 'worker';
  readonly address: string;
  readonly providerId: string | null;
  readonly labels: Readonly<Record<string, string>>;
  /** Of the kubelet on the machine, with the leading v; null: that of the cluster. */
  readonly kubeletVersion: string | null;
  readonly taints: readonly { readonly key: string; readonly value?: string; readonly effect: string }[];
};

export type ClusterStart = {
  /** `address:port` of the control-plane endpoint. */
  readonly server: string;
  readonly kubernetesVersion: string;
  readonly sans: readonly string[];
  readonly pki: {
    readonly caCertPem: string;
    readonly caKeyPem: string;
    readonly etcdCaCertPem: string;
    readonly etcdCaKeyPem: string;
  };
};

export type Join = { readonly server: string; readonly token: string; readonly caCertHashes: readonly string[] };

export type HubOptions = {
  /** Makes a cluster's virtual address this host's. Nothing to do on loopback. */
  claimAddress?(address: string): Promise<void>;
  releaseAddress?(address: string): Promise<void>;
  /** Where a machine's etcd gateway listens, when not on the machine's own address. */
  etcdPath?(systemId: string): string;
};

export type KubernetesHub = {
  /** The failure is what kubeadm would print. */
  init(start: ClusterStart, node: NodeRegistration): Promise<Result<void, string>>;
  join(join: Join, node: NodeRegistration): Promise<Result<void, string>>;
  /** `kubeadm reset`: a member that is up leaves etcd. The Node object stays, as it does. */
  reset(systemId: string): Promise<void>;
  powerOff(systemId: string): Promise<void>;
  /** The nodes of every cluster as their API shows them: what a test may look at without a key. */
  nodes(): readonly PlayedNode[];
  close(): Promise<void>;
};

type Running = {
  readonly api: KubernetesApi;
  readonly start: ClusterStart;
  readonly nodes: Map<string, NodeRegistration>;
  readonly gateways: Map<string, EtcdGateway>;
};

const TOKEN_CHECK_MS_MAX = 10_000;

export function startKubernetesHub(options: HubOptions = {}): KubernetesHub {
  const clusters = new Map<string, Running>();

  const end = async (running: Running): Promise<void> => {
    clusters.delete(running.start.server);
    for (const gateway of running.gateways.values()) await gateway.close();
    await running.api.close();
    await options.releaseAddress?.(hostOf(running.start.server));
  };

  const admit = async (running: Running, node: NodeRegistration): Promise<Result<void, string>> => {
    if (node.role === 'control-plane') {
      const added = running.api.addControlPlane(node.name, node.address);
      if (!added.ok) return err(`error: error execution phase etcd-join: ${added.error.detail}`);
      const { etcdCaCertPem: certPem, etcdCaKeyPem: keyPem } = running.start.pki;
      const socketPath = options.etcdPath?.(node.systemId);
      const starting = startEtcdGateway({
        etcd: running.api.cluster.etcd,
        ca: { certPem, keyPem },
        memberName: node.name,
        address: node.address,
        port: 2379,
        ...(socketPath === undefined ? {} : { socketPath }),
      });
      try {
        running.gateways.set(node.systemId, await starting);
      } catch (error) {
        // The member never came up; a real kubeadm leaves it for its reset to take out again.
        running.api.removeControlPlane(node.name);
        return err(`error: error execution phase etcd-join: ${String(error)}`);
      }
    }
    const { providerId, systemId, address, kubeletVersion, ...spec } = node;
    const registered = running.api.registerNode({
      ...spec,
      ...(kubeletVersion === null ? {} : { kubeletVersion }),
      staticPodVersion: recordedVersion(running.api),
      internalIp: address,
      ...(providerId === null ? {} : { providerId }),
    });
    if (!registered.ok)
      return err('error: error execution phase kubelet-wait-bootstrap: the API server refused the node');
    running.nodes.set(systemId, node);
    return ok(undefined);
  };

  const leave = async (systemId: string, how: (running: Running, node: NodeRegistration) => void): Promise<void> => {
    for (const running of clusters.values()) {
      const node = running.nodes.get(systemId);
      if (node === undefined) continue;
      await running.gateways.get(systemId)?.close();
      running.gateways.delete(systemId);
      running.nodes.delete(systemId);
      how(running, node);
      // The API server runs on the control planes: with the last of them it is gone.
      if (![...running.nodes.values()].some((other) => other.role === 'control-plane')) await end(running);
    }
  };

  return {
    init: async (start, node) => {
      const there = clusters.get(start.server);
      if (there !== undefined)
        return err(`error: error execution phase preflight: the stand-in has a cluster at ${start.server} already`);
      await options.claimAddress?.(hostOf(start.server));
      const api = await startKubernetesApi({
        address: hostOf(start.server),
        port: portOf(start.server),
        ca: { certPem: start.pki.caCertPem, keyPem: start.pki.caKeyPem },
        serverSans: [...start.sans, node.address, node.name],
        kubernetesVersion: start.kubernetesVersion,
      });
      const running: Running = { api, start, nodes: new Map(), gateways: new Map() };
      clusters.set(start.server, running);
      return admit(running, node);
    },
    join: async (join, node) => {
      const checked = await checkToken(join);
      if (!checked.ok) return checked;
      const running = clusters.get(join.server);
      if (running === undefined) return err(`error: nothing of the lab serves ${join.server}`);
      const ahead = tooNew(node.kubeletVersion, recordedVersion(running.api));
      return ahead === null ? admit(running, node) : err(ahead);
    },
    reset: (systemId) => leave(systemId, (running, node) => void running.api.removeControlPlane(node.name)),
    powerOff: (systemId) => leave(systemId, (running, node) => running.api.powerOff(node.name)),
    nodes: () => [...clusters.values()].flatMap(({ api }) => nodesOf(api)),
    close: async () => {
      for (const running of [...clusters.values()]) await end(running);
    },
  };
}

function nodesOf({ cluster: { store } }: KubernetesApi): PlayedNode[] {
  return store.all(NODES).map((node) => {
    const pod = store.get(PODS, 'kube-system', `kube-apiserver-${nameOf(node)}`);
    return {
      name: nameOf(node),
      kubeletVersion: text(node, 'status', 'nodeInfo', 'kubeletVersion'),
      apiServerImage: pod.ok ? text(list(pod.value, 'spec', 'containers')[0], 'image') : null,
    };
  });
}

/** What kubeadm would make static pods of: its own record in the cluster. */
function recordedVersion({ cluster }: KubernetesApi): string {
  const record = cluster.store.get(CONFIGMAPS, 'kube-system', 'kubeadm-config');
  const recorded = record.ok ? text(record.value, 'data', 'ClusterConfiguration') : '';
  return /^kubernetesVersion: (v\S+)$/m.exec(recorded)?.[1] ?? cluster.options.kubernetesVersion;
}

/** kubeadm's check KubeletVersion: a kubelet of a newer minor than the control plane it joins. */
export function tooNew(kubelet: string | null, controlPlane: string): string | null {
  const minorOf = (version: string): number => Number(version.split('.')[1]);
  if (kubelet === null || minorOf(kubelet) <= minorOf(controlPlane)) return null;
  return `[preflight] Some fatal errors occurred:\n\t[ERROR KubeletVersion]: the kubelet version is higher than the control plane version. This is not a supported version skew and may lead to a malfunctional cluster. Kubelet version: "${kubelet.slice(1)}" Control plane version: "${controlPlane.slice(1)}"`;
}

const hostOf = (server: string): string => server.slice(0, server.lastIndexOf(':'));
const portOf = (server: string): number => Number(server.slice(server.lastIndexOf(':') + 1));

/** As kubeadm's discovery: the API must answer, its CA must be the pinned one, and the token must be known to it. */
function checkToken(join: Join): Promise<Result<void, string>> {
  const prefix = "error: error execution phase preflight: couldn't validate the identity of the API Server:";
  return new Promise((resolve) => {
    const asked = request(
      {
        host: hostOf(join.server),
        port: portOf(join.server),
        path: '/api/v1/namespaces/kube-system/configmaps/kubeadm-config',
        headers: { authorization: `Bearer ${join.token}` },
        // Pinned below by the hash of the CA's public key, as kubeadm pins it.
        rejectUnauthorized: false,
        agent: false,
        timeout: TOKEN_CHECK_MS_MAX,
      },
      (response) => {
        const socket = response.socket;
        const chain =
          'getPeerX509Certificate' in socket && typeof socket.getPeerX509Certificate === 'function'
            ? socket.getPeerX509Certificate()
            : undefined;
        response.resume();
        const hash = chain instanceof X509Certificate ? publicKeyHash(chain.issuerCertificate ?? chain) : '';
        if (!join.caCertHashes.includes(hash))
          return resolve(
            err(
              `${prefix} cluster CA found in cluster-info ConfigMap is invalid: none of the public keys "${hash}" are pinned`,
            ),
          );
        if (response.statusCode === 401)
          return resolve(
            err(
              `${prefix} could not find a JWS signature in the cluster-info ConfigMap for token ID "${join.token.split('.')[0]}"`,
            ),
          );
        if (response.statusCode !== 200) return resolve(err(`${prefix} the API answers ${response.statusCode}`));
        resolve(ok(undefined));
      },
    );
    asked.on('timeout', () => asked.destroy(new Error('timed out')));
    asked.on('error', (error) =>
      resolve(err(`${prefix} failed to request the cluster-info ConfigMap: ${error.message}`)),
    );
    asked.end();
  });
}

/** `sha256:` and the hash of the DER of the certificate's public key (kubeadm's --discovery-token-ca-cert-hash). */
function publicKeyHash(certificate: X509Certificate): string {
  const der = certificate.publicKey.export({ type: 'spki', format: 'der' });
  return `sha256:${createHash('sha256').update(der).digest('hex')}`;
}
