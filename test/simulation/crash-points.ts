// Every moment of a fault-free life at which something can be lost, lost: the relay's process at each of its points; each object's
// turn before its commit, after it, and with its answers unsent. Then the life must still come to its end, with nothing leaked.
import { runJobs } from './crew.ts';
import type { Job } from './job.ts';
import { answerJob } from './job.ts';
import { randomOf } from './prng.ts';
import { progressOf } from './progress.ts';
import { WORKLOADS, type Workload } from './scenario.ts';
import type { Blow, CrashPlan, CrashPoint } from './site.ts';

export type CrashOptions = {
  readonly workload: Workload | null;
  readonly threads: number;
  /** Beside the single points: so many pairs of them, drawn. */
  readonly pairs: number;
  readonly json: boolean;
};

/** A life of each workload with one relay, or with two where that is the point. */
const SEED_OF: Readonly<Record<Workload, number>> = {
  'create-one': 2,
  'create-three': 3,
  delete: 4,
  abort: 5,
  replace: 6,
  failover: 7,
  'gateway-install': 8,
  'gateway-resize': 9,
  'gateway-failover': 10,
  'gateway-delete': 11,
  'gateway-upgrade': 12,
};

const OBJECT_BLOWS: readonly Blow[] = ['before-commit', 'after-commit', 'answer-lost'];

export async function runCrashPoints({ workload, threads, pairs, json }: CrashOptions): Promise<boolean> {
  const startedAt = performance.now();
  const sum = { points: 0, tried: 0, leaks: 0, moments: 0, pairs: 0 };
  const jobs: Job[] = [];
  for (const each of workload === null ? WORKLOADS : [workload]) {
    const life = await answerJob(jobFor(each, [], true));
    const { points, violations } = life.result;
    if (violations.length > 0) throw new Error(`the life without faults of ${each} is broken: ${violations[0]}`);
    const plans = points.flatMap((point, at) => plansFor(point, at));
    sum.moments += points.length;
    sum.points += plans.length;
    const drawn = pairsOf(plans, pairs, SEED_OF[each]);
    sum.pairs += drawn.length;
    jobs.push(...plans.map((plan) => jobFor(each, [plan], false)), ...drawn.map((pair) => jobFor(each, pair, false)));
    if (!json) console.log(`${each}: ${points.length} moments, ${plans.length} ways to lose something`);
  }
  const progress = progressOf(jobs.length, console.error, () => performance.now());
  await runJobs(jobs, threads, null, ({ job, result }) => {
    progress(result);
    sum.tried += 1;
    if (result.violations.length > 0) {
      sum.leaks += 1;
      console.log(`${job.workload} ${JSON.stringify(job.plan)}: ${result.violations[0]}`);
    }
    return 'go on';
  });
  const seconds = Math.round((performance.now() - startedAt) / 1_000);
  console.log(JSON.stringify({ ...sum, seconds }));
  return sum.leaks === 0 && sum.tried === sum.points + sum.pairs;
}

function jobFor(workload: Workload, plan: readonly CrashPlan[], recordPoints: boolean): Job {
  return { seed: SEED_OF[workload], workload, withFaults: false, plan: [...plan], recordPoints, bias: null };
}

function plansFor({ kind }: CrashPoint, point: number): CrashPlan[] {
  return kind === 'relay' ? [{ point, blow: 'relay-lost' }] : OBJECT_BLOWS.map((blow) => ({ point, blow }));
}

function pairsOf(plans: readonly CrashPlan[], count: number, seed: number): CrashPlan[][] {
  const random = randomOf(seed, 'pairs');
  return Array.from({ length: plans.length === 0 ? 0 : count }, () => {
    const [one, other] = [plans[random.below(plans.length)], plans[random.below(plans.length)]];
    return one === undefined || other === undefined ? [] : [one, other];
  });
}
