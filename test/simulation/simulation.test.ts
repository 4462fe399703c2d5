// The seeds that once found a bug, some fresh ones, and what the simulator promises of itself.

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { clusterStorage } from '../../functions/objects/cluster-storage.ts';
import { Bias } from './bias.ts';
import { drawnBias } from './drawn-bias.ts';
import { GATEWAY_SEEDS_FROM } from './gateway-scenario.ts';
import { answerJob, stormOf } from './job.ts';
import { corpus, replayOf } from './many-seeds.ts';
import { outsideOfPromises } from './microtasks.ts';
import { MUTANTS } from './mutants/mutants.ts';
import { ObjectStorage } from './object-storage.ts';
import { runSeed, type SeedResult } from './run-seed.ts';
import { scenarioOf, WORKLOADS, type Workload } from './scenario.ts';

const storm = (seed: number): Promise<SeedResult> =>
  outsideOfPromises(() => runSeed(scenarioOf(seed, { withFaults: true })));

test('seeds that once found a bug find none', { timeout: 180_000 }, async () => {
  for (const job of corpus()) {
    const { violations } = (await answerJob(job)).result;
    expect({ replay: replayOf(job), violations }).toMatchObject({ violations: [] });
  }
});

test('a hundred seeds break nothing', { timeout: 180_000 }, async () => {
  for (let seed = 1; seed <= 100; seed += 1) {
    const { violations } = await storm(seed);
    expect({ replay: `npm run simulate -- --seed ${seed} --trace`, violations }).toMatchObject({ violations: [] });
  }
});

test('ten lives of gateways on machines of their own break nothing', { timeout: 180_000 }, async () => {
  for (let seed = GATEWAY_SEEDS_FROM; seed < GATEWAY_SEEDS_FROM + 10; seed += 1) {
    const { violations, faults } = await storm(seed);
    expect({ replay: `npm run simulate -- --seed ${seed} --trace`, violations }).toMatchObject({ violations: [] });
    expect(faults['code-used-twice']).toBeGreaterThan(0);
  }
});

test('twenty lives with a bias that each draws break nothing, and the same seed draws the same', {
  timeout: 180_000,
}, async () => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const job = stormOf(seed, drawnBias(seed));
    expect(Bias.parse(job.bias)).toEqual(drawnBias(seed));
    const { violations } = (await answerJob(job)).result;
    expect({ replay: replayOf(job), violations }).toMatchObject({ violations: [] });
  }
});

test('[I4] [I5] a gateway is installed, grows, loses its leader and is deleted by the shipped code', {
  timeout: 180_000,
}, async () => {
  const endings = async (workload: Workload) =>
    (await outsideOfPromises(() => runSeed(scenarioOf(3, { workload, withFaults: false })))).endings;
  expect(await endings('gateway-install')).toEqual(['gateway running']);
  expect(await endings('gateway-resize')).toEqual(['gateway running']);
  expect(await endings('gateway-failover')).toEqual([
    expect.stringMatching(/^(provisioned|deleted|aborted)$/),
    expect.stringMatching(/^gateway (running|degraded)$/),
  ]);
  expect(await endings('gateway-delete')).toEqual(['gateway deleted']);
});

test('a seed is the same life each time', { timeout: 180_000 }, async () => {
  for (const seed of [7, GATEWAY_SEEDS_FROM + 7]) {
    const [one, again] = [await storm(seed), await storm(seed)];
    expect({ hash: again.hash, events: again.events }).toEqual({ hash: one.hash, events: one.events });
  }
  expect((await storm(8)).hash).not.toBe((await storm(7)).hash);
});

const ENDS: Partial<Record<Workload, RegExp>> = {
  // Machines that fail in a row may end a cluster with a reason.
  replace: /^(provisioned|deleted|failed )/,
  'gateway-upgrade': /^(provisioned|gateway running, upgrade done)$/,
};

test('without faults every workload comes to the end that was asked for', { timeout: 180_000 }, async () => {
  for (const workload of WORKLOADS) {
    const { violations, endings } = await outsideOfPromises(() =>
      runSeed(scenarioOf(3, { workload, withFaults: false })),
    );
    expect({ workload, violations }).toEqual({ workload, violations: [] });
    const ends = ENDS[workload] ?? /^(provisioned|deleted|aborted|gateway (running|degraded|deleted))$/;
    for (const ending of endings) expect(ending).toMatch(ends);
  }
});

test('a relay lost at any of twenty moments of a creation leaks nothing', { timeout: 180_000 }, async () => {
  const scenario = scenarioOf(2, { workload: 'create-one', withFaults: false });
  const whole = await outsideOfPromises(() => runSeed(scenario, { recordPoints: true }));
  const points = whole.points.flatMap(({ kind }, point) => (kind === 'relay' ? [point] : []));
  for (let at = 0; at < points.length; at += Math.ceil(points.length / 20)) {
    const plan = [{ point: points[at] ?? 0, blow: 'relay-lost' as const }];
    const { violations } = await outsideOfPromises(() => runSeed(scenario, { plan }));
    expect({ plan, violations }).toEqual({ plan, violations: [] });
  }
});

test('the writes of a turn are kept together, or not at all', () => {
  const storage = new ObjectStorage();
  clusterStorage(storage).open();
  storage.commit();
  storage.run("INSERT INTO lane (name, failures, retry_at) VALUES ('gateway', 1, 2)");
  expect(() =>
    storage.transaction(() => {
      storage.run("INSERT INTO lane (name, failures, retry_at) VALUES ('catalogue', 1, 2)");
      throw new Error('half of it');
    }),
  ).toThrow('half of it');
  expect(storage.run('SELECT name FROM lane')).toHaveLength(1);
  storage.rollback();
  expect(storage.run('SELECT name FROM lane')).toHaveLength(0);
  storage.close();
});

test('every mutant fits the sources it changes', () => {
  const misfits = MUTANTS.flatMap(({ name, patches }) =>
    patches
      .filter(
        ({ file, from }) => readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8').split(from).length !== 2,
      )
      .map(({ file }) => `${name}: ${file}`),
  );
  expect(misfits).toEqual([]);
  expect(MUTANTS.length).toBeGreaterThanOrEqual(30);
});
