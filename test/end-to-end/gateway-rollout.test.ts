// Another image and another Kubernetes for the machines of a gateway, of one machine and of three, while a user's cluster stands
// on it: one machine after another is replaced by the real program, and the cluster notices nothing.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { BUILTIN_PROFILE } from '../../shared/builtin-profile.ts';
import type { ClusterView } from '../../shared/cluster-view.ts';
import type { GatewayView } from '../../shared/gateway-view.ts';
import { MachinesRelease } from '../../shared/release.ts';
import { LAB_USER } from '../lab/lab.ts';
import { callsOf } from './claims.ts';
import { type GatewayScene, openGatewayScene, servesOn } from './gateway-scene.ts';
import { type ClusterStory, clusterStory } from './scene.ts';

const ROLLOUT_MS_MAX = 150_000;
const POOLS = [{ name: 'cp', role: 'control-plane', size: 1, allowWorkloads: true }];

let scene: GatewayScene;
beforeAll(async () => {
  scene = await openGatewayScene(6, { entry: 'test/edge/rollout-worker.ts', environment: {} });
});
afterAll(() => scene.close());

/** What the gateway's machines run now, but for this. */
function release(wish: Partial<MachinesRelease>): MachinesRelease {
  const os = BUILTIN_PROFILE.layers.find((layer) => layer.kind === 'os');
  const kubernetes = BUILTIN_PROFILE.layers.find((layer) => layer.kind === 'kubernetes');
  const { version: kubernetesVersion, packageRepository, kubeVipImage } = kubernetes ?? {};
  return MachinesRelease.parse({ image: os?.image, kubernetesVersion, packageRepository, kubeVipImage, ...wish });
}

/** By a path that only tests have; POST /v1/gateways/{id}/upgrade asks the same of the same object. */
async function changeMachines(view: GatewayView, wish: Partial<MachinesRelease>): Promise<void> {
  const body = JSON.stringify({ clusterId: view.machines?.clusterId, release: release(wish) });
  const answer = await fetch(`${scene.controlPlane.url}/test/machines`, { method: 'POST', body });
  expect(answer.status, await answer.text()).toBe(200);
}

async function story(name: string): Promise<ClusterStory> {
  const account = (await scene.api.accounts()).items.find((one) => one.name === name);
  if (account === undefined) throw new Error('the installer made no account');
  const { api, lab } = scene;
  return clusterStory({ api, lab, account }, scene.log);
}

/** What of a cluster no rollout of its gateway may change. */
async function undisturbed({ timeline }: ClusterStory, id: string) {
  const { phase, generation, machines }: ClusterView = await scene.api.cluster(id);
  const lines = (await timeline(id)).filter(({ kind }) => kind !== 'gateway');
  return { phase, generation, machines, lines };
}

function nodesOf(view: GatewayView) {
  const names = new Set(view.machines?.machines.map(({ hostname }) => hostname));
  return scene.lab.nodes().filter(({ name }) => names.has(name));
}

test.each<[1 | 3, string]>([
  [1, 'solo'],
  [3, 'trio'],
])(
  'a gateway of %i is rolled to another Kubernetes and image, and a cluster on it is undisturbed',
  async (size, name) => {
    const pcg = await scene.pcg({ name, nodes: size });
    await pcg.finish('install');
    const own = await story(name);
    const cluster = await own.create(`stands-on-${name}`, { pools: POOLS });
    await own.reach(cluster.id, 'running');
    const before = await undisturbed(own, cluster.id);
    const old = await scene.gatewayNamed(name);
    expect(nodesOf(old).map(({ kubeletVersion }) => kubeletVersion)).toEqual(Array(size).fill('v1.36.2'));
    const [from, transitions] = [scene.lab.history.length, scene.lab.transitions.length];

    await changeMachines(old, { image: 'ubuntu/jammy', kubernetesVersion: 'v1.37.0' });
    const rolling = await scene.gatewayNamed(name);
    expect(rolling.machines?.phase).toBe('updating');
    const view = await scene.untilGateway(
      name,
      'all machines to be replaced',
      (seen) => servesOn(seen, size) && seen,
      ROLLOUT_MS_MAX,
    );

    expect(view.machines?.machines.map(({ slot, attempt }) => [slot, attempt])).toEqual(
      Array.from({ length: size }, (_, index) => [`gateway-${index}`, 2]),
    );
    const made = { kubeletVersion: 'v1.37.0', apiServerImage: 'kube-apiserver:v1.37.0' };
    expect(nodesOf(view)).toMatchObject(Array(size).fill(made));
    expect(callsOf(scene.lab.history.slice(from), 'machines.allocate')).toHaveLength(size);
    const mine = new Set<string | null>(before.machines.map(({ systemId }) => systemId));
    expect(scene.lab.transitions.slice(transitions).filter(({ machine }) => mine.has(machine))).toEqual([]);
    expect(await undisturbed(own, cluster.id)).toEqual(before);

    await own.remove(cluster.id);
    await pcg.finish('uninstall');
    expect(scene.lab.leftovers(LAB_USER)).toEqual({ machines: 0, addresses: 0, dnsRecords: 0 });
  },
);
