// The whole stack for one test file, its state in memory, and the few things every story asks of it. A wait that ends in vain
// says what the cluster waited for, so that a red test needs no second run.
import { rmSync } from 'node:fs';
import type { ClusterPhase, ClusterView, TimelineEntry, WaitingOnView } from '../../shared/cluster-view.ts';
import type { EdgeWaits } from '../../shared/limits.ts';
import { type DefaultInventory, defaultInventory, type Inventory } from '../lab/inventory.ts';
import { LAB_USER } from '../lab/lab.ts';
import { memoryFolder } from '../support/memory-folder.ts';
import { ownLoopback } from '../support/own-loopback.ts';
import { type Stack, startStack } from '../support/stack.ts';
import { until } from '../support/until.ts';

const RUNNING_MS_MAX = 120_000;
/** Enough of what the processes said to see why. */
const LOG_LINES_KEPT = 400;
const LOG_LINES_SHOWN = 25;

/** Short enough for a test to sit through, in the order that production's have. */
export const SHORT_WAITS: Partial<EdgeWaits> = {
  leaseMs: 2_000,
  leaseGuardMs: 1_000,
  unknownClaimLookupMs: 4_000,
  retryMsMin: 200,
  retryMsMax: 3_000,
};

export type SceneOptions = {
  readonly machines?: number;
  readonly hostnames?: readonly string[];
  readonly timings?: DefaultInventory['timings'];
  readonly inventory?: Inventory;
  /** `simulated` unless given. */
  readonly driver?: string;
  readonly waits?: Partial<EdgeWaits>;
};

export type Scene = Stack &
  ClusterStory & {
    readonly stateDir: string;
    /** What the processes said last. */
    readonly log: readonly string[];
  };

/** What every story asks of its clusters. */
export type ClusterStory = {
  /** One control plane and one worker unless pools are given. */
  create(name: string, more?: Readonly<Record<string, unknown>>): Promise<ClusterView>;
  /** Waits for the phase. A cluster that fails, though that was not asked for, ends the wait at once. */
  reach(id: string, phase: ClusterPhase, msMax?: number): Promise<ClusterView>;
  /** Waits until the cluster says that it waits for this. */
  waitingFor(id: string, code: string, msMax?: number): Promise<WaitingOnView>;
  /** Deletes or aborts, whichever the cluster's state asks for, and waits until it is deleted. */
  remove(id: string): Promise<ClusterView>;
  timeline(id: string): Promise<TimelineEntry[]>;
  /** Machines, addresses and DNS records that our MAAS user holds. */
  held(): number;
};

export async function openScene(options: SceneOptions = {}): Promise<Scene> {
  const stateDir = tempStateDir();
  const log: string[] = [];
  try {
    const stack = await startStack({
      stateDir,
      inventory: options.inventory ?? (await inventoryOf(options)),
      driver: options.driver ?? 'simulated',
      address: '127.0.0.1',
      waits: { ...SHORT_WAITS, ...options.waits },
      log: keepIn(log),
    });
    return { ...stack, ...clusterStory(stack, log), stateDir, log, close: () => closeAll(stack, stateDir) };
  } catch (error) {
    rmSync(stateDir, { recursive: true, force: true });
    const why = error instanceof Error ? error.message : String(error);
    throw new Error([why, ...log.slice(-LOG_LINES_SHOWN)].join('\n  '));
  }
}

export const tempStateDir = (): string => memoryFolder('slipway-e2e-');

/** The last lines, without those of every request. */
export const keepIn =
  (log: string[]) =>
  (line: string): void => {
    if (line.includes('"event":"request"')) return;
    log.push(line);
    if (log.length > LOG_LINES_KEPT) log.shift();
  };

/** A stack for one story alone, closed whatever happens. */
export async function withScene(options: SceneOptions, story: (scene: Scene) => Promise<void>): Promise<void> {
  const scene = await openScene(options);
  try {
    await story(scene);
  } finally {
    await scene.close();
  }
}

export const POOLS = (controlPlane: number, workers: number): Readonly<Record<string, unknown>>[] => [
  { name: 'cp', role: 'control-plane', size: controlPlane, allowWorkloads: workers === 0 },
  ...(workers === 0 ? [] : [{ name: 'workers', role: 'worker', size: workers }]),
];

export async function inventoryOf({ machines = 6, hostnames, timings = {} }: SceneOptions): Promise<Inventory> {
  const quick = { deployMs: 300, powerOnMs: 50, releaseMs: 50, eraseMs: 50, kubeadmInitMs: 100, kubeadmJoinMs: 50 };
  const inventory = defaultInventory({
    machines,
    loopback: await ownLoopback(),
    timings: { ...quick, ...timings },
    ...(hostnames === undefined ? {} : { hostnames }),
  });
  // The smallest that fits is taken first: named machines surely get their turn.
  const named = new Set(hostnames);
  return {
    ...inventory,
    machines: inventory.machines.map((one) => (named.has(one.hostname) ? { ...one, cpu: 4 } : one)),
  };
}

/** @param log what the processes said; its end is shown when a wait ends in vain */
export function clusterStory(
  { api, account, lab }: Pick<Stack, 'api' | 'account' | 'lab'>,
  log: readonly string[],
): ClusterStory {
  const timeline = async (id: string): Promise<TimelineEntry[]> => {
    const all: TimelineEntry[] = [];
    for (;;) {
      const { items } = await api.timeline(id, all.at(-1)?.seq ?? 0);
      if (items.length === 0) return all;
      all.push(...items);
    }
  };
  const explain = async (id: string): Promise<string> => {
    const view = await api.cluster(id);
    const lines = [
      `${view.name} is ${view.phase}${view.failure === null ? '' : ` (${view.failure.code}: ${view.failure.message})`}`,
      ...view.waitingOn.map(({ code, sentence }) => `waits: ${code}: ${sentence}`),
      ...(await timeline(id)).slice(-LOG_LINES_SHOWN).map(({ kind, message }) => `timeline: ${kind}: ${message}`),
      ...log.slice(-LOG_LINES_SHOWN),
    ];
    return lines.join('\n  ');
  };
  const waitFor = async <T>(id: string, what: string, msMax: number, look: (view: ClusterView) => T | null) => {
    try {
      return await until(msMax, what, async () => look(await api.cluster(id)));
    } catch (error) {
      throw new Error(`${error instanceof Error ? error.message : String(error)}\n  ${await explain(id)}`);
    }
  };
  const reach = (id: string, phase: ClusterPhase, msMax = RUNNING_MS_MAX): Promise<ClusterView> =>
    waitFor(id, `the cluster to be ${phase}`, msMax, (view) => {
      if (view.phase === 'failed' && phase !== 'failed' && phase !== 'deleted') throw new Error('the cluster failed');
      return view.phase === phase ? view : null;
    });
  return {
    create: (name: string, more: Readonly<Record<string, unknown>> = {}) =>
      api.createCluster({ name, profileId: 'pro_maas', accountId: account.id, ...more }),
    reach,
    waitingFor: (id: string, code: string, msMax = RUNNING_MS_MAX) =>
      waitFor(
        id,
        `the cluster to wait for ${code}`,
        msMax,
        ({ waitingOn }) => waitingOn.find((wait) => wait.code === code) ?? null,
      ),
    remove: async (id: string) => {
      const view = await api.cluster(id);
      if (view.provisionedAt === null) await api.abortCluster(id);
      else await api.deleteCluster(id, view.name);
      return reach(id, 'deleted');
    },
    timeline,
    held: () => {
      const left = lab.leftovers(LAB_USER);
      return left.machines + left.addresses + left.dnsRecords;
    },
  };
}

async function closeAll(stack: Stack, stateDir: string): Promise<void> {
  await stack.close();
  rmSync(stateDir, { recursive: true, force: true });
}
