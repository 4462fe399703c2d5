// Too few machines, and others who want the same ones: a cluster takes all it needs or holds nothing, says what excludes the rest,
// and goes on by itself when there are enough.
import { describe, expect, test } from 'vitest';
import { allocateById, release } from '../../relay/maas/machines.ts';
import { createUndiciTransport } from '../../relay/maas/undici-transport.ts';
import { Claim } from '../../shared/claim.ts';
import { ClusterPlan } from '../../shared/cluster-plan.ts';
import { SystemId } from '../../shared/ids.ts';
import { LAB_ADMIN, LAB_USER } from '../lab/lab.ts';
import { clientOver } from '../relay-maas/lab-site.ts';
import { ApiProblem } from '../support/api-client.ts';
import { until } from '../support/until.ts';
import { breachesOf } from './claims.ts';
import { POOLS, type Scene, withScene } from './scene.ts';

const ONE = POOLS(1, 0);
const FIRST = SystemId.parse('m00000');
const SECOND = SystemId.parse('m00001');

describe.concurrent('a cluster', () => {
  test('that no machine fits stays pending, holds nothing, and names what excludes them', () =>
    withScene({ machines: 3 }, async (scene) => {
      const pools = ONE.map((pool) => ({ ...pool, placement: { tags: ['gpu'] }, minimums: { memoryMiB: 8_192 } }));
      await expectPlanned(scene, pools);
      const cluster = await scene.create('picky', { pools });
      const wait = await scene.waitingFor(cluster.id, 'no-matching-machine');
      expect(wait.sentence).toContain('Pool cp needs 1 machine: 3 Ready → 0 tag gpu.');
      const view = await scene.api.cluster(cluster.id);
      expect([view.phase, view.machines.filter(({ systemId }) => systemId !== null)]).toEqual(['pending', []]);
      expect(heldMachines(scene)).toEqual([]);
      await scene.remove(cluster.id);
    }));

  test('goes on when machines come free that somebody else had', () =>
    withScene({ machines: 2 }, async (scene) => {
      await rivalTakes(scene, SECOND);
      const cluster = await scene.create('patient');
      const wait = await scene.waitingFor(cluster.id, 'no-matching-machine');
      expect(wait.sentence).toMatch(
        /Pool (control-plane|workers) needs 1 machine: 1 Ready → 0 not taken by another pool/,
      );
      expect(heldMachines(scene)).toEqual([]);
      await release(rival(scene), { systemId: SECOND });
      const running = await scene.reach(cluster.id, 'running');
      expect(running.machines.map(({ systemId }) => systemId).sort()).toEqual([FIRST, SECOND]);
    }));

  test('races another for machines enough for one: one runs, the other holds nothing, and runs when they are free', () =>
    withScene({ machines: 2 }, async (scene) => {
      const both = await Promise.all([scene.create('red'), scene.create('blue')]);
      const winner = await until(60_000, 'one of the two to run', async () => {
        const views = await Promise.all(both.map(({ id }) => scene.api.cluster(id)));
        return views.find(({ phase }) => phase === 'running');
      });
      const loser = both.find(({ id }) => id !== winner.id);
      if (loser === undefined) throw new Error('both clusters have one id');
      await scene.waitingFor(loser.id, 'no-matching-machine');
      await until(30_000, 'the loser to hold nothing', async () => {
        const { machines } = await scene.api.cluster(loser.id);
        return machines.every(({ phase }) => phase === 'planned' || phase === 'released');
      });
      expect(heldMachines(scene)).toEqual(winner.machines.map(({ systemId }) => systemId).sort());
      await scene.remove(winner.id);
      await scene.reach(loser.id, 'running');
      await scene.remove(loser.id);
      expect(scene.held()).toBe(0);
      expect(
        breachesOf(
          scene.lab.history,
          both.map(({ id }) => id),
        ),
      ).toEqual([]);
    }));

  test('loses its first choice to another user of MAAS between choosing and taking, and takes the next', () =>
    withScene({ machines: 3, hostnames: ['coveted'] }, async (scene) => {
      // The list that the choice is made from is held back until the rival has the machine.
      scene.lab.faults.arm({ kind: 'delay', match: { operation: 'machines.read' }, delayMs: 1_500, times: 1 });
      const cluster = await scene.create('late', { pools: ONE });
      await until(10_000, 'the list to be read', () => scene.lab.faults.armed() === 0);
      await rivalTakes(scene, FIRST);
      const running = await scene.reach(cluster.id, 'running');
      expect(running.machines).toMatchObject([{ attempt: 1 }]);
      expect(running.machines[0]?.systemId).not.toBe(FIRST);
      const refused = scene.lab.history.filter(
        ({ operation, status, caller }) => operation === 'machines.allocate' && status === 409 && caller === LAB_USER,
      );
      expect(refused).toHaveLength(1);
      expect(scene.lab.region.machines.get(FIRST)?.owner).toBe(LAB_ADMIN);
      await scene.remove(cluster.id);
      expect(breachesOf(scene.lab.history, [cluster.id])).toEqual([]);
    }));
});

/** The dry run says the same before anything is asked for, and names machines when some fit; it takes none. */
async function expectPlanned(scene: Scene, pools: readonly Readonly<Record<string, unknown>>[]): Promise<void> {
  const spec = { name: 'picky', profileId: 'pro_maas', accountId: scene.account.id };
  const short = await scene.api.raw(ClusterPlan, 'POST', '/clusters/plan', { ...spec, pools }).catch((error) => error);
  if (!(short instanceof ApiProblem)) throw new Error('a plan that no machine fits was answered');
  expect([short.problem.status, short.problem.code]).toEqual([409, 'NO_MATCHING_MACHINE']);
  expect(short.problem.detail).toContain('3 Ready → 0 tag gpu');
  const plan = await scene.api.raw(ClusterPlan, 'POST', '/clusters/plan', { ...spec, pools: ONE });
  expect(plan.slots).toMatchObject([
    { slot: 'cp-0', held: false, machine: { systemId: expect.stringMatching(/^m0000/) } },
  ]);
  expect(heldMachines(scene)).toEqual([]);
}

const rival = (scene: Scene) =>
  clientOver({
    endpoint: scene.lab.url,
    apiKey: scene.lab.adminKey,
    transport: createUndiciTransport({ trust: { kind: 'system' }, proxyUrl: null }).send,
  });

async function rivalTakes(scene: Scene, systemId: SystemId): Promise<void> {
  const claim = Claim.parse('slipway/gw_rival/clu_rival/cp-0/1');
  const taken = await allocateById(rival(scene), { systemId, claim });
  if (!taken.ok) throw new Error(`the rival could not take ${systemId}: ${taken.error.detail}`);
}

const heldMachines = (scene: Scene): string[] =>
  [...scene.lab.region.machines.values()]
    .filter(({ owner }) => owner === LAB_USER)
    .map(({ systemId }) => systemId)
    .sort();
