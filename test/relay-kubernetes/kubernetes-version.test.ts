// ensure-kubernetes-version against the lab's Kubernetes API, by the same client as in production.
import { afterEach, describe, expect, test } from 'vitest';
import { ensureKubernetesVersion, withVersion } from '../../relay/commands/kubernetes-version.ts';
import { createClusterDial } from '../../relay/kubernetes/connect.ts';
import type { KubernetesApi } from '../../relay/kubernetes/kubernetes-api.ts';
import type { BodyOf } from '../../shared/command.ts';
import { CONFIGMAPS } from '../lab/kubernetes/resources.ts';
import { contextFor, playKubernetes, realPorts } from '../relay-bootstrap/bench.ts';
import { accessTo, createEnding, startCluster } from './cluster-bench.ts';

/** Of a real v1.36.2 (recording `configmap-kubeadm-config`). */
const RECORDED = `apiServer:
  certSANs:
  - 10.88.0.10
apiVersion: kubeadm.k8s.io/v1beta4
caCertificateValidityPeriod: 87600h0m0s
certificateValidityPeriod: 8760h0m0s
certificatesDir: /etc/kubernetes/pki
clusterName: lab
controlPlaneEndpoint: 10.88.0.10:6443
controllerManager: {}
dns: {}
encryptionAlgorithm: RSA-2048
etcd:
  local:
    dataDir: /var/lib/etcd
    imageTag: 3.5.30-0
imageRepository: registry.k8s.io
kind: ClusterConfiguration
kubernetesVersion: v1.36.2
networking:
  dnsDomain: cluster.local
  podSubnet: 10.244.0.0/16
  serviceSubnet: 10.96.0.0/12
proxy: {}
scheduler: {}
`;

const ending = createEnding();
afterEach(() => ending.run());
const ports = realPorts();
const dial = createClusterDial(ports.clock);

function ensure(server: string, version: string, through: Parameters<typeof ensureKubernetesVersion>[0] = dial) {
  const body: BodyOf<'ensure-kubernetes-version'> = {
    verb: 'ensure-kubernetes-version',
    access: accessTo(server),
    version,
  };
  const context = contextFor(body, ports);
  return { context, outcome: ensureKubernetesVersion(through)(body, context) };
}

const recordOf = async (api: KubernetesApi): Promise<string> => {
  const record = await api.readConfigMap('kube-system', 'kubeadm-config');
  return (record.ok ? record.value?.data.ClusterConfiguration : undefined) ?? '';
};

describe('ensure-kubernetes-version', () => {
  test('[RO3] changes one line of kubeadm’s own record, once', async () => {
    const { lab, api } = await startCluster(ending);
    const before = await recordOf(api);
    const first = ensure(lab.url, 'v1.37.0');
    expect(await first.outcome).toEqual({ ok: true, value: { verb: 'ensure-kubernetes-version', version: 'v1.37.0' } });
    expect(await recordOf(api)).toBe(before.replace('v1.36.2', 'v1.37.0'));
    expect(first.context.intents).toEqual(['set the version of kubeadm-config to v1.37.0']);
    const again = ensure(lab.url, 'v1.37.0');
    expect((await again.outcome).ok).toBe(true);
    expect(again.context.intents).toEqual([]);
  });

  test('does not go back', async () => {
    const { lab, api } = await startCluster(ending);
    const before = await recordOf(api);
    for (const version of ['v1.36.1', 'v1.35.9']) {
      const { outcome, context } = ensure(lab.url, version);
      expect(await outcome).toMatchObject({ ok: false, error: { code: 'KUBERNETES_REFUSED', reason: 'Downgrade' } });
      expect(context.intents).toEqual([]);
    }
    expect(await recordOf(api)).toBe(before);
  });

  test('somebody who changes the record in between keeps that, and the version is set all the same', async () => {
    const { lab, api } = await startCluster(ending);
    let isFirst = true;
    const racing: Pick<KubernetesApi, 'readConfigMap' | 'changeConfigMap'> = {
      readConfigMap: async (namespace, name) => {
        const read = await api.readConfigMap(namespace, name);
        if (isFirst && read.ok && read.value !== null) {
          isFirst = false;
          const text = (read.value.data.ClusterConfiguration ?? '').replace(
            'apiServer: {}',
            'apiServer:\n  certSANs: [a]',
          );
          await api.changeConfigMap(namespace, name, { ClusterConfiguration: text }, read.value.resourceVersion);
        }
        return read;
      },
      changeConfigMap: api.changeConfigMap,
    };
    const { outcome } = ensure(lab.url, 'v1.36.3', { kubernetes: () => playKubernetes(racing) });
    expect((await outcome).ok).toBe(true);
    const after = await recordOf(api);
    expect(after).toContain('certSANs: [a]');
    expect(after).toContain('kubernetesVersion: v1.36.3');
  });

  test('a cluster without the record, and one that does not answer, are told apart', async () => {
    const { lab } = await startCluster(ending);
    lab.cluster.store.remove(CONFIGMAPS, 'kube-system', 'kubeadm-config');
    expect(await ensure(lab.url, 'v1.36.3').outcome).toMatchObject({ ok: false, error: { reason: 'NotARecord' } });
    const away = ensure('https://127.0.0.1:45999', 'v1.36.3');
    expect(await away.outcome).toMatchObject({ ok: false, error: { code: 'KUBERNETES_UNREACHABLE' } });
  });
});

describe('kubeadm’s record', () => {
  test('as a real kubeadm wrote it keeps every other byte', () => {
    const changed = withVersion(RECORDED, 'v1.36.3');
    expect(changed).toEqual({ ok: true, value: RECORDED.replace('v1.36.2', 'v1.36.3') });
  });

  test.each([
    ['', 'no configuration'],
    ['kind: ClusterConfiguration\n', 'no version'],
    ['kind: ClusterConfiguration\nkubernetesVersion: latest\n', 'a version that is none'],
    ['{kind: ClusterConfiguration, kubernetesVersion: v1.36.2}', 'a version that shares its line'],
    ['kind: [', 'no YAML'],
    [`${'['.repeat(5_000)}`, 'too deep'],
  ])('%# is left alone when it has %s', (text) => {
    expect(withVersion(text, 'v1.36.3')).toMatchObject({ ok: false, error: { reason: 'NotARecord' } });
  });
});
