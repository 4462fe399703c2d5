// npm run simulate -- --seeds N [--start S] [--json] [--workers 2]      many seeds, the failing ones of the past first
// npm run simulate -- --seed N [--trace]                                one seed, with its timeline
// npm run simulate -- --crash-points [--workload W] [--json]            every moment of a fault-free life, lost in every way
// npm run simulate -- --mutants [--seeds N] [--mutant NAME] [--json]    whether seeded bugs are found
// npm run simulate -- --soak [--days 30] [--seeds N] [--json]           whether anything grows
import { parseArgs } from 'node:util';
import { runCrashPoints } from './crash-points.ts';
import { runMany } from './many-seeds.ts';
import { outsideOfPromises } from './microtasks.ts';
import { runMutants } from './mutant-hunt.ts';
import { runSeed } from './run-seed.ts';
import { scenarioOf, WORKLOADS } from './scenario.ts';
import { runSoak } from './soak.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string' },
    start: { type: 'string', default: '1' },
    seed: { type: 'string' },
    trace: { type: 'boolean', default: false },
    calm: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    workers: { type: 'string', default: '2' },
    workload: { type: 'string' },
    mutant: { type: 'string' },
    'crash-points': { type: 'boolean', default: false },
    pairs: { type: 'string', default: '0' },
    mutants: { type: 'boolean', default: false },
    soak: { type: 'boolean', default: false },
    days: { type: 'string', default: '30' },
  },
});

const workload = WORKLOADS.find((one) => one === values.workload);
const threads = Number(values.workers);

async function main(): Promise<boolean> {
  if (values.seed !== undefined) return oneSeed(Number(values.seed));
  if (values['crash-points'])
    return runCrashPoints({ workload: workload ?? null, threads, pairs: Number(values.pairs), json: values.json });
  if (values.mutants)
    return runMutants({
      only: values.mutant ?? null,
      seeds: Number(values.seeds ?? 10_000),
      threads,
      json: values.json,
    });
  if (values.soak)
    return runSoak({
      days: Number(values.days),
      seeds: Number(values.seeds ?? 1),
      start: Number(values.start),
      threads,
    });
  return runMany({ seeds: Number(values.seeds ?? 100), start: Number(values.start), threads, json: values.json });
}

async function oneSeed(seed: number): Promise<boolean> {
  const scenario = scenarioOf(seed, { withFaults: !values.calm, ...(workload === undefined ? {} : { workload }) });
  console.log(JSON.stringify(scenario));
  const print = (line: string): void => console.log(line.slice(0, 400));
  const result = await outsideOfPromises(() => runSeed(scenario, values.trace ? { print } : {}));
  const { violations, hash, events, simulatedMs, endings } = result;
  for (const violation of violations) console.log(`VIOLATION ${violation}`);
  console.log(JSON.stringify({ seed, hash, events, simulatedMs, endings, violations: violations.length }));
  return violations.length === 0;
}

process.exitCode = (await main()) ? 0 : 1;
