// Whether the simulator would notice: each mutant is the product with one bug put in, and must die within the budget of seeds.

import { isDeepStrictEqual } from 'node:util';
import { runJobs } from './crew.ts';
import { type Job, stormOf } from './job.ts';
import type { Mutant } from './mutants/mutant.ts';
import { MUTANTS } from './mutants/mutants.ts';

export type HuntOptions = {
  readonly only: string | null;
  /** Tried for each mutant, at most. */
  readonly seeds: number;
  readonly threads: number;
  readonly json: boolean;
};

type Hunted = { readonly mutant: Mutant; readonly killer: Killer | null; readonly tried: number };
type Killer = { readonly job: Job; readonly why: string };

export async function runMutants({ only, seeds, threads, json }: HuntOptions): Promise<boolean> {
  const wanted = MUTANTS.filter(({ name }) => only === null || name === only);
  if (wanted.length === 0) throw new Error(`there is no mutant ${only}`);
  const startedAt = performance.now();
  const hunted: Hunted[] = [];
  const waiting = wanted.values();
  // Each thread has mutants of its own: the sources can be changed only once in a thread's life.
  const work = async (): Promise<void> => {
    for (const mutant of waiting) {
      const done = await hunt(mutant, seeds);
      hunted.push(done);
      if (!json) console.log(lineOf(done));
    }
  };
  await Promise.all(Array.from({ length: threads }, work));
  const survivors = hunted.filter(({ killer }) => killer === null).map(({ mutant }) => mutant);
  const unargued = survivors.filter(({ argument }) => argument === undefined).map(({ name }) => name);
  const guilty = await withoutTheBug(hunted, threads);
  const report = {
    mutants: wanted.length,
    killed: wanted.length - survivors.length,
    argued: survivors.length - unargued.length,
    survivors: survivors.map(({ name }) => name),
    guilty,
    seeds: hunted.reduce((sum, { tried }) => sum + tried, 0),
    seconds: Math.round((performance.now() - startedAt) / 1_000),
  };
  for (const name of unargued) console.log(`${name} survives: npm run simulate -- --mutants --mutant ${name}`);
  console.log(JSON.stringify(report));
  return unargued.length === 0 && guilty.length === 0;
}

/** What killed must be silent on the product as it is, or it proves nothing. @returns the mutants of which it is not */
async function withoutTheBug(hunted: readonly Hunted[], threads: number): Promise<string[]> {
  const jobs = new Map(hunted.flatMap(({ mutant, killer }) => (killer === null ? [] : [[killer.job, mutant.name]])));
  const guilty: string[] = [];
  await runJobs(jobs.keys(), threads, null, ({ job, result }) => {
    const [why] = result.violations;
    if (why === undefined) return 'go on';
    const names = [...jobs].filter(([{ seed, bias }]) => seed === job.seed && isDeepStrictEqual(bias, job.bias));
    console.log(`seed ${job.seed} breaks the product without the bug too: ${why}`);
    guilty.push(...names.map(([, name]) => name));
    return 'go on';
  });
  return guilty;
}

/** Rejects when the mutant's patches don't fit the sources of today. */
async function hunt(mutant: Mutant, seeds: number): Promise<Hunted> {
  const { hints = [], bias = null } = mutant;
  const order = [...new Set([...hints, ...Array.from({ length: seeds }, (_, index) => index + 1)])].slice(0, seeds);
  let killer: Killer | null = null;
  let tried = 0;
  await runJobs(
    order.map((seed) => stormOf(seed, bias)),
    1,
    mutant.name,
    ({ job, result }) => {
      tried += 1;
      const why = result.violations[0];
      if (why === undefined) return 'go on';
      killer = { job, why };
      return 'stop';
    },
  );
  return { mutant, killer, tried };
}

function lineOf({ mutant, killer, tried }: Hunted): string {
  if (killer !== null)
    return `killed ${mutant.name} by seed ${killer.job.seed} (${tried} run): ${killer.why.slice(0, 160)}`;
  return `${mutant.argument === undefined ? 'SURVIVES' : 'argued'} ${mutant.name} (${tried} seeds)`;
}
