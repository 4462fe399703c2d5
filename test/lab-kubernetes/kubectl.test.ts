// A real kubectl (1.32, from Debian trixie) against the stand-in: what nobody here wrote must be content with it.
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ensureTrixieRoot, trixieSkipReason } from '../support/trixie-root.ts';
import type { PlayedCluster } from './played-cluster.ts';
import { playCluster } from './played-cluster.ts';

const run = promisify(execFile);
const KUBECTL_TIMEOUT_MS = 30_000;
const BUILD_TIMEOUT_MS = 900_000;
const skip = trixieSkipReason();
if (skip !== undefined) console.warn(`SKIPPED: tests with a real kubectl: ${skip}`);

const NETWORK = `apiVersion: v1
kind: Namespace
metadata: {name: kube-flannel}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: kube-flannel-ds, namespace: kube-flannel}
spec:
  selector: {matchLabels: {app: flannel}}
  template:
    metadata: {labels: {app: flannel}}
    spec:
      hostNetwork: true
      tolerations: [{operator: Exists}]
      containers: [{name: kube-flannel, image: "flannel:v1"}]
`;
const web = (replicas: number): string => `apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: ${replicas}
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: web, image: "nginx:1.27", ports: [{containerPort: 80}]}]
`;

describe.skipIf(skip !== undefined)('a real kubectl', () => {
  let lab: PlayedCluster;
  let folder = '';
  let binary = '';

  const kubectl = async (...args: string[]): Promise<string> => {
    const { stdout } = await run(binary, ['--kubeconfig', join(folder, 'config'), ...args], {
      timeout: KUBECTL_TIMEOUT_MS,
      env: { HOME: folder, PATH: process.env.PATH ?? '' },
    });
    return stdout;
  };
  const manifest = async (name: string, text: string): Promise<string> => {
    await writeFile(join(folder, name), text);
    return join(folder, name);
  };

  beforeAll(async () => {
    const root = await ensureTrixieRoot(['kubernetes-client']);
    if (!root.ok) throw new Error(root.error.detail);
    binary = join(root.value, 'usr/bin/kubectl');
    folder = await mkdtemp(join(tmpdir(), 'slipway-kubectl-'));
    lab = await playCluster({ timings: { podStartMs: 20, podStopMs: 20, cniReadyMs: 20 } }, false);
    lab.api.addControlPlane('cp1', '10.88.0.21');
    lab.api.registerNode({ name: 'cp1', role: 'control-plane', internalIp: '10.88.0.21' });
    for (const [name, last] of [
      ['w1', 31],
      ['w2', 32],
    ] as const)
      lab.api.registerNode({ name, role: 'worker', internalIp: `10.88.0.${last}` });
    const base64 = (text: string): string => Buffer.from(text).toString('base64');
    const { admin } = lab.people;
    await manifest(
      'config',
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Config',
        clusters: [{ name: 'lab', cluster: { server: lab.api.url, 'certificate-authority-data': base64(lab.caPem) } }],
        users: [
          {
            name: 'admin',
            user: { 'client-certificate-data': base64(admin.certPem), 'client-key-data': base64(admin.keyPem) },
          },
        ],
        contexts: [{ name: 'lab', context: { cluster: 'lab', user: 'admin' } }],
        'current-context': 'lab',
      }),
    );
  }, BUILD_TIMEOUT_MS);

  afterAll(async () => {
    await lab?.api.close();
    if (folder !== '') await rm(folder, { recursive: true, force: true });
  });

  it('asks for version and nodes, NotReady without a network', async () => {
    expect(await kubectl('version')).toContain('Server Version: v1.36.2');
    expect(await kubectl('get', 'nodes')).toMatch(/cp1\s+NotReady\s+control-plane/);
  });

  it('applies the network on the server side, after which nodes are Ready', async () => {
    expect(await kubectl('apply', '--server-side', '-f', await manifest('network.yaml', NETWORK))).toContain(
      'kube-flannel-ds serverside-applied',
    );
    expect(await kubectl('wait', '--for=condition=Ready', 'nodes', '--all', '--timeout=20s')).toContain(
      'node/w2 condition met',
    );
    expect(await kubectl('get', 'nodes')).toMatch(/w1\s+Ready\s+<none>/);
  });

  it('applies a Deployment on the client side, twice, and sees its pods run', async () => {
    expect(await kubectl('apply', '-f', await manifest('web.yaml', web(2)))).toContain('created');
    expect(await kubectl('apply', '-f', await manifest('web.yaml', web(4)))).toContain('configured');
    expect(await kubectl('apply', '-f', await manifest('web.yaml', web(4)))).toContain('unchanged');
    await kubectl('rollout', 'status', 'deployment/web', '--timeout=20s');
    expect((await kubectl('get', 'pods', '-l', 'app=web', '--no-headers')).match(/Running/g)).toHaveLength(4);
  });

  it('refuses to take fields over from another manager unless forced', async () => {
    const file = await manifest('web.yaml', web(3));
    await expect(kubectl('apply', '--server-side', '-f', file)).rejects.toThrow(/conflict/);
    expect(await kubectl('apply', '--server-side', '--force-conflicts', '-f', file)).toContain('serverside-applied');
  });

  it('drains a node with a workload, uncordons it, and deletes', async () => {
    await kubectl('rollout', 'status', 'deployment/web', '--timeout=20s');
    expect(await kubectl('drain', 'w1', '--ignore-daemonsets', '--timeout=25s')).toContain('node/w1 drained');
    expect(await kubectl('get', 'nodes', 'w1')).toContain('SchedulingDisabled');
    const left = await kubectl('get', 'pods', '-A', '--field-selector', 'spec.nodeName=w1', '-o', 'name');
    expect(
      left
        .trim()
        .split('\n')
        .every((name) => /kube-proxy|kube-flannel/.test(name)),
    ).toBe(true);
    await kubectl('uncordon', 'w1');
    expect(await kubectl('get', 'nodes', 'w1')).not.toContain('SchedulingDisabled');
    expect(await kubectl('delete', 'deployment', 'web', '--timeout=20s')).toContain('deleted');
    expect(await kubectl('delete', 'node', 'w2', '--timeout=20s')).toContain('deleted');
    expect(await kubectl('get', 'nodes', '-o', 'name')).toBe('node/cp1\nnode/w1\n');
  });
});
