// The upgrade of gateways of their own machines, of one and of three, while a user's cluster stands on it: one relay after another
// runs the release, then one machine after another is replaced by the real program, and the cluster notices nothing.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { BUILTIN_PROFILE } from '../../shared/builtin-profile.ts';
import type { GatewayView } from '../../shared/gateway-view.ts';
import { MachinesRelease } from '../../shared/release.ts';
import { LAB_USER } from '../lab/lab.ts';
import { programOf } from '../relay-upgrade/release-bench.ts';
import { publishRelease } from '../support/publish-release.ts';
import { callsOf } from './claims.ts';
import { type GatewayScene, openGatewayScene, servesOn } from './gateway-scene.ts';
import { type ClusterStory, clusterStory } from './scene.ts';
import { undisturbed } from './undisturbed.ts';

const UPGRADE_MS_MAX = 240_000;
const POOLS = [{ name: 'cp', role: 'control-plane', size: 1, allowWorkloads: true }];

let scene: GatewayScene;
beforeAll(async () => {
  scene = await openGatewayScene(8);
});
afterAll(() => scene.close());

/** What new gateways get, but for this. */
function release(wish: Partial<MachinesRelease>): MachinesRelease {
  const os = BUILTIN_PROFILE.layers.find((layer) => layer.kind === 'os');
  const kubernetes = BUILTIN_PROFILE.layers.find((layer) => layer.kind === 'kubernetes');
  const { version: kubernetesVersion, packageRepository, kubeVipImage } = kubernetes ?? {};
  return MachinesRelease.parse({ image: os?.image, kubernetesVersion, packageRepository, kubeVipImage, ...wish });
}

async function story(name: string): Promise<ClusterStory> {
  const account = (await scene.api.accounts()).items.find((one) => one.name === name);
  if (account === undefined) throw new Error('the installer made no account');
  const { api, lab } = scene;
  return clusterStory({ api, lab, account }, scene.log);
}

function nodesOf(view: GatewayView) {
  const names = new Set(view.machines?.machines.map(({ hostname }) => hostname));
  return scene.lab.nodes().filter(({ name }) => names.has(name));
}

/** Stages that the upgrade was seen in, until it has ended. */
async function upgradeEnds(name: string, size: number): Promise<{ view: GatewayView; stages: readonly string[] }> {
  const stages = new Set<string>();
  const look = (seen: GatewayView): GatewayView | null => {
    const { upgrade } = seen;
    if (upgrade === null) return null;
    stages.add(upgrade.stage);
    if (upgrade.failure !== null) throw new Error(upgrade.failure.message);
    return upgrade.stage === 'done' && servesOn(seen, size) ? seen : null;
  };
  const view = await scene.untilGateway(name, 'the upgrade to be done', look, UPGRADE_MS_MAX);
  return { view, stages: [...stages] };
}

test.each<[1 | 3, string]>([
  [1, 'solo'],
  [3, 'trio'],
])(
  '[U5] [U6] [UP7] a gateway of %i is upgraded, relays and machines, and a cluster on it is undisturbed',
  { timeout: 8 * 60_000 },
  async (size, name) => {
    const pcg = await scene.pcg({ name, nodes: size });
    await pcg.finish('install');
    const own = await story(name);
    const cluster = await own.create(`stands-on-${name}`, { pools: POOLS });
    await own.reach(cluster.id, 'running');
    const before = await undisturbed(scene.api, own, cluster.id);
    const old = await scene.gatewayNamed(name);
    expect(nodesOf(old).map(({ kubeletVersion }) => kubeletVersion)).toEqual(Array(size).fill('v1.36.2'));
    const [from, transitions] = [scene.lab.history.length, scene.lab.transitions.length];

    const machines = release({ image: 'ubuntu/jammy', kubernetesVersion: 'v1.37.0' });
    const about = { version: '0.2.0', severity: 'medium' as const, changes: ['All is newer.'], machines };
    await publishRelease(scene.controlPlane, about, { javascript: programOf('0.2.0') });
    await scene.untilGateway(name, 'the release to be offered', (seen) => seen.availableUpgrade?.to === '0.2.0');
    await scene.api.upgradeGateway(old.id);
    const meanwhile = await own.create(`meanwhile-on-${name}`, { pools: POOLS });
    await own.reach(meanwhile.id, 'queued');
    const { view, stages } = await upgradeEnds(name, size);

    expect(stages).toEqual(['relays', 'machines', 'done']);
    expect(view).toMatchObject({ version: '0.2.0', availableUpgrade: null, queuedClusters: 0 });
    expect(view.machines?.machines.map(({ slot, attempt }) => [slot, attempt])).toEqual(
      Array.from({ length: size }, (_, index) => [`gateway-${index}`, 2]),
    );
    const made = { kubeletVersion: 'v1.37.0', apiServerImage: 'kube-apiserver:v1.37.0' };
    expect(nodesOf(view)).toMatchObject(Array(size).fill(made));
    const claims = callsOf(scene.lab.history.slice(from), 'machines.allocate').map(({ claim }) => claim ?? '');
    expect(claims.filter((claim) => claim.includes(old.machines?.clusterId ?? 'none'))).toHaveLength(size);
    const mine = new Set<string | null>(before.machines.map(({ systemId }) => systemId));
    expect(scene.lab.transitions.slice(transitions).filter(({ machine }) => mine.has(machine))).toEqual([]);
    expect(await undisturbed(scene.api, own, cluster.id)).toEqual(before);
    await own.reach(meanwhile.id, 'running');

    for (const { id } of [cluster, meanwhile]) await own.remove(id);
    await pcg.finish('uninstall');
    expect(scene.lab.leftovers(LAB_USER)).toEqual({ machines: 0, addresses: 0, dnsRecords: 0 });
  },
);
