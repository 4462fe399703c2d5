// The relay ends by SIGKILL, as in a power cut, at each of its named points of a create and of a delete. Whoever supervises it
// starts it again; nobody else does anything; the run goes on, and nothing is taken twice or left behind.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FAILPOINTS, type Failpoint } from '../../relay/failpoint.ts';
import type { ClusterId } from '../../shared/ids.ts';
import { until } from '../support/until.ts';
import { breachesOf } from './claims.ts';
import { openScene, type Scene } from './scene.ts';

/** A kill costs the rest of the lease of the relay that died and a guard after it: the stacks wait side by side. */
const STACKS = 4;
const RESUMED_MS_MAX = 90_000;

const AT_DELETE = [
  'before-release-call',
  'after-release-call',
  'after-receive',
  'after-journal-accept',
  'after-settle-journal',
  'after-report-sent',
] as const satisfies readonly Failpoint[];
const AT_CREATE = FAILPOINTS.filter((point) => point !== 'before-release-call' && point !== 'after-release-call');

const scenes: Scene[] = [];
const free: Scene[] = [];
const clusters = new Map<Scene, ClusterId[]>();

beforeAll(async () => {
  // One after the other: workerd starts slowly when many start at once.
  for (let count = 0; count < STACKS; count += 1) scenes.push(await openScene({ machines: 4 }));
  free.push(...scenes);
}, 120_000);
afterAll(async () => {
  await Promise.all(scenes.map((scene) => scene.close()));
}, 60_000);

test('at least 12 points of a create are covered, and every point there is', () => {
  expect(AT_CREATE.length).toBeGreaterThanOrEqual(12);
  expect(new Set<string>([...AT_CREATE, ...AT_DELETE])).toEqual(new Set<string>(FAILPOINTS));
});

describe.concurrent('a relay killed during a create', { timeout: 300_000 }, () => {
  test.each(AT_CREATE)('%s', (point) =>
    onFreeStack(async (scene) => {
      await armRelay(scene, point);
      const cluster = await scene.create(`at-${point}`.slice(0, 32));
      await killedThenRestarted(scene, point);
      const running = await scene.reach(cluster.id, 'running', RESUMED_MS_MAX);
      expectOneMachineEach(scene, running.machines);
      await scene.remove(cluster.id);
      expectNothingLeft(scene, cluster.id);
    }),
  );
});

describe.concurrent('a relay killed during a delete', { timeout: 300_000 }, () => {
  test.each(AT_DELETE)('%s', (point) =>
    onFreeStack(async (scene) => {
      const cluster = await scene.create(`del-${point}`.slice(0, 32));
      await scene.reach(cluster.id, 'running');
      await armRelay(scene, point);
      await scene.api.deleteCluster(cluster.id, cluster.name);
      await killedThenRestarted(scene, point);
      await scene.reach(cluster.id, 'deleted', RESUMED_MS_MAX);
      expectNothingLeft(scene, cluster.id);
    }),
  );
});

/** Takes a stack that no other test uses, waiting for one when need be. */
async function onFreeStack(story: (scene: Scene) => Promise<void>): Promise<void> {
  const scene = await until(280_000, 'a free stack', () => free.pop());
  try {
    await story(scene);
  } finally {
    free.push(scene);
  }
}

async function armRelay(scene: Scene, point: Failpoint): Promise<void> {
  await scene.relay().stop();
  scene.startRelay({ SLIPWAY_FAILPOINT: point });
}

async function killedThenRestarted(scene: Scene, point: Failpoint): Promise<void> {
  const ended = await Promise.race([scene.relay().ended, until(60_000, `the relay to die at ${point}`, () => false)]);
  expect(ended).toBe('SIGKILL');
  scene.startRelay();
}

function expectOneMachineEach(scene: Scene, machines: readonly { slot: string; systemId: string | null }[]): void {
  const held = [...scene.lab.region.machines.values()].filter(({ owner }) => owner === 'slipway');
  expect(machines.map(({ slot }) => slot).sort()).toEqual(['control-plane-0', 'workers-0']);
  expect(held.map(({ systemId }) => systemId).sort()).toEqual(machines.map(({ systemId }) => systemId).sort());
}

function expectNothingLeft(scene: Scene, id: ClusterId): void {
  const made = [...(clusters.get(scene) ?? []), id];
  clusters.set(scene, made);
  expect(breachesOf(scene.lab.history, made)).toEqual([]);
  expect(scene.held()).toBe(0);
}
