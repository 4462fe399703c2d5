// The story of a gateway: made in the console, installed on a machine of MAAS by `slipway-relay install`, upgraded, used for a
// cluster that was created meanwhile, grown to three, not to be deleted while the cluster stands, and (with --exit) given back
// whole by `slipway-relay uninstall`.
import type { ClusterView } from '../../shared/cluster-view.ts';
import type { GatewayView } from '../../shared/gateway-view.ts';
import { LAB_USER } from '../lab/lab.ts';
import { ApiProblem } from '../support/api-client.ts';
import { freePort } from '../support/control-plane.ts';
import { type InstallerRun, type InstallerSettings, runInstaller, writePcgFile } from '../support/gateway-installer.ts';
import type { Site } from '../support/site.ts';
import { until } from '../support/until.ts';
import { upgradeGateway } from './gateway-upgrade.ts';
import { countOf, type DemoOutcome, type GatewayOutcome } from './outcome.ts';
import type { Progress } from './progress.ts';

const NAME = 'datacentre';
const GROWN = 3;
/** Far above any run; one that takes longer is stuck, and what it waits for has been printed. */
const STEP_MS_MAX = 5 * 60_000;
const LOOK_MS = 250;

export type GatewayLife = {
  play(exit: boolean, progress: Progress): Promise<DemoOutcome>;
  /** Ends an installer that runs. */
  close(): Promise<void>;
};

/** @param folder an existing one, for the installer's file and state */
export function gatewayLife(site: Site, folder: string): GatewayLife {
  let running: InstallerRun | null = null;
  return {
    play: (exit, progress) =>
      playGateway(site, folder, exit, progress, async (settings) => {
        running = runInstaller({ ...settings, log: (line) => progress.say(`  ${settings.verb} | ${line}`) });
        const code = await running.ended;
        if (code !== 0) throw new Error(`slipway-relay ${settings.verb} ended with ${code}`);
      }),
    close: async () => running?.stop(),
  };
}

type Install = (settings: Omit<InstallerSettings, 'log'>) => Promise<void>;

async function playGateway(
  site: Site,
  folder: string,
  exit: boolean,
  progress: Progress,
  install: Install,
): Promise<GatewayOutcome> {
  const { api, lab } = site;
  const startedAt = performance.now();
  const since = (from: number): number => Math.round(performance.now() - from);
  const { id, pairingCode } = await api.createGateway(NAME);
  const pcgFile = writePcgFile(site, folder, { name: NAME, nodes: 1, pairingCode });
  const installer = {
    pcgFile,
    enrolment: `127.0.0.1:${await freePort()}`,
    environment: { MAAS_KEY: lab.userKey, SLIPWAY_API_KEY: site.apiKey },
  };
  progress.say(`gateway ${NAME} made; slipway-relay install -s true -c ${pcgFile}`);
  await install({ ...installer, verb: 'install' });
  const installMs = since(startedAt);

  const { cluster: created, ...upgraded } = await upgradeGateway(site, folder, id, progress, () => smallCluster(site));
  const cluster = await watch(site, created.id, progress, 'running');

  progress.say(`resizing gateway ${NAME} to ${GROWN}`);
  const resizedFrom = performance.now();
  await api.resizeGateway(id, GROWN);
  const grown = await untilServing(site, id, GROWN, progress);
  const resizeMs = since(resizedFrom);
  for (const node of nodesOf(grown)) progress.say(`  relay on ${node.name}: ${node.ready ? 'active' : 'away'}`);

  const refused = await deletionRefused(site, id, progress);
  if (exit) {
    progress.say(`deleting cluster ${cluster.name}`);
    await api.deleteCluster(cluster.id, cluster.name);
    await watch(site, cluster.id, progress, 'deleted');
    progress.say(`slipway-relay uninstall -c ${pcgFile}`);
    await install({ ...installer, verb: 'uninstall' });
    const left = lab.leftovers(LAB_USER);
    progress.say(
      `left in MAAS: ${left.machines} machines, ${left.addresses} addresses, ${left.dnsRecords} DNS records`,
    );
  }
  return {
    phase: 'running',
    nodes: nodesOf(grown),
    upgradedTo: upgraded.upgradedTo,
    resizedTo: grown.machines?.size ?? 0,
    refused,
    installMs,
    upgradeMs: upgraded.upgradeMs,
    resizeMs,
    wallMs: since(startedAt),
    leftovers: countOf(lab.leftovers(LAB_USER)),
  };
}

/** Its machines run, and on each an active relay is connected. */
function untilServing({ api }: Site, id: string, size: number, progress: Progress): Promise<GatewayView> {
  return until(
    STEP_MS_MAX,
    `the gateway to serve on ${size} machines`,
    async () => {
      const view = await api.gateway(id);
      if (view.machines === null) return null;
      progress.show({ ...view.machines, name: view.name, failure: null }, 'gateway');
      const serving = nodesOf(view).filter(({ ready }) => ready).length;
      return view.machines.phase === 'running' && serving === size ? view : null;
    },
    LOOK_MS,
  );
}

/** Each machine with its relay, which is the node of the gateway that has an address of the machine's. */
const nodesOf = (view: GatewayView): GatewayOutcome['nodes'] =>
  (view.machines?.machines ?? [])
    .filter(({ phase }) => phase === 'ready')
    .map(({ hostname, slot, address }) => ({
      name: hostname ?? slot,
      ready: view.nodes.some(
        (node) =>
          node.state === 'active' &&
          node.connected &&
          node.enrolmentAddresses.some((one) => one.startsWith(`${address}:`)),
      ),
      role: 'control-plane' as const,
    }));

async function smallCluster(site: Site): Promise<ClusterView> {
  const account = (await site.api.accounts()).items.find(({ name }) => name === NAME);
  if (account === undefined) throw new Error('the installer made no cloud account');
  return site.api.createCluster({
    name: 'demo',
    description: 'made by npm run demo, through a gateway of MAAS machines',
    profileId: 'pro_maas',
    accountId: account.id,
    pools: [{ name: 'control-plane', role: 'control-plane', size: 1, allowWorkloads: true }],
  });
}

/** The code of the refusal; null when it was not refused. */
async function deletionRefused({ api }: Site, id: string, progress: Progress): Promise<string | null> {
  try {
    await api.deleteGateway(id);
    return null;
  } catch (error) {
    if (!(error instanceof ApiProblem)) throw error;
    progress.say(`deleting the gateway is refused: ${error.problem.code}: ${error.problem.todo}`);
    return error.problem.code;
  }
}

function watch(site: Site, id: string, progress: Progress, phase: 'running' | 'deleted'): Promise<ClusterView> {
  return until(
    STEP_MS_MAX,
    `the cluster to be ${phase}`,
    async () => {
      const view = await site.api.cluster(id);
      progress.show(view);
      if (view.phase === 'failed') throw new Error(view.failure?.message ?? 'the cluster failed');
      return view.phase === phase ? view : null;
    },
    LOOK_MS,
  );
}
