// The work that goes on all the time: each lane makes a cluster, lets it come up or aborts it midway, deletes it, and begins
// anew. Whatever the API answers or fails to answer, a lane asks again, as a user with patience would.
import { setTimeout as delay } from 'node:timers/promises';
import { ClusterView } from '../../shared/cluster-view.ts';
import type { ClusterId } from '../../shared/ids.ts';
import { hash32, randomOf } from '../simulation/prng.ts';
import { ApiProblem } from '../support/api-client.ts';
import type { Recoveries } from './recovery.ts';
import type { Rig } from './rig.ts';

const LOOK_MS = 400;
const CALL_MS_MAX = 15_000;
/** Starting workerd anew takes some seconds; a request that died with it holds its key for two minutes. */
const CREATE_MS_MAX = 12_000;
const ABORT_CHANCE = 0.25;
const ABORT_AFTER_MS_MAX = 5_000;

export type LanePorts = {
  readonly rig: Rig;
  readonly recoveries: Recoveries;
  readonly seed: number;
  isEnding(): boolean;
  say(line: string): void;
};

export type Lane = {
  readonly clusters: ClusterId[];
  /** Clusters that called themselves failed, with the reason. */
  readonly failures: string[];
  /** Resolves when the lane has ended its last cluster after `isEnding`, or when `abandon` was called. */
  readonly ended: Promise<void>;
  abandon(): void;
  /** The cluster under way, as it was seen last. */
  current(): ClusterView | null;
};

export function startLane(number: number, ports: LanePorts): Lane {
  const { rig, recoveries, isEnding } = ports;
  const random = randomOf(ports.seed, `lane ${number}`);
  const clusters: ClusterId[] = [];
  const failures: string[] = [];
  let abandoned = false;
  let current: ClusterView | null = null;

  /** Until it answers; a problem that `mayBe` names is an answer too. */
  const insist = async <T>(ask: () => Promise<T>, mayBe: readonly string[] = []): Promise<T | null> => {
    while (!abandoned) {
      try {
        return await ask();
      } catch (error) {
        const code = error instanceof ApiProblem ? error.problem.code : null;
        if (code !== null && mayBe.includes(code)) return null;
        if (code !== null && !MAY_PASS.has(code)) throw error;
        await delay(LOOK_MS);
      }
    }
    return null;
  };
  const look = async (id: ClusterId): Promise<ClusterView | null> => {
    const view = await insist(() => rig.api.cluster(id));
    if (view === null) return null;
    recoveries.saw(view);
    current = view;
    return view;
  };
  /** Looks until `isOver` says so. */
  const follow = async (id: ClusterId, isOver: (view: ClusterView) => boolean): Promise<void> => {
    for (;;) {
      const view = await look(id);
      if (view === null || isOver(view)) return;
      await delay(LOOK_MS);
    }
  };
  const end = async (id: ClusterId, name: string): Promise<void> => {
    for (;;) {
      const aborted = await insist(() => rig.api.abortCluster(id), ['USE_DELETE']);
      const ends = aborted ?? (await insist(() => rig.api.deleteCluster(id, name), ['USE_ABORT']));
      if (ends !== null || abandoned) return;
    }
  };
  /** Null when nobody answers in time; the name is then asked for again at the end. */
  const create = async (name: string, msMax: number): Promise<ClusterView | null> => {
    const endAtMs = performance.now() + msMax;
    const asked = async () => (await findMade(rig, name)) ?? (await createOnce(rig, specOf(name, rig.accountId)));
    return insist(async () => {
      try {
        return await asked();
      } catch (error) {
        if (performance.now() < endAtMs) throw error;
        return null;
      }
    });
  };
  const live = async (created: ClusterView, isOver: (view: ClusterView) => boolean): Promise<void> => {
    const { id, name } = created;
    clusters.push(id);
    await follow(id, (view) => {
      if (view.phase === 'failed') failures.push(`${name}: ${view.failure?.code}: ${view.failure?.message}`);
      return view.phase === 'running' || view.phase === 'failed' || isOver(view);
    });
    await end(id, name);
    await follow(id, ({ phase }) => phase === 'deleted');
    recoveries.ended(id);
    if (!abandoned) current = null;
  };
  const loop = async (): Promise<void> => {
    const unanswered: string[] = [];
    for (let made = 1; !isEnding() && !abandoned; made += 1) {
      const name = `chaos-${number}-${made}`;
      const [aborts, abortAfterMs] = [random.chance(ABORT_CHANCE), random.below(ABORT_AFTER_MS_MAX)];
      const created = await create(name, CREATE_MS_MAX);
      if (created === null) unanswered.push(name);
      const abortAt = performance.now() + abortAfterMs;
      if (created !== null) await live(created, () => aborts && performance.now() > abortAt);
    }
    for (const name of unanswered) {
      const created = await create(name, Number.POSITIVE_INFINITY);
      if (created !== null) await live(created, () => true);
    }
  };
  return {
    clusters,
    failures,
    ended: loop(),
    abandon: () => {
      abandoned = true;
    },
    current: () => current,
  };
}

/** The answer was lost with an object or a process, or another of ours is still at it. */
const MAY_PASS: ReadonlySet<string> = new Set(['UNAVAILABLE', 'INTERNAL']);

/** The same for a name each time: it may be asked for again. */
const specOf = (name: string, accountId: string) => ({
  ...{ name, profileId: 'pro_maas', accountId },
  pools: [
    { name: 'cp', role: 'control-plane', size: 1, allowWorkloads: false },
    { name: 'workers', role: 'worker', size: 1 + (hash32(name) & 1) },
  ],
});

/**
 * One that an earlier request made before it died: its key stays in use for two minutes, its name tells at once. Null also when
 * the name is reserved and its object has nothing yet: the same request, or in production the sweep, goes on with it.
 */
async function findMade({ api }: Rig, name: string): Promise<ClusterView | null> {
  const { items } = await api.clusters(`?name=${name}`);
  if (items[0] === undefined) return null;
  try {
    return await api.cluster(items[0].id);
  } catch (error) {
    if (error instanceof ApiProblem && error.problem.code === 'UNAVAILABLE') return null;
    throw error;
  }
}

/** The name is the key too, so that an answer that was lost is given again. */
async function createOnce({ url, apiKey }: Rig, spec: ReturnType<typeof specOf>): Promise<ClusterView> {
  const response = await fetch(`${url}/v1/clusters`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${apiKey}`,
      'content-type': 'application/json',
      'idempotency-key': spec.name,
    },
    body: JSON.stringify(spec),
    signal: AbortSignal.timeout(CALL_MS_MAX),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`create of ${spec.name} was answered ${response.status}: ${text.slice(0, 300)}`);
  return ClusterView.parse(JSON.parse(text));
}
