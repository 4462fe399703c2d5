// One run of chaos: everything is started, the killing goes on beside the work, then comes a quiet phase in which every cluster
// must end, and at last the books are read.
import { setTimeout as delay } from 'node:timers/promises';
import type { Failpoint } from '../../relay/failpoint.ts';
import type { EdgeWaits } from '../../shared/limits.ts';
import { LAB_USER } from '../lab/lab.ts';
import { doublesOf } from './audit.ts';
import type { EdgeFailpoint } from './edge-failpoints.ts';
import { edgeDeck, type KillPorts, killEdges, killRelays, relayDeck } from './kills.ts';
import { type Lane, startLane } from './lanes.ts';
import { createMischief, type Mischief } from './mischief.ts';
import type { ChaosOptions } from './options.ts';
import { createRecoveries, type Recovery } from './recovery.ts';
import { type Rig, startRig } from './rig.ts';

/**
 * In the order that production's have (15 s, 50 s, 10 min, 2 s, 2 min). The guard covers MAAS's slowest answer, 30 s there; the
 * lab's takes some 100 ms.
 */
const SHORT_WAITS: Partial<EdgeWaits> = {
  leaseMs: 3_000,
  leaseGuardMs: 2_000,
  unknownClaimLookupMs: 4_000,
  retryMsMin: 200,
  retryMsMax: 3_000,
};
const QUIET_MS_MAX = 180_000;
/** The outbox's slowest try again, and slack. */
const PROJECTED_MS_MAX = 30_000;
const SECONDS_PER_RELAY_KILL = 15;
const SECONDS_MIN = 300;
const SHOWN_MAX = 10;

export type Run = {
  readonly options: ChaosOptions & { readonly seed: number };
  readonly stateDir: string;
  readonly closers: (() => Promise<void>)[];
  say(line: string): void;
  log(line: string): void;
  isInterrupted(): boolean;
};

export type Outcome = {
  readonly relayKills: number;
  readonly edgeKills: number;
  readonly failpoints: Readonly<Record<Failpoint | EdgeFailpoint, number>>;
  readonly mischief: Readonly<Record<Mischief, number>>;
  readonly clusters: number;
  /** Clusters that never came to their end, and what they hold is among the leaks. */
  readonly stuck: number;
  /** Rows of the catalogue that do not say what the objects do, and commands nobody has settled. */
  readonly astray: number;
  readonly leaks: number;
  readonly doubles: number;
  readonly recoveryMsMax: number;
  readonly waits: 'production' | 'short';
  readonly seed: number;
};

/** With shortened waits. Production's guard alone is 50 s, on top of a lease of 15 s. */
const RECOVERY_MS_MAX = 60_000;

export function exitCodeOf({ leaks, doubles, stuck, astray, recoveryMsMax, waits }: Outcome): number {
  const isSlow = waits === 'short' && recoveryMsMax > RECOVERY_MS_MAX;
  return leaks + doubles + stuck + astray === 0 && !isSlow ? 0 : 1;
}

export async function runChaos(run: Run): Promise<Outcome> {
  const { options, say } = run;
  const { seed } = options;
  const waits = options.productionWaits ? {} : SHORT_WAITS;
  say(
    options.productionWaits
      ? 'waits as in production'
      : `waits shortened: ${JSON.stringify(waits)}; production has a lease of 15 s and a guard of 50 s`,
  );
  const rig = await startRig({ ...run, lanes: options.lanes, waits });
  say(`control plane ${rig.url}, MAAS ${rig.lab.url}, relay connected through ${rig.proxy.port}`);
  if (rig.disk.fill === null) say("skipped: the relay's disk is not filled, since mounting a tmpfs takes root");

  const recoveries = createRecoveries(() => performance.now());
  let isEnding = false;
  const lanes = Array.from({ length: options.lanes }, (_, number) =>
    startLane(number, { rig, recoveries, seed, isEnding: () => isEnding, say }),
  );
  const points = { relayPoints: relayDeck(seed), edgePoints: edgeDeck(seed) };
  const seconds = options.seconds ?? Math.max(SECONDS_MIN, options.relayKills * SECONDS_PER_RELAY_KILL);
  const endAtMs = performance.now() + seconds * 1_000;
  let isBroken = false;
  const isOver = (): boolean => isBroken || performance.now() > endAtMs || run.isInterrupted();
  const ports: KillPorts = { rig, recoveries, seed, ...points, isOver, say };
  const mischief = createMischief(ports);
  // When one breaks the other ends in order, or it would start processes that nobody ends.
  const loops = [killRelays(ports, options.relayKills, mischief), killEdges(ports, options.edgeKills)].map((loop) =>
    loop.catch((error: unknown) => {
      isBroken = true;
      throw error;
    }),
  );
  await Promise.allSettled(loops);
  const [relayKills = 0, edgeKills = 0] = await Promise.all(loops);
  say(`the killing is over; every cluster has ${QUIET_MS_MAX / 1_000} s to end`);
  isEnding = true;
  const stuck = await quiet(lanes, run);
  const astray = await awry(rig, lanes, run);
  const books = readBooks(rig, lanes, stuck, say);
  return {
    ...{ relayKills, edgeKills },
    failpoints: { ...points.relayPoints.counts(), ...points.edgePoints.counts() },
    mischief: mischief.counts,
    ...{ ...books, astray },
    recoveryMsMax: tellRecoveries([...recoveries.all, ...recoveries.overdue()], say),
    waits: options.productionWaits ? 'production' : 'short',
    seed,
  };
}

/** The lanes that have not ended in time. */
async function quiet(lanes: readonly Lane[], { isInterrupted }: Run): Promise<readonly Lane[]> {
  const open = new Set(lanes);
  for (const lane of lanes) void lane.ended.then(() => open.delete(lane));
  const endAtMs = performance.now() + QUIET_MS_MAX;
  while (open.size > 0 && performance.now() < endAtMs && !isInterrupted()) await delay(200);
  for (const lane of open) lane.abandon();
  return [...open];
}

/** What the stores say when everything has ended: each cluster's row deleted, and the gateway's queue empty. */
async function awry({ api, gatewayId }: Rig, lanes: readonly Lane[], { say, isInterrupted }: Run): Promise<number> {
  const ended = lanes.flatMap(({ clusters, current }) => clusters.filter((id) => id !== current()?.id));
  const isAtRest = lanes.every(({ current }) => current() === null);
  const endAtMs = performance.now() + PROJECTED_MS_MAX;
  for (;;) {
    const standing = (await api.clusters('?limit=200')).items.filter(({ id }) => ended.includes(id));
    const { outstandingCommands } = await api.gateway(gatewayId);
    const left = standing.length + (isAtRest ? outstandingCommands : 0);
    if (left === 0) return 0;
    if (performance.now() > endAtMs || isInterrupted()) {
      for (const { id, name, phase } of standing) say(`astray: the catalogue has ${name} (${id}) as ${phase}`);
      say(`astray: ${outstandingCommands} commands are unsettled`);
      return left;
    }
    await delay(500);
  }
}

function readBooks({ lab }: Rig, lanes: readonly Lane[], stuck: readonly Lane[], say: (line: string) => void) {
  const clusters = lanes.flatMap((lane) => lane.clusters);
  const left = lab.leftovers(LAB_USER);
  const doubles = doublesOf(lab.history, clusters);
  const told = [
    ...lanes.flatMap(({ failures }) => failures.map((failure) => `failed: ${failure}`)),
    ...stuck.map((lane) => `stuck: ${standingOf(lane)}`),
    ...doubles.map((double) => `double: ${double}`),
    ...[...lab.region.machines.values()]
      .filter(({ owner }) => owner === LAB_USER)
      .map(({ systemId, status, agentName, annotations }) =>
        JSON.stringify({ leaked: systemId, status, agentName, annotations }),
      ),
  ];
  for (const line of told.slice(0, 5 * SHOWN_MAX)) say(line);
  const leaks = left.machines + left.addresses + left.dnsRecords;
  if (leaks > 0) say(`left in MAAS: ${JSON.stringify(left)}`);
  return { clusters: clusters.length, stuck: stuck.length, leaks, doubles: doubles.length };
}

function standingOf(lane: Lane): string {
  const view = lane.current();
  if (view === null) return 'a cluster that could not be made';
  const waits = view.waitingOn.map(({ sentence }) => sentence).join('; ');
  const machines = view.machines.map(({ slot, phase, systemId }) => `${slot} ${phase} ${systemId}`).join(', ');
  return `${view.name} (${view.id}) is ${view.phase}: ${machines}; waits: ${waits}`;
}

function tellRecoveries(all: readonly Recovery[], say: (line: string) => void): number {
  const slowest = all.toSorted((a, b) => b.ms - a.ms);
  const median = slowest[Math.floor(slowest.length / 2)]?.ms ?? 0;
  say(`${all.length} recoveries, median ${median} ms; the slowest:`);
  for (const { what, cluster, ms } of slowest.slice(0, SHOWN_MAX)) say(`  ${ms} ms after ${what} (${cluster})`);
  return slowest[0]?.ms ?? 0;
}
