// Either side away: a cluster asked for while the gateway is down is accepted and says what it waits for, and neither an end of
// the control plane nor of the relay in the middle of a create needs anybody's help.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { breachesOf, callsOf } from './claims.ts';
import { openScene, type Scene } from './scene.ts';

let scene: Scene;
beforeAll(async () => {
  scene = await openScene({ machines: 4, timings: { deployMs: 1_500 } });
});
afterAll(() => scene.close());

test('a create while the relay is down is accepted, waits for the gateway by name, and runs when it is back', async () => {
  const before = Date.now();
  await scene.relay().stop();
  const cluster = await scene.create('offline');
  expect(cluster.phase).toBe('pending');
  const wait = await scene.waitingFor(cluster.id, 'gateway-offline');
  expect(wait.sentence).toContain('start slipway-relay');
  expect(wait.since).toBeGreaterThanOrEqual(before - 1_000);
  expect((await scene.api.gateway(scene.gateway.id)).phase).toBe('disconnected');
  expect((await scene.api.clusters()).items.map(({ id }) => id)).toContain(cluster.id);
  scene.startRelay();
  await scene.reach(cluster.id, 'running');
  await scene.remove(cluster.id);
  expect(scene.held()).toBe(0);
});

test('the control plane ends in the middle of a create and starts again on what it stored', async () => {
  const cluster = await scene.create('restarted');
  await scene.reach(cluster.id, 'provisioning');
  await scene.restartControlPlane();
  const running = await scene.reach(cluster.id, 'running');
  expect(running.machines.map(({ attempt }) => attempt)).toEqual([1, 1]);
  const told = await scene.timeline(cluster.id);
  expect(told[0]?.kind).toBe('accepted');
  expect(told.map(({ seq }) => seq)).toEqual(told.map((_, at) => (told[0]?.seq ?? 0) + at));
  await scene.remove(cluster.id);
  expect(scene.held()).toBe(0);
});

test('both end in the middle of a delete, the relay first to be back', async () => {
  const cluster = await scene.create('dark');
  await scene.reach(cluster.id, 'running');
  await scene.api.deleteCluster(cluster.id, 'dark');
  scene.relay().kill('SIGKILL');
  await scene.relay().ended;
  await scene.restartControlPlane(async () => void scene.startRelay());
  await scene.reach(cluster.id, 'deleted');
  expect(scene.held()).toBe(0);
  expect(callsOf(scene.lab.history, 'machines.allocate').length).toBe(6);
  const clusters = (await scene.api.clusters()).items;
  expect(clusters).toEqual([]);
  expect(
    breachesOf(
      scene.lab.history.filter(({ claim }) => claim?.includes(cluster.id)),
      [cluster.id],
    ),
  ).toEqual([]);
});
