// npm run simulate
import { outsideOfPromises } from './microtasks.ts';
import { runSeed } from './run-seed.ts';
import { scenarioOf } from './scenario.ts';

const [from = '1', count = '1', mode = '', trace = ''] = process.argv.slice(2);
let events = 0;
const t = performance.now();
const faults = new Map<string, number>();
let bad = 0;
for (let seed = Number(from); seed < Number(from) + Number(count); seed += 1) {
  const scenario = scenarioOf(seed, { withFaults: mode !== 'calm' });
  const result = await outsideOfPromises(() =>
    runSeed(scenario, trace === 'trace' ? { print: (line) => console.log(line.slice(0, 300)) } : {}),
  );
  events += result.events;
  for (const name of Object.keys(result.faults)) faults.set(name, (faults.get(name) ?? 0) + 1);
  if (result.violations.length > 0) {
    bad += 1;
    console.log(
      seed,
      scenario.workload,
      result.events,
      Math.round(result.simulatedMs / 1000),
      result.violations[0]?.slice(0, 400),
    );
  } else if (mode === 'calm' || mode === 'all')
    console.log(seed, scenario.workload, result.endings.join(), result.events, Math.round(result.simulatedMs / 1000));
}
const ms = performance.now() - t;
console.log({ bad, events, ms: Math.round(ms), perSecond: (Number(count) / ms) * 1000 });
