// The nodes as Kubernetes itself lists them, read with a kubeconfig that a user would get: a key made here, its request signed
// through the API, and the Kubernetes client against the cluster's own address.
import { webcrypto } from 'node:crypto';
import { CoreV1Api, KubeConfig, type V1Node } from '@kubernetes/client-node';
import 'reflect-metadata';
import { Pkcs10CertificateRequestGenerator } from '@peculiar/x509';
import type { ClusterView } from '../../shared/cluster-view.ts';
import type { ApiClient } from '../support/api-client.ts';

export type ListedNode = { readonly name: string; readonly ready: boolean; readonly role: 'control-plane' | 'worker' };

export async function kubernetesNodes(api: ApiClient, cluster: ClusterView): Promise<ListedNode[]> {
  const config = new KubeConfig();
  config.loadFromString(await kubeconfigWithKey(api, cluster.id));
  const listed = await config.makeApiClient(CoreV1Api).listNode();
  return listed.items.map(asListed).sort((a, b) => a.role.localeCompare(b.role) || a.name.localeCompare(b.name));
}

/** The private key is made here and put into the file here: it is never sent. */
export async function kubeconfigWithKey(api: ApiClient, clusterId: string): Promise<string> {
  const keys = await webcrypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']);
  const request = await Pkcs10CertificateRequestGenerator.create({
    name: 'CN=demo',
    keys,
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
  });
  const answer = await api.kubeconfig(clusterId, request.toString('pem'));
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
  const keyPem = `-----BEGIN PRIVATE KEY-----\n${pkcs8}\n-----END PRIVATE KEY-----\n`;
  return answer.kubeconfig.replace(/client-key: .*/, `client-key-data: ${Buffer.from(keyPem).toString('base64')}`);
}

function asListed(node: V1Node): ListedNode {
  const labels = node.metadata?.labels ?? {};
  return {
    name: node.metadata?.name ?? '',
    ready:
      node.status?.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True') ?? false,
    role: 'node-role.kubernetes.io/control-plane' in labels ? 'control-plane' : 'worker',
  };
}
