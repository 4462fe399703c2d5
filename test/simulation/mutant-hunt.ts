// Whether the simulator would notice: each mutant is the product with one bug put in, and must die within the budget of seeds.

import { runJobs } from './crew.ts';
import { stormOf } from './job.ts';
import { corpus } from './many-seeds.ts';
import { MUTANTS } from './mutants/mutants.ts';

export type HuntOptions = {
  readonly only: string | null;
  readonly seeds: number;
  readonly threads: number;
  readonly json: boolean;
};

export async function runMutants({ only, seeds, threads, json }: HuntOptions): Promise<boolean> {
  const wanted = MUTANTS.filter(({ name }) => only === null || name === only);
  const survivors: string[] = [];
  const startedAt = performance.now();
  let tried = 0;
  for (const mutant of wanted) {
    let killer: { seed: number; why: string } | null = null;
    let used = 0;
    const jobs = [
      ...new Set([...(mutant.hints ?? []), ...corpus(), ...Array.from({ length: seeds }, (_, index) => index + 1)]),
    ];
    await runJobs(jobs.slice(0, seeds).map(stormOf), threads, mutant.name, ({ result }) => {
      used += 1;
      const why = result.violations[0];
      if (why === undefined) return 'go on';
      killer = { seed: result.seed, why };
      return 'stop';
    });
    tried += used;
    report(mutant.name, killer, used, json);
    if (killer === null) survivors.push(mutant.name);
  }
  const argued = survivors.filter((name) => MUTANTS.some((one) => one.name === name && one.argument !== undefined));
  const seconds = Math.round((performance.now() - startedAt) / 1_000);
  const killed = wanted.length - survivors.length;
  console.log(
    JSON.stringify({ mutants: wanted.length, killed, argued: argued.length, survivors, seeds: tried, seconds }),
  );
  return survivors.length === argued.length;
}

function report(name: string, killer: { seed: number; why: string } | null, used: number, json: boolean): void {
  if (json) return;
  console.log(
    killer === null
      ? `SURVIVES ${name} (${used} seeds)`
      : `killed ${name} by seed ${killer.seed} (${used} run): ${killer.why.slice(0, 160)}`,
  );
}
