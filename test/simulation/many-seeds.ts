// Many seeds: those that failed once first, then fresh ones. Adds up what was found, and how well the seeds cover the faults and
// the state machines.
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { Bias } from './bias.ts';
import { missingFrom } from './coverage.ts';
import { runJobs } from './crew.ts';
import { drawnBias } from './drawn-bias.ts';
import { GATEWAY_SEEDS_FROM, UPGRADE_SEEDS_FROM } from './gateway-scenario.ts';
import { type Job, stormOf } from './job.ts';
import { progressOf } from './progress.ts';

export type ManyOptions = {
  readonly seeds: number;
  readonly start: number;
  readonly threads: number;
  readonly json: boolean;
  /** Null: as chance has it, after those that once found a bug, and coverage is asked for. */
  readonly bias: WantedBias | null;
};

/** `drawn`: each seed has its own. */
export type WantedBias = Bias | 'drawn';

export const biasFor = (seed: number, wanted: WantedBias): Bias => (wanted === 'drawn' ? drawnBias(seed) : wanted);

/** Beside each so many fresh seeds one more life is played: of a gateway on machines of its own; every other one is upgraded. */
const SEEDS_PER_GATEWAY = 8;

const Corpus = z.strictObject({
  seeds: z.array(z.strictObject({ seed: z.int(), bias: Bias.nullable().default(null), found: z.string() })),
});

/** Lives that found a bug once; tried first for good. */
export function corpus(): Job[] {
  const text = readFileSync(new URL('./seeds.json', import.meta.url), 'utf8');
  return Corpus.parse(JSON.parse(text)).seeds.map(({ seed, bias }) => stormOf(seed, bias));
}

/** What plays this life again. */
export function replayOf({ seed, bias }: Pick<Job, 'seed' | 'bias'>): string {
  const raised = bias === null ? '' : ` --bias '${JSON.stringify(bias)}'`;
  return `npm run simulate -- --seed ${seed}${raised} --trace`;
}

export async function runMany(options: ManyOptions): Promise<boolean> {
  const { start, threads, json, bias } = options;
  const startedAt = performance.now();
  const sum = { events: 0, violating: 0 };
  const hashes: Played[] = [];
  const faults = new Map<string, number>();
  const edges = new Map<string, number>();
  const jobs = jobsOf(options);
  const progress = progressOf(jobs.length, console.error, () => performance.now());
  await runJobs(jobs, threads, null, ({ job, result }) => {
    progress(result);
    sum.events += result.events;
    hashes.push(result);
    for (const kind of Object.keys(result.faults)) faults.set(kind, (faults.get(kind) ?? 0) + 1);
    for (const [edge, count] of Object.entries(result.edges)) edges.set(edge, (edges.get(edge) ?? 0) + count);
    if (result.violations.length > 0) {
      sum.violating += 1;
      console.log(`seed ${result.seed}: ${result.violations[0]}\n  ${replayOf(job)}`);
    }
    return 'go on';
  });
  const seconds = (performance.now() - startedAt) / 1_000;
  const gateways = hashes.filter(({ seed }) => seed >= GATEWAY_SEEDS_FROM).length;
  const upgrades = hashes.filter(({ seed }) => seed >= UPGRADE_SEEDS_FROM).length;
  const missing = bias === null ? missingFrom({ seeds: hashes.length, gateways, upgrades, faults, edges }) : [];
  for (const line of missing) console.log(line);
  const report = {
    seeds: hashes.length,
    gateways,
    upgrades,
    events: sum.events,
    violations: sum.violating,
    seedsPerSecond: Math.round((hashes.length / seconds) * 10) / 10,
    start,
    hash: hashOfAll(hashes),
    faultKinds: faults.size,
    edges: edges.size,
    uncovered: missing.length,
  };
  if (!json) {
    for (const [kind, count] of [...faults].sort()) console.log(`${String(count).padStart(7)} seeds  ${kind}`);
    for (const [edge, count] of [...edges].sort()) console.log(`${String(count).padStart(7)} times  ${edge}`);
  }
  console.log(JSON.stringify(report));
  return sum.violating === 0 && missing.length === 0;
}

function jobsOf({ seeds, start, bias }: ManyOptions): Job[] {
  if (bias !== null)
    return Array.from({ length: seeds }, (_, index) => stormOf(start + index, biasFor(start + index, bias)));
  const old = corpus();
  const known = new Set(old.filter((job) => job.bias === null).map(({ seed }) => seed));
  const fresh = Array.from({ length: seeds }, (_, index) => freshSeeds(start, index)).flat();
  return [...old, ...fresh.filter((seed) => !known.has(seed)).map((seed) => stormOf(seed))];
}

/** From 1,000,000,000 on all are lives of gateways on machines of their own; below, each is played, and one in eight has such a life beside it. */
function freshSeeds(start: number, index: number): number[] {
  const seed = start + index;
  if (seed >= GATEWAY_SEEDS_FROM || index % SEEDS_PER_GATEWAY !== SEEDS_PER_GATEWAY - 1) return [seed];
  const isUpgraded = Math.floor(index / SEEDS_PER_GATEWAY) % 2 === 1;
  return [seed, seed + (isUpgraded ? UPGRADE_SEEDS_FROM : GATEWAY_SEEDS_FROM)];
}

type Played = { readonly seed: number; readonly hash: string };

/** One number for all seeds, whatever thread ran which. */
function hashOfAll(hashes: readonly Played[]): string {
  let all = 0n;
  for (const { seed, hash } of hashes) all ^= BigInt.asUintN(64, BigInt(`0x${hash}`) * BigInt(2 * seed + 1));
  return all.toString(16).padStart(16, '0');
}
