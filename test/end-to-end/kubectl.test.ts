// A real kubectl with the kubeconfig that a user gets from the API, on a cluster that the product made.
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { kubeconfigWithKey } from '../demo/kubernetes-nodes.ts';
import { ensureTrixieRoot, trixieSkipReason } from '../support/trixie-root.ts';
import { openScene, POOLS, type Scene } from './scene.ts';

const KUBECTL_MS_MAX = 60_000;
const ROOT_MS_MAX = 900_000;
const run = promisify(execFile);

const skip = trixieSkipReason();
if (skip !== undefined) console.warn(`SKIPPED: a user's kubectl on a deployed cluster: ${skip}`);

const WEB = `apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: default}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: 'registry.example/web:1'}]}
`;

describe.skipIf(skip !== undefined)('a user with kubectl', () => {
  let scene: Scene;
  let kubectl: (...args: string[]) => Promise<string>;
  let workers: string[];

  beforeAll(async () => {
    const root = await ensureTrixieRoot(['kubernetes-client']);
    if (!root.ok) throw new Error(root.error.detail);
    scene = await openScene({ machines: 4 });
    const created = await scene.create('usable', { pools: POOLS(1, 2) });
    const running = await scene.reach(created.id, 'running');
    workers = running.machines.flatMap(({ role, hostname }) =>
      role === 'worker' && hostname !== null ? [hostname] : [],
    );
    const kubeconfig = join(scene.stateDir, 'kubeconfig');
    await writeFile(kubeconfig, await kubeconfigWithKey(scene.api, created.id), { mode: 0o600 });
    kubectl = async (...args) => {
      const { stdout } = await run(join(root.value, 'usr/bin/kubectl'), [...args], {
        timeout: KUBECTL_MS_MAX,
        env: { ...process.env, KUBECONFIG: kubeconfig, HOME: scene.stateDir },
      });
      return stdout;
    };
  }, ROOT_MS_MAX);
  afterAll(() => scene?.close());

  test('sees the nodes, runs something, and empties and fills a node', async () => {
    expect((await kubectl('get', 'nodes', '--no-headers')).match(/ Ready /g)).toHaveLength(3);
    const manifest = join(scene.stateDir, 'web.yaml');
    await writeFile(manifest, WEB);
    expect(await kubectl('apply', '-f', manifest)).toContain('deployment.apps/web created');
    await kubectl('rollout', 'status', 'deployment/web', '--timeout=20s');
    const [worker = ''] = workers;
    expect(await kubectl('drain', worker, '--ignore-daemonsets', '--timeout=30s')).toContain(`node/${worker} drained`);
    await kubectl('rollout', 'status', 'deployment/web', '--timeout=20s');
    expect(await kubectl('get', 'pods', '-l', 'app=web', '-o', 'wide')).not.toContain(worker);
    await kubectl('uncordon', worker);
    expect(await kubectl('get', 'nodes', worker)).not.toContain('SchedulingDisabled');
  });
});
