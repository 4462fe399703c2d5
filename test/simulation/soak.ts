// A month of a site's life: clusters come and go, things go wrong now and then. Nothing may grow: not the journal, not a queue,
// not a table, not a state, not the timers of a process.

import { z } from 'zod';
import { JOURNAL_FILE } from '../../relay/journal.ts';
import { TIMELINE_ENTRIES_MAX } from '../../shared/limits.ts';
import { runIn } from './crew.ts';
import { Invariants } from './invariants.ts';
import { MaasAudit } from './maas-audit.ts';
import { Nemesis } from './nemesis.ts';
import { progressOf } from './progress.ts';
import type { SeedResult } from './run-seed.ts';
import { type ClusterWish, type Scenario, scenarioOf } from './scenario.ts';
import { isTerminal, makeWishes } from './wishes.ts';
import { START_MS, World } from './world.ts';

export type SoakOptions = {
  readonly days: number;
  readonly seeds: number;
  readonly start: number;
  readonly threads: number;
};

export const MonthJob = z.object({ seed: z.int(), days: z.int().min(2) });
export type MonthJob = z.infer<typeof MonthJob>;

/** `worst`: the most there ever was of each thing that could grow. */
export type Month = Pick<SeedResult, 'seed' | 'events' | 'violations'> & {
  readonly worst: Readonly<Record<string, number>>;
};

const DAY_MS = 86_400_000;
const BETWEEN_MS = 6 * 3_600_000;
const LIVES_MS = 3 * 3_600_000;

/** Of one thread: a month leaves as much in its memory as some hundred lives do (crew.ts). */
const MONTHS_MAX = 10;

/** What a quiet site may use at most, whatever its age. */
const BOUNDS: Readonly<Record<string, number>> = {
  // COMPACT_BYTES_MIN of relay/journal.ts, twice.
  journalBytes: 8 * 1_048_576,
  queued: 100,
  exposures: 300,
  epochs: 100,
  notices: 10,
  stateBytes: 262_144,
  timeline: TIMELINE_ENTRIES_MAX,
  timers: 2_000,
  links: 4,
};

export async function runSoak({ days, seeds, start, threads }: SoakOptions): Promise<boolean> {
  let broken = 0;
  let events = 0;
  const worst: Record<string, number> = {};
  const startedAt = performance.now();
  const jobs = Array.from({ length: seeds }, (_, index): MonthJob => ({ seed: start + index, days }));
  const progress = progressOf(jobs.length, console.error, () => performance.now());
  const worker = { file: new URL('./soak-worker.ts', import.meta.url), data: null, jobsMax: MONTHS_MAX };
  await runIn(worker, jobs, threads, (month: Month) => {
    progress(month);
    events += month.events;
    for (const [name, size] of Object.entries(month.worst)) worst[name] = Math.max(worst[name] ?? 0, size);
    for (const violation of month.violations) console.log(`soak of seed ${month.seed}: ${violation}`);
    broken += month.violations.length > 0 ? 1 : 0;
    return 'go on';
  });
  const seconds = Math.round((performance.now() - startedAt) / 1_000);
  console.log(JSON.stringify({ days, seeds, events, broken, worst, seconds }));
  return broken === 0;
}

/** To be called outside of promises (microtasks.ts). */
export function soak(seed: number, days: number): Month {
  const scenario = monthOf(seed, days);
  const world = new World(scenario);
  const audit = new MaasAudit(world);
  const invariants = new Invariants(world, audit);
  world.onNode = (node) => audit.nodeOpened(node);
  world.open();
  new Nemesis(world);
  const wishes = makeWishes(world);
  const worst: Record<string, number> = {};
  for (let hour = 1; hour <= days * 24; hour += 1) {
    while (world.step(START_MS + (hour * DAY_MS) / 24)) {
      invariants.checkNow();
      if (world.site.violations.length > 0) break;
    }
    for (const [name, size] of Object.entries(sizesOf(world))) worst[name] = Math.max(worst[name] ?? 0, size);
    if (world.site.violations.length > 0) break;
  }
  for (const [name, size] of Object.entries(worst))
    if (size > (BOUNDS[name] ?? 0)) world.site.violate('R14', `${name} grew to ${size}`);
  if (world.site.violations.length === 0 && !wishes.every(isTerminal))
    world.site.violate('I19', 'a cluster of the month has no end');
  const { violations } = world.site;
  world.close();
  return { seed, violations, worst, events: world.timeline.events };
}

function monthOf(seed: number, days: number): Scenario {
  const base = scenarioOf(seed, { workload: 'failover', withFaults: true });
  const count = Math.floor(((days - 1) * DAY_MS) / BETWEEN_MS);
  const clusters = Array.from({ length: count }, (_, index): ClusterWish => {
    const life = { createAfterMs: index * BETWEEN_MS, end: { afterMs: LIVES_MS, kind: 'delete' as const } };
    return { id: `clu_s${index}`, name: `soak-${index}`, controlPlanes: 1, workers: 1, erase: 'none', ...life };
  });
  return { ...base, machines: 8, hostnames: [], fates: [], clusters, stormMs: (days - 1) * DAY_MS };
}

function sizesOf(world: World): Record<string, number> {
  const { storage } = world.edge.gateway;
  const count = (table: string): number => Number(storage.run(`SELECT count(*) AS n FROM ${table}`)[0]?.n ?? 0);
  const sizes = {
    queued: count('queue'),
    exposures: count('exposure'),
    epochs: count('epoch'),
    notices: count('notice'),
  };
  storage.commit();
  const living = [...world.edge.clusters.values()].filter(({ state }) => state !== null && state.deletedAt === null);
  const states = living.map(({ state }) => JSON.stringify(state).length);
  const timelines = living.map(({ host }) => {
    const rows = Number(host.storage.run('SELECT count(*) AS n FROM timeline')[0]?.n ?? 0);
    host.storage.commit();
    return rows;
  });
  return {
    ...sizes,
    journalBytes: Math.max(0, ...world.nodes.map(({ disk }) => disk.files.get(JOURNAL_FILE)?.byteLength ?? 0)),
    stateBytes: Math.max(0, ...states),
    timeline: Math.max(0, ...timelines),
    timers: world.timeline.waiting,
    links: [...world.edge.links].filter((link) => link.isEdgeOpen).length,
  };
}
