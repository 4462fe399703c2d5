// The two loops that kill: one the relay, one workerd. Each life of a process is either armed with a failpoint, and dies there,
// or is killed at a random moment once every cluster has got on. Two lives may end before that, so that a fresh process is
// killed in the middle of recovering; a third one is let recover.
import { setTimeout as delay } from 'node:timers/promises';
import { FAILPOINTS, type Failpoint, FURTHER_FAILPOINTS } from '../../relay/failpoint.ts';
import { type Random, randomOf } from '../simulation/prng.ts';
import { EDGE_FAILPOINTS, type EdgeFailpoint } from './edge-failpoints.ts';
import { tearJournal } from './journal-tail.ts';
import type { MischiefMaker } from './mischief.ts';
import { type PointDeck, pointDeck } from './point-deck.ts';
import type { Recoveries } from './recovery.ts';
import type { Rig } from './rig.ts';

/** A cluster's whole life takes less; a point that is not passed in this time is not passed in this weather. */
const ARMED_MS_MAX = 25_000;
const RECOVER_MS_MAX = 120_000;
const LIVES_UNRECOVERED_MAX = 2;
const RANDOM_CHANCE = 0.15;
const RANDOM_AFTER_MS_MAX = 3_000;
const DOWN_MS_MAX = 600;
const TEAR_CHANCE = 0.3;
const START_AGAIN_MS = 500;

export type KillPorts = {
  readonly rig: Rig;
  readonly recoveries: Recoveries;
  readonly seed: number;
  readonly relayPoints: PointDeck<Failpoint>;
  readonly edgePoints: PointDeck<EdgeFailpoint>;
  isOver(): boolean;
  say(line: string): void;
};

export const relayDeck = (seed: number): PointDeck<Failpoint> =>
  pointDeck([...FAILPOINTS, ...FURTHER_FAILPOINTS], randomOf(seed, 'relay points'));
export const edgeDeck = (seed: number): PointDeck<EdgeFailpoint> =>
  pointDeck(EDGE_FAILPOINTS, randomOf(seed, 'edge points'));

/** Gives the number of kills. */
export async function killRelays(ports: KillPorts, kills: number, mischief: MischiefMaker): Promise<number> {
  const { rig, recoveries, relayPoints: deck, say } = ports;
  const random = randomOf(ports.seed, 'relay kills');
  const lives = armer(deck, recoveries, random);
  await rig.stopRelay();
  let killed = 0;
  while (killed < kills && !ports.isOver()) {
    const armed = mischief.isDue(killed) ? null : lives.next();
    const relay = rig.startRelay(armed?.setting ?? null);
    await mischief.perform(killed, relay);
    const moment = armed === null ? recoveredThenRandom(ports, random) : delay(ARMED_MS_MAX);
    const wasReached = await Promise.race([relay.ended.then(() => armed !== null), moment.then(() => false)]);
    relay.kill('SIGKILL');
    if ((await relay.ended) !== 'SIGKILL') {
      // It could not start, on a full disk say; whoever supervises it tries again.
      if (armed !== null) deck.missed(armed.point);
      await delay(START_AGAIN_MS);
      continue;
    }
    killed += 1;
    if (armed !== null) deck[wasReached ? 'fired' : 'missed'](armed.point);
    lives.killed(`relay killed ${wasReached ? `at ${armed?.setting}` : 'at random'}`);
    const torn = random.chance(TEAR_CHANCE) ? tearJournal(rig.relayStateDir, random) : null;
    say(`relay ${killed}: ${wasReached ? armed?.setting : 'at random'}${torn === null ? '' : `; journal: ${torn}`}`);
    await delay(random.below(DOWN_MS_MAX));
  }
  rig.startRelay(null);
  return killed;
}

/** Gives the number of kills. */
export async function killEdges(ports: KillPorts, kills: number): Promise<number> {
  const { rig, recoveries, edgePoints: deck, say } = ports;
  const random = randomOf(ports.seed, 'edge kills');
  const lives = armer(deck, recoveries, random);
  if (kills > 0) await rig.stopEdge();
  let killed = 0;
  while (killed < kills && !ports.isOver()) {
    const armed = lives.next();
    const reached = rig.edgeReached();
    const edge = await rig.startEdge(armed?.setting ?? null);
    const moment = armed === null ? recoveredThenRandom(ports, random) : delay(ARMED_MS_MAX);
    const point = await Promise.race([reached, moment.then(() => null)]);
    await edge.kill();
    killed += 1;
    if (armed !== null) deck[point === armed.point ? 'fired' : 'missed'](armed.point);
    lives.killed(`workerd killed ${point === null ? 'at random' : `at ${armed?.setting}`}`);
    say(`workerd ${killed}: ${point === null ? 'at random' : armed?.setting}`);
    await delay(random.below(DOWN_MS_MAX));
  }
  if (kills > 0) await rig.startEdge(null);
  return killed;
}

function armer<Point extends string>(deck: PointDeck<Point>, recoveries: Recoveries, random: Random) {
  let unrecovered = 0;
  return {
    next: (): { point: Point; setting: string } | null =>
      random.chance(RANDOM_CHANCE) || unrecovered >= LIVES_UNRECOVERED_MAX ? null : deck.draw(),
    killed: (what: string): void => {
      unrecovered = recoveries.owed() === 0 ? 0 : unrecovered + 1;
      recoveries.blow(what);
    },
  };
}

async function recoveredThenRandom({ recoveries, isOver }: KillPorts, random: Random): Promise<void> {
  const afterMs = random.below(RANDOM_AFTER_MS_MAX);
  for (let waitedMs = 0; recoveries.owed() > 0 && waitedMs < RECOVER_MS_MAX && !isOver(); waitedMs += 100)
    await delay(100);
  await delay(afterMs);
}
