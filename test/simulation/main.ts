// `npm run simulate`: clusters' lives, played from seeds. See options.ts.
import { runCrashPoints } from './crash-points.ts';
import { biasFor, runMany } from './many-seeds.ts';
import { outsideOfPromises } from './microtasks.ts';
import { runMutants } from './mutant-hunt.ts';
import { parseSimulateOptions, SIMULATE_HELP, type SimulateOptions } from './options.ts';
import { runSeed } from './run-seed.ts';
import { scenarioOf } from './scenario.ts';
import { runSoak } from './soak.ts';

async function main(): Promise<number> {
  const parsed = parseSimulateOptions(process.argv.slice(2));
  if (!parsed.ok) {
    console.error(`${parsed.error}\n\n${SIMULATE_HELP}`);
    return 2;
  }
  if (parsed.value.help) {
    console.log(SIMULATE_HELP);
    return 0;
  }
  return (await play(parsed.value)) ? 0 : 1;
}

function play(options: SimulateOptions): Promise<boolean> {
  const { seed, seeds, start, days, pairs, json, workers: threads, bias } = options;
  if (seed !== undefined) return oneSeed(seed, options);
  if (options.crashPoints) return runCrashPoints({ workload: options.workload ?? null, threads, pairs, json });
  if (options.mutants) return runMutants({ only: options.mutant ?? null, seeds: seeds ?? 10_000, threads, json });
  if (options.soak) return runSoak({ days, seeds: seeds ?? 1, start, threads });
  return runMany({ seeds: seeds ?? 100, start, threads, json, bias: bias ?? null });
}

async function oneSeed(seed: number, { calm, workload, trace, bias }: SimulateOptions): Promise<boolean> {
  const scenario = scenarioOf(seed, {
    withFaults: !calm,
    bias: bias === undefined ? null : biasFor(seed, bias),
    ...(workload === undefined ? {} : { workload }),
  });
  console.log(JSON.stringify(scenario));
  const print = (line: string): void => console.log(line.slice(0, 400));
  const result = await outsideOfPromises(() => runSeed(scenario, trace ? { print } : {}));
  const { violations, hash, events, simulatedMs, endings } = result;
  for (const violation of violations) console.log(`VIOLATION ${violation}`);
  console.log(JSON.stringify({ seed, hash, events, simulatedMs, endings, violations: violations.length }));
  return violations.length === 0;
}

process.exitCode = await main();
