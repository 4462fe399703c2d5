// One piece of work for a thread: some seeds, or one seed with planned losses.
import { z } from 'zod';
import { Bias } from './bias.ts';
import { outsideOfPromises } from './microtasks.ts';
import { runSeed, type SeedResult } from './run-seed.ts';
import { scenarioOf, WORKLOADS } from './scenario.ts';

const Plan = z.object({
  point: z.int(),
  blow: z.enum(['before-commit', 'after-commit', 'answer-lost', 'relay-lost']),
});
export const Job = z.object({
  seed: z.int(),
  workload: z.enum(WORKLOADS).nullable(),
  withFaults: z.boolean(),
  plan: z.array(Plan),
  recordPoints: z.boolean(),
  bias: Bias.nullable(),
});
export type Job = z.infer<typeof Job>;
export type JobAnswer = { readonly job: Job; readonly result: SeedResult };

export async function answerJob(message: unknown): Promise<JobAnswer> {
  const job = Job.parse(message);
  const { seed, workload, withFaults, plan, recordPoints, bias } = job;
  const scenario = scenarioOf(seed, { withFaults, bias, ...(workload === null ? {} : { workload }) });
  const result = await outsideOfPromises(() => runSeed(scenario, { plan, recordPoints }));
  return { job, result };
}

export const stormOf = (seed: number, bias: Bias | null = null): Job => ({
  seed,
  workload: null,
  withFaults: true,
  plan: [],
  recordPoints: false,
  bias,
});
