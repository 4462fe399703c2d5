// Machines as racks have them: some never come up, some are slow, some don't let go. A slot gets another machine, a bad one is left
// alone, and a slot that eats three machines ends the cluster with a reason instead of the whole rack.
import { createServer } from 'node:net';
import { describe, expect, test } from 'vitest';
import { until } from '../support/until.ts';
import { breachesOf, callsOf } from './claims.ts';
import { POOLS, type Scene, type SceneOptions, withScene } from './scene.ts';

const ONE = POOLS(1, 0);
const fated = (hostnames: readonly string[], machines: number, more: Partial<SceneOptions> = {}): SceneOptions => ({
  machines,
  hostnames,
  ...more,
});

describe.concurrent('a machine', () => {
  test.each(['fails-deploying', 'never-boots'])('that %s: the slot gets another, and it is not chosen again', (fate) =>
    withScene(fated([`${fate}-1`, `${fate}-2`], 3, { timings: { neverBootsMs: 500 } }), async (scene) => {
      const cluster = await scene.create('stubborn', { pools: ONE });
      const running = await scene.reach(cluster.id, 'running');
      const taken = callsOf(scene.lab.history, 'machines.allocate').map(({ machine }) => machine);
      expect(new Set(taken).size).toBe(taken.length);
      expect(running.machines).toMatchObject([{ hostname: 'node-3', attempt: taken.length }]);
      await removedWhole(scene, cluster.id);
    }),
  );

  test('is bad in one slot three times: the cluster fails with a reason and keeps what it has', () =>
    withScene(
      fated(
        [1, 2, 3, 4].map((number) => `fails-deploying-${number}`),
        4,
      ),
      async (scene) => {
        const cluster = await scene.create('hopeless', { pools: ONE });
        const failed = await scene.reach(cluster.id, 'failed');
        expect(failed.failure).toMatchObject({
          code: 'MACHINE_FAILED',
          message: expect.stringMatching(/^3 machines failed in slot cp-0; the last was cp-0 \(fails-deploying-\d\)/),
        });
        expect(failed.waitingOn.map(({ code }) => code)).toContain('user-action');
        expect(callsOf(scene.lab.history, 'machines.allocate')).toHaveLength(3);
        await removedWhole(scene, cluster.id);
      },
    ));

  test('whose BMC refuses to power off is asked again until it is free', () =>
    withScene(fated(['fails-releasing-1', 'fails-releasing-2'], 2), async (scene) => {
      const cluster = await scene.create('clingy');
      await scene.reach(cluster.id, 'running');
      await removedWhole(scene, cluster.id);
      expect(scene.lab.history.filter(({ operation }) => operation === 'machine.release').length).toBeGreaterThan(2);
    }));

  test('that never lets go is named, with who must act', () =>
    withScene(fated(['fails-releasing-always-1'], 1, { waits: { retryMsMax: 500 } }), async (scene) => {
      const cluster = await scene.create('stuck', { pools: ONE });
      await scene.reach(cluster.id, 'running');
      await scene.api.deleteCluster(cluster.id, 'stuck');
      const wait = await scene.waitingFor(cluster.id, 'release-stuck');
      expect(wait.sentence).toMatch(/MAAS does not give back cp-0 \(fails-releasing-always-1\).*MAAS operator/);
      expect((await scene.api.cluster(cluster.id)).phase).toBe('deleting');
    }));

  test('that is slow is waited for, not replaced', () =>
    withScene(fated(['slow-1'], 2), async (scene) => {
      const pools = ONE.map((pool) => ({ ...pool, placement: { systemIds: ['m00000'] } }));
      const cluster = await scene.create('patient', { pools });
      const running = await scene.reach(cluster.id, 'running');
      expect(running.machines).toMatchObject([{ hostname: 'slow-1', attempt: 1 }]);
    }));

  test('of three control planes that never boots is replaced while the others live on', () =>
    withScene(fated(['never-boots-1'], 4, { timings: { neverBootsMs: 500 } }), async (scene) => {
      // Named, so that the bad one is surely tried.
      const systemIds = ['m00000', 'm00001', 'm00002', 'm00003'];
      const pools = POOLS(3, 0).map((pool) => ({ ...pool, placement: { systemIds, zones: ['az1', 'az2', 'az3'] } }));
      const cluster = await scene.create('three', { pools });
      const running = await scene.reach(cluster.id, 'running');
      expect(running.machines.map(({ phase }) => phase)).toEqual(['ready', 'ready', 'ready']);
      expect(running.machines.map(({ hostname }) => hostname)).not.toContain('never-boots-1');
      await removedWhole(scene, cluster.id);
    }));

  test('whose join as a control plane fails is reset and tries again, with the log in the timeline', () =>
    withScene({ machines: 3, timings: { kubeadmInitMs: 2_000 } }, async (scene) => {
      const cluster = await scene.create('second', { pools: POOLS(3, 0) });
      const address = await until(20_000, 'the second machine', async () => {
        const { machines } = await scene.api.cluster(cluster.id);
        return machines.find(({ slot }) => slot === 'cp-1')?.address;
      });
      // Something on the machine has etcd's port: kubeadm can't start the member.
      const squatter = createServer().listen(2379, address);
      const failed = await until(30_000, 'the join to fail', async () =>
        (await scene.timeline(cluster.id)).find(
          ({ slot, message }) => slot === 'cp-1' && /kubeadm-join failed/.test(message),
        ),
      );
      squatter.close();
      expect(failed.log).toMatch(/EADDRINUSE.*2379/);
      const running = await scene.reach(cluster.id, 'running');
      expect(running.machines.map(({ attempt }) => attempt)).toEqual([1, 1, 1]);
      expect(running.machines[1]?.steps.find(({ name }) => name === 'kubeadm-join')).toMatchObject({
        outcome: 'succeeded',
        attempt: 2,
      });
    }));
});

async function removedWhole(scene: Scene, id: Parameters<typeof breachesOf>[1][number]): Promise<void> {
  await scene.remove(id);
  expect(scene.held()).toBe(0);
  expect(breachesOf(scene.lab.history, [id])).toEqual([]);
}
