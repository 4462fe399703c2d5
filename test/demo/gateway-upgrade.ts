// The upgrade in the story of a gateway: a release is published, asked for, and run by the relay and then by another machine in the place of the first. A
// cluster that is created meanwhile waits in line, and begins by itself afterwards.
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { bundleRelay } from '../../relay/packaging/bundle.ts';
import { BUILTIN_PROFILE } from '../../shared/builtin-profile.ts';
import type { ClusterView } from '../../shared/cluster-view.ts';
import type { GatewayView } from '../../shared/gateway-view.ts';
import { MachinesRelease, ReleaseVersion } from '../../shared/release.ts';
import { publishRelease } from '../support/publish-release.ts';
import type { Site } from '../support/site.ts';
import { until } from '../support/until.ts';
import type { Progress } from './progress.ts';

/** Far above any run; one that takes longer is stuck, and what it waits for has been printed. */
const UPGRADE_MS_MAX = 10 * 60_000;
const LOOK_MS = 250;
const KUBERNETES = 'v1.37.0';

export type Upgraded = {
  /** What all relays run; null when that is not the release. */
  readonly upgradedTo: string | null;
  /** From the request to its end. */
  readonly upgradeMs: number;
  /** Created while it was under way. */
  readonly cluster: ClusterView;
};

/** @param create answers at once, with the cluster as it was taken */
export async function upgradeGateway(
  site: Site,
  folder: string,
  id: string,
  progress: Progress,
  create: () => Promise<ClusterView>,
): Promise<Upgraded> {
  const { name, version: from } = await site.api.gateway(id);
  const version = await publishNext(site, folder, from ?? '0.0.0');
  const tell = timelineOf(site, id, progress);
  const isOffered = ({ availableUpgrade }: GatewayView): boolean => availableUpgrade?.to === version;
  await untilGateway(site, id, 'the release to be offered', tell, isOffered);
  progress.say(`upgrading gateway ${name} to ${version}, its relay and then its machine`);
  const startedAt = performance.now();
  await site.api.upgradeGateway(id, { version });
  const cluster = await create();
  const done = await untilGateway(site, id, 'the upgrade to be done', tell, async (view) => {
    const { machines, upgrade } = view;
    progress.show(await site.api.cluster(cluster.id));
    const waitingOn = [...(machines?.waitingOn ?? []), ...(upgrade?.waitingOn ?? [])];
    if (machines !== null) progress.show({ ...machines, waitingOn, name: view.name, failure: null }, 'gateway');
    if (upgrade?.failure != null) throw new Error(upgrade.failure.message);
    return upgrade?.stage === 'done';
  });
  const upgradedTo = done.version === version ? version : null;
  return { upgradedTo, upgradeMs: Math.round(performance.now() - startedAt), cluster };
}

/** The relay of this checkout once more, under the next version, and the next Kubernetes for the machines. Answers the version. */
async function publishNext({ controlPlane }: Site, folder: string, from: string): Promise<ReleaseVersion> {
  const [major, minor = 0] = from.split('.').map(Number);
  const version = ReleaseVersion.parse(`${major}.${minor + 1}.0`);
  const bundled = join(folder, 'release');
  mkdirSync(bundled, { recursive: true });
  const { file } = bundleRelay(bundled, version);
  const os = BUILTIN_PROFILE.layers.find((layer) => layer.kind === 'os');
  const kubernetes = BUILTIN_PROFILE.layers.find((layer) => layer.kind === 'kubernetes');
  const { packageRepository, kubeVipImage } = kubernetes ?? {};
  const about = { image: os?.image, kubernetesVersion: KUBERNETES, packageRepository, kubeVipImage };
  const changes = [`Machines run Kubernetes ${KUBERNETES}.`];
  const release = { version, severity: 'medium' as const, changes, machines: MachinesRelease.parse(about) };
  await publishRelease(controlPlane, release, { javascript: readFileSync(file) });
  return version;
}

/** Says what is new in the gateway's timeline from now on. */
function timelineOf({ api }: Site, id: string, progress: Progress): () => Promise<void> {
  const kinds: readonly string[] = ['release', 'upgrade', 'queue'];
  let said = 0;
  return async () => {
    const { items } = await api.gatewayTimeline(id);
    for (const { kind, message } of items.filter(({ seq }) => seq > said))
      if (kinds.includes(kind)) progress.say(`  ${message}`);
    said = items.at(-1)?.seq ?? said;
  };
}

function untilGateway(
  { api }: Site,
  id: string,
  what: string,
  tell: () => Promise<void>,
  isSo: (view: GatewayView) => boolean | Promise<boolean>,
): Promise<GatewayView> {
  const look = async (): Promise<GatewayView | null> => {
    const view = await api.gateway(id);
    await tell();
    return (await isSo(view)) ? view : null;
  };
  return until(UPGRADE_MS_MAX, what, look, LOOK_MS);
}
