// The story of one cluster: asked for, watched until its nodes are ready, shown as Kubernetes sees it, and (with --exit) deleted
// until MAAS holds nothing of it.
import type { ClusterView } from '../../shared/cluster-view.ts';
import { LAB_USER } from '../lab/lab.ts';
import type { Stack } from '../support/stack.ts';
import { until } from '../support/until.ts';
import { criticalPath } from './critical-path.ts';
import { kubernetesNodes } from './kubernetes-nodes.ts';
import type { DemoOptions } from './options.ts';
import { countOf, type DemoOutcome } from './outcome.ts';
import type { Progress } from './progress.ts';

/** Far above any run; one that takes longer is stuck, and what it waits for has been printed. Real hosts boot for minutes. */
const RUNNING_MS_MAX = { lab: 10 * 60_000, real: 90 * 60_000 };
const DELETED_MS_MAX = { lab: 5 * 60_000, real: 30 * 60_000 };
const LOOK_MS = 250;

/** Resolves with the outcome; a cluster that fails is an outcome, anything else that breaks is thrown. */
export async function createCluster(stack: Stack, options: DemoOptions, progress: Progress): Promise<DemoOutcome> {
  const kind = options.driver.startsWith('exec:') ? 'real' : 'lab';
  const startedAt = Date.now();
  const created = await stack.api.createCluster({
    name: 'demo',
    description: 'made by npm run demo',
    profileId: 'pro_maas',
    accountId: stack.account.id,
    pools: [
      {
        name: 'control-plane',
        role: 'control-plane',
        size: options.controlPlane,
        allowWorkloads: options.workers === 0,
      },
      ...(options.workers === 0 ? [] : [{ name: 'workers', role: 'worker', size: options.workers }]),
    ],
  });
  const last = await watch(
    stack,
    created.id,
    progress,
    RUNNING_MS_MAX[kind],
    (view) => view.phase === 'running' || view.phase === 'failed',
  );
  const runningAt = last.provisionedAt ?? Date.now();
  const wallMs = runningAt - startedAt;
  const { machineMs } = criticalPath(stack.lab.delays, startedAt, runningAt);
  const nodes = last.phase === 'running' ? await kubernetesNodes(stack.api, last) : [];
  for (const node of nodes) progress.say(`  node ${node.name}  ${node.role}  ${node.ready ? 'Ready' : 'NotReady'}`);
  if (options.exit) await takeDown(stack, last, progress, DELETED_MS_MAX[kind]);
  const leftovers = countOf(stack.lab.leftovers(LAB_USER));
  if (last.phase === 'failed') return { phase: 'failed', code: last.failure?.code ?? 'UNKNOWN', leftovers };
  return { phase: last.phase, nodes, wallMs, machineMs, overheadMs: wallMs - machineMs, leftovers };
}

/** A provisioned cluster is deleted, any other aborted: the seed's rule. */
async function takeDown(stack: Stack, cluster: ClusterView, progress: Progress, msMax: number): Promise<void> {
  progress.say(cluster.provisionedAt === null ? 'aborting' : 'deleting');
  if (cluster.provisionedAt === null) await stack.api.abortCluster(cluster.id);
  else await stack.api.deleteCluster(cluster.id, cluster.name);
  await watch(stack, cluster.id, progress, msMax, (view) => view.phase === 'deleted');
  const left = stack.lab.leftovers(LAB_USER);
  progress.say(`left in MAAS: ${left.machines} machines, ${left.addresses} addresses, ${left.dnsRecords} DNS records`);
}

function watch(
  stack: Stack,
  id: string,
  progress: Progress,
  msMax: number,
  isOver: (view: ClusterView) => boolean,
): Promise<ClusterView> {
  return until(
    msMax,
    'the cluster',
    async () => {
      const view = await stack.api.cluster(id);
      progress.show(view);
      return isOver(view) ? view : null;
    },
    LOOK_MS,
  );
}
