import { execFileSync } from 'node:child_process';
import { load, loadAll } from 'js-yaml';
import { describe, expect, test } from 'vitest';
import { bootstrapDocument } from '../../functions/plan/bootstrap-document.ts';
import { resolveProfile } from '../../functions/plan/resolve-profile.ts';
import { BootstrapDocument, fillTemplate, slotsUsed } from '../../shared/bootstrap.ts';
import { BUILTIN_PROFILE } from '../../shared/builtin-profile.ts';
import { ClusterProfile } from '../../shared/cluster-profile.ts';
import { aCluster, type ClusterBuilder, machines } from '../support/builders.ts';
import { ClusterConfiguration, InitConfiguration, JoinConfiguration, KubeadmDocument } from './kubeadm-v1beta4.ts';
import { World } from './world.ts';

/** The documents of a cluster whose machines are held, by slot; the first control plane begins. */
function documentsOf(builder: ClusterBuilder): Map<string, BootstrapDocument> {
  const world = new World(machines(8)).create(builder.accepted());
  world.run(() => world.sentVerbs('ensure-deployed').length > 0);
  const { state } = world;
  if (state === null) throw new Error('no cluster');
  const profile = resolveProfile(state.profile, state.spec.parameters);
  if (!profile.ok) throw new Error(profile.error.detail);
  return new Map(
    state.machines.map((machine) => {
      const turn = machine.slot === 'cp-0' ? 'init' : 'join';
      return [machine.slot, BootstrapDocument.parse(bootstrapDocument(state, machine, turn, profile.value))];
    }),
  );
}

const fileOf = (document: BootstrapDocument | undefined, path: string): string => {
  const file = document?.files.find((candidate) => candidate.path === path);
  if (file === undefined) throw new Error(`no file ${path}`);
  return file.content;
};

const configOf = (document: BootstrapDocument | undefined): KubeadmDocument[] =>
  loadAll(fileOf(document, '/var/lib/slipway/kubeadm.yaml')).map((part) => KubeadmDocument.parse(part));

const CLUSTERS: [string, ClusterBuilder][] = [
  ['plain', aCluster().withControlPlane(3).withWorkers(2)],
  ['workloads allowed', aCluster().withControlPlane(1, { allowWorkloads: true })],
  [
    'everything set',
    aCluster()
      .withControlPlane(1, {
        taints: [{ key: 'a', effect: 'NoExecute' }],
        kubelet: { extraArgs: [{ name: 'v', value: '4' }] },
      })
      .withWorkers(1, {
        labels: { 'example.com/gpu': 'yes' },
        taints: [{ key: 'gpu', value: 'yes', effect: 'NoSchedule' }],
        files: [{ path: '/etc/motd', content: 'hello\n' }],
        hooks: { preKubeadm: ['echo before'], postKubeadm: ['echo "it\'s done"'] },
      })
      .withSpec({
        parameters: { kubernetes: { imageRepository: 'registry.test/k8s', extraSans: ['api.example.com'] } },
      }),
  ],
];

describe('bootstrap documents', () => {
  test.each(CLUSTERS)(
    '[CP8] every kubeadm configuration of a cluster passes a strict v1beta4 schema (%s)',
    (_, builder) => {
      for (const document of documentsOf(builder).values()) expect(configOf(document).length).toBeGreaterThan(0);
    },
  );

  test('[CP8] the first machine begins a cluster at the virtual address, with its names in the certificate', () => {
    const [init, cluster] = configOf(documentsOf(CLUSTERS[2]?.[1] ?? aCluster()).get('cp-0'));
    expect(InitConfiguration.parse(init).localAPIEndpoint).toEqual({
      advertiseAddress: '{{fact:node-address}}',
      bindPort: 6443,
    });
    const config = ClusterConfiguration.parse(cluster);
    const [ip] = config.controlPlaneEndpoint?.split(':') ?? [];
    expect(ip).toMatch(/^10\.10\.0\./);
    expect(config.apiServer?.certSANs).toEqual([ip, 'demo-12345678.maas', 'api.example.com']);
    expect(config).toMatchObject({
      kubernetesVersion: 'v1.36.2',
      imageRepository: 'registry.test/k8s',
      clusterName: 'demo',
    });
    expect(config.networking).toEqual({
      podSubnet: '10.244.0.0/16',
      serviceSubnet: '10.96.0.0/16',
      dnsDomain: 'cluster.local',
    });
  });

  test('[CP8] an empty taint list lets workloads run; otherwise the default taint is written out', () => {
    const taints = (builder: ClusterBuilder) =>
      InitConfiguration.parse(configOf(documentsOf(builder).get('cp-0'))[0]).nodeRegistration?.taints;
    expect(taints(aCluster().withControlPlane(1, { allowWorkloads: true }))).toEqual([]);
    const byDefault = [{ key: 'node-role.kubernetes.io/control-plane', effect: 'NoSchedule' }];
    expect(taints(aCluster().withControlPlane(1).withWorkers(1))).toEqual(byDefault);
  });

  test('[CP9] joiners find the cluster by token and hash, control planes with their own address, none by certificateKey', () => {
    const documents = documentsOf(aCluster().withControlPlane(3).withWorkers(1));
    const controlPlane = JoinConfiguration.parse(configOf(documents.get('cp-1'))[0]);
    const worker = JoinConfiguration.parse(configOf(documents.get('workers-0'))[0]);
    expect(controlPlane.controlPlane).toEqual({
      localAPIEndpoint: { advertiseAddress: '{{fact:node-address}}', bindPort: 6443 },
    });
    expect(worker.controlPlane).toBeUndefined();
    expect(worker.discovery.bootstrapToken?.caCertHashes).toEqual(['{{secret:ca-cert-hash}}']);
    const args = worker.nodeRegistration?.kubeletExtraArgs ?? [];
    expect(args.find(({ name }) => name === 'provider-id')?.value).toMatch(/^maas:\/\/\/az[123]\/m-0\d$/);
    expect(args.find(({ name }) => name === 'node-ip')?.value).toBe('{{fact:node-address}}');
  });

  test('[WK3] workers get no key and no CA file, control planes all of them, readable by root only', () => {
    const documents = documentsOf(aCluster().withControlPlane(3).withWorkers(1));
    const worker = documents.get('workers-0');
    if (worker === undefined) throw new Error('no worker');
    const slots = [...slotsUsed(worker)].filter((slot) => !slot.startsWith('site-'));
    expect(slots.sort()).toEqual(['ca-cert-hash', 'join-token']);
    expect(worker.files.filter(({ path }) => path.includes('/pki/') || path.includes('kube-vip'))).toEqual([]);
    const keys = documents.get('cp-1')?.files.filter(({ path }) => path.includes('/pki/')) ?? [];
    expect(keys).toHaveLength(8);
    expect(keys.every(({ mode }) => mode === '0600')).toBe(true);
    const init = documents.get('cp-0');
    expect(init === undefined ? [] : slotsUsed(init).has('join-token')).toBe(false);
  });

  test('[CP10] each attempt starts with the delivered CAs and kube-vip in place, after a reset', () => {
    for (const slot of ['cp-0', 'cp-1']) {
      const steps = documentsOf(aCluster().withControlPlane(3)).get(slot)?.steps ?? [];
      const kubeadm = steps.find(({ name }) => name.startsWith('kubeadm-'));
      expect(kubeadm?.attempts).toBeGreaterThan(1);
      expect(kubeadm?.beforeRetry).toMatch(/^kubeadm reset -f.*\n[\s\S]*pki[\s\S]*kube-vip\.yaml/);
      expect(kubeadm?.script.indexOf('kube-vip.yaml')).toBeLessThan(kubeadm?.script.indexOf('kubeadm ') ?? 0);
    }
  });

  test('[CP10] kube-vip opens the API by super-admin.conf on the first machine only', () => {
    const documents = documentsOf(aCluster().withControlPlane(3));
    const manifest = (slot: string) => fileOf(documents.get(slot), '/var/lib/slipway/kube-vip.yaml');
    expect(manifest('cp-0')).toContain('path: /etc/kubernetes/super-admin.conf');
    expect(manifest('cp-1')).toContain('path: /etc/kubernetes/admin.conf');
    expect(load(manifest('cp-1'))).toMatchObject({ kind: 'Pod', spec: { hostNetwork: true } });
  });

  test('[CP10] a joiner makes sure of the address before it joins, the first machine after it began', () => {
    const names = (slot: string) =>
      documentsOf(aCluster().withControlPlane(3))
        .get(slot)
        ?.steps.map(({ name }) => name) ?? [];
    expect(names('cp-0').indexOf('reach-endpoint')).toBeGreaterThan(names('cp-0').indexOf('kubeadm-init'));
    expect(names('cp-1').indexOf('reach-endpoint')).toBeLessThan(names('cp-1').indexOf('kubeadm-join'));
  });

  test('[CP1] the machine that begins makes sure first that nothing answers at the address', () => {
    const init = documentsOf(aCluster().withControlPlane(1)).get('cp-0');
    const script = init?.steps.find(({ name }) => name === 'kubeadm-init')?.script ?? '';
    expect(script).toMatch(/^if timeout 5 bash -c '<\/dev\/tcp\/[\d.]+\/6443'; then\n.*\n {2}exit 1\nfi\n/);
    expect(script.indexOf('exit 1')).toBeLessThan(script.indexOf('kubeadm init'));
  });

  test('[CP12] the last step removes the delivered keys and the configuration that holds a token', () => {
    const documents = documentsOf(aCluster().withControlPlane(3).withWorkers(1));
    for (const [slot, document] of documents) {
      expect([slot, document.steps.at(-1)?.script]).toEqual([
        slot,
        'rm -rf /var/lib/slipway/pki /var/lib/slipway/kubeadm.yaml\nrm -rf /var/lib/slipway/site\n',
      ]);
    }
    expect(configOf(documents.get('cp-0'))).toContainEqual(
      expect.objectContaining({ bootstrapTokens: [{ ttl: '15m0s' }] }),
    );
  });

  test('[WK4] a user’s text is never filled in, and is whole again on the machine', () => {
    const content = 'key={{secret:ca-key}} name={{fact:system-id}} x={{other}}\n';
    const builder = aCluster()
      .withControlPlane(1)
      .withWorkers(1, { files: [{ path: '/tmp/user', content }] });
    const worker = documentsOf(builder).get('workers-0');
    if (worker === undefined) throw new Error('no worker');
    const filled = fillTemplate(fileOf(worker, '/tmp/user'), () => 'LEAKED');
    expect(filled).not.toContain('LEAKED');
    const script = worker.steps.find(({ name }) => name === 'place-files')?.script ?? '';
    const sed = /sed -i '(.*)' /.exec(script)?.[1] ?? '';
    expect(execFileSync('sed', [sed], { input: filled, encoding: 'utf8' })).toBe(content);
  });

  test('[WK4] every script is bash that parses', () => {
    for (const [, builder] of CLUSTERS) {
      for (const document of documentsOf(builder).values()) {
        for (const { script, beforeRetry } of document.steps) {
          execFileSync('bash', ['-n'], { input: script });
          execFileSync('bash', ['-n'], { input: beforeRetry ?? '' });
        }
      }
    }
  });

  test('[WK4] an image with Kubernetes inside downloads nothing, and without a repository nothing is tried', () => {
    const layers = BUILTIN_PROFILE.layers.map((layer) =>
      layer.kind === 'kubernetes' ? { ...layer, packageRepository: null } : layer,
    );
    const closed = ClusterProfile.parse({ ...BUILTIN_PROFILE, layers });
    const script = (builder: ClusterBuilder) =>
      documentsOf(builder)
        .get('cp-0')
        ?.steps.find(({ name }) => name === 'install-kubernetes')?.script ?? '';
    const open = script(aCluster().withControlPlane(1));
    expect(open.indexOf('exit 0')).toBeLessThan(open.indexOf('curl'));
    expect(script(aCluster().withControlPlane(1).withProfile(closed))).not.toMatch(/curl|apt-get/);
  });
});
