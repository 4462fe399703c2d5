// The stand-in against what a real kubeadm was recorded to do (kubernetes.md, findings 1 and 3).
import { afterEach, expect, test } from 'vitest';
import { createAuthorityPems } from '../lab/kubernetes/certificate-authority.ts';
import { runKubeadm } from '../lab/machines/kubeadm.ts';
import { startKubernetesHub, tooNew } from '../lab/machines/kubernetes-hub.ts';
import { memoryDisk } from '../lab/machines/memory-disk.ts';

const hub = startKubernetesHub();
afterEach(() => hub.close());

const PKI = ['sa.key', 'sa.pub', 'front-proxy-ca.crt', 'front-proxy-ca.key'];

async function deliveredPki(): Promise<Record<string, string>> {
  const [ca, etcd] = [await createAuthorityPems(), await createAuthorityPems('etcd-ca')];
  return {
    ...Object.fromEntries(PKI.map((name) => [name, 'x'])),
    'ca.crt': ca.certPem,
    'ca.key': ca.keyPem,
    'etcd/ca.crt': etcd.certPem,
    'etcd/ca.key': etcd.keyPem,
  };
}

function machine(systemId: string, pki: Record<string, string>, config: string) {
  const disk = memoryDisk();
  for (const [name, content] of Object.entries(pki)) disk.write(`/etc/kubernetes/pki/${name}`, content);
  disk.write('/kubeadm.yaml', config);
  return { systemId, disk };
}

const initFile = (vip: string) => `
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
nodeRegistration: { name: cp-0, kubeletExtraArgs: [{ name: node-ip, value: 127.77.0.1 }] }
localAPIEndpoint: { advertiseAddress: 127.77.0.1 }
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: v1.36.2
controlPlaneEndpoint: ${vip}:6443
`;

const joinFile = (vip: string, token: string, hash: string) => `
apiVersion: kubeadm.k8s.io/v1beta4
kind: JoinConfiguration
nodeRegistration: { name: w-0, kubeletExtraArgs: [{ name: node-ip, value: 127.77.0.2 }] }
discovery: { bootstrapToken: { token: ${token}, apiServerEndpoint: "${vip}:6443", caCertHashes: ["${hash}"] } }
`;

test('init starts an API at the endpoint; a second init finds the first one’s files', async () => {
  const first = machine('m1', await deliveredPki(), initFile('127.77.1.1'));
  expect(await runKubeadm(['init', '--config', '/kubeadm.yaml'], first, hub)).toMatchObject({ exitCode: 0 });
  const again = await runKubeadm(['init', '--config', '/kubeadm.yaml'], first, hub);
  expect(again.exitCode).toBe(1);
  expect(again.output).toContain('[ERROR FileAvailable--etc-kubernetes-manifests-kube-apiserver.yaml]');
});

test('reset takes the delivered CAs away, so the next init fails until they are put back', async () => {
  const pki = await deliveredPki();
  const first = machine('m1', pki, initFile('127.77.1.2'));
  await runKubeadm(['init', '--config', '/kubeadm.yaml'], first, hub);
  await runKubeadm(['reset', '-f'], first, hub);
  expect(first.disk.read('/etc/kubernetes/pki/ca.key')).toBeNull();
  expect((await runKubeadm(['init', '--config', '/kubeadm.yaml'], first, hub)).exitCode).not.toBe(0);
  for (const [name, content] of Object.entries(pki)) first.disk.write(`/etc/kubernetes/pki/${name}`, content);
  expect(await runKubeadm(['init', '--config', '/kubeadm.yaml'], first, hub)).toMatchObject({ exitCode: 0 });
});

test('a join with an unknown token or a wrong CA hash is refused in kubeadm’s words, and leaves its trace', async () => {
  const first = machine('m1', await deliveredPki(), initFile('127.77.1.3'));
  await runKubeadm(['init', '--config', '/kubeadm.yaml'], first, hub);
  const worker = machine('m2', {}, joinFile('127.77.1.3', 'zzzzzz.0123456789abcdef', 'sha256:00'));
  const refused = await runKubeadm(['join', '--config=/kubeadm.yaml'], worker, hub);
  expect(refused).toMatchObject({ exitCode: 1, output: expect.stringContaining('are pinned') });
  expect((await runKubeadm(['join', '--config=/kubeadm.yaml'], worker, hub)).output).toContain(
    'FileAvailable--etc-kubernetes-bootstrap-kubelet.conf',
  );
  await runKubeadm(['reset', '-f'], worker, hub);
  const hash = /public keys "(sha256:[0-9a-f]+)"/.exec(refused.output)?.[1] ?? '';
  worker.disk.write('/kubeadm.yaml', joinFile('127.77.1.3', 'zzzzzz.0123456789abcdef', hash));
  expect((await runKubeadm(['join', '--config=/kubeadm.yaml'], worker, hub)).output).toContain('JWS signature');
});

test('what it does not model it refuses', async () => {
  expect(await runKubeadm(['upgrade', 'apply'], machine('m1', {}, ''), hub)).toMatchObject({ exitCode: 64 });
});

test('nodes show their kubelet; one newer by a minor than kubeadm’s record may not join', async () => {
  const first = machine('m1', await deliveredPki(), initFile('127.77.1.4'));
  await runKubeadm(['init', '--config', '/kubeadm.yaml'], first, hub);
  expect(hub.nodes()).toEqual([{ name: 'cp-0', kubeletVersion: 'v1.36.2', apiServerImage: 'kube-apiserver:v1.36.2' }]);
  expect(tooNew('v1.37.0', 'v1.36.2')).toContain('[ERROR KubeletVersion]');
  expect(tooNew('v1.36.9', 'v1.36.2')).toBeNull();
  expect(tooNew(null, 'v1.36.2')).toBeNull();
});
