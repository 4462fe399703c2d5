// What is done to a running relay besides killing it: held still past its lease, its tunnel cut or left half open, its disk
// filled. One at a time, in turn; each waits until the clusters have got over what was before.
import { setTimeout as delay } from 'node:timers/promises';
import { type Random, randomOf } from '../simulation/prng.ts';
import type { RelayProcess } from '../support/relay-process.ts';
import type { Recoveries } from './recovery.ts';
import type { Rig } from './rig.ts';

/** Longer than the lease in production, which is 15 s. */
const STOPPED_MS = 20_000;
const FULL_MS_MIN = 3_000;
const FULL_MS_MAX = 8_000;
/** So that twenty kills have each kind once. */
const FIRST_AFTER_KILLS = 1;
const BETWEEN_KILLS = 4;
/** In a long run each comes a few times only, since they are slow. */
const TURNS_MAX = 16;
const RECOVER_MS_MAX = 120_000;

export const MISCHIEF = ['stopped', 'cut', 'half-open', 'disk-full'] as const;
export type Mischief = (typeof MISCHIEF)[number];

export type MischiefPorts = {
  readonly rig: Rig;
  readonly recoveries: Recoveries;
  readonly seed: number;
  isOver(): boolean;
  say(line: string): void;
};

export type MischiefMaker = ReturnType<typeof createMischief>;

/** `perform` is called at each life of a relay; mostly it does nothing. */
export function createMischief(ports: MischiefPorts) {
  const random = randomOf(ports.seed, 'mischief');
  const counts: Record<Mischief, number> = { stopped: 0, cut: 0, 'half-open': 0, 'disk-full': 0 };
  let turn = 0;
  let dueAt = FIRST_AFTER_KILLS;
  /** Whether the next life of the relay is for mischief; it must not be armed then, or it dies of something else. */
  const isDue = (killed: number): boolean => killed >= dueAt && turn < TURNS_MAX && !ports.isOver();
  const perform = async (killed: number, relay: RelayProcess): Promise<void> => {
    if (!isDue(killed)) return;
    const kind = MISCHIEF[turn % MISCHIEF.length];
    if (kind === undefined || !(await settled(ports, relay))) return;
    turn += 1;
    dueAt = killed + BETWEEN_KILLS;
    if (kind === 'disk-full' && ports.rig.disk.fill === null) return;
    await delay(random.below(2_000));
    ports.say(`relay: ${kind}`);
    await ACTS[kind](ports, relay, random);
    counts[kind] += 1;
    await settled(ports, relay);
  };
  return { counts, isDue, perform };
}

type Act = (ports: MischiefPorts, relay: RelayProcess, random: Random) => Promise<void>;

const ACTS: Readonly<Record<Mischief, Act>> = {
  stopped: async ({ recoveries }, relay) => {
    const over = recoveries.trouble('relay held still for 20 s');
    relay.kill('SIGSTOP');
    await delay(STOPPED_MS);
    relay.kill('SIGCONT');
    over();
  },
  cut: async ({ rig, recoveries }, _relay, random) => {
    for (let cuts = 1 + random.below(3); cuts > 0; cuts -= 1) {
      rig.proxy.cut();
      recoveries.blow('tunnel cut');
      await delay(random.below(2_000));
    }
  },
  // Nobody heals this one: the relay has to find out.
  'half-open': async ({ rig, recoveries }) => {
    rig.proxy.halfOpen();
    recoveries.blow('tunnel half open');
  },
  'disk-full': async ({ rig, recoveries }, relay, random) => {
    const over = recoveries.trouble("relay's disk full");
    rig.disk.fill?.();
    const freed = delay(random.between(FULL_MS_MIN, FULL_MS_MAX)).then(() => {
      rig.disk.free();
      over();
    });
    // Every other time it is started again while the disk is full still.
    if (random.chance(0.5)) relay.kill('SIGKILL');
    else await freed;
  },
};

/** False when the relay has ended meanwhile. */
async function settled({ recoveries, isOver }: MischiefPorts, relay: RelayProcess): Promise<boolean> {
  let hasEnded = false;
  void relay.ended.then(() => {
    hasEnded = true;
  });
  for (let waitedMs = 0; recoveries.owed() > 0 && waitedMs < RECOVER_MS_MAX; waitedMs += 100) {
    if (hasEnded || isOver()) return false;
    await delay(100);
  }
  return !hasEnded;
}
