// What an upgrade in a gateway's life is about: which release is published, whether its program is any good, and what becomes of the
// order. Drawn from a stream of its own.
import type { MachinesRelease } from '../../shared/release.ts';
import type { Random } from './prng.ts';

/** What a program does when it runs. Only the first is the shipped relay from its start to its end. */
export const CONDUCTS = [
  'sound',
  /** Ends as soon as it is started for its trial. */
  'ends-in-trial',
  /** Runs, and never dials. */
  'never-dials',
  /** Gets through its trial, and ends when it has the folder. */
  'ends-when-serving',
  /** The same, and stands still. */
  'stands-still',
  /** Serves while it is watched, and ends whenever it is started by itself. */
  'ends-alone',
] as const;
export type Conduct = (typeof CONDUCTS)[number];

/** `forged`: signed by somebody else. `tampered`: signed well, and the console gives out other bytes. `older`: than what runs. */
export type Publishing = 'signed' | 'forged' | 'tampered' | 'older';

/** What its machines are to run besides: the rest of what they run now. */
export type MachinesWish = Partial<Pick<MachinesRelease, 'image' | 'kubernetesVersion'>>;

export type UpgradePlan = {
  /** Counted from the end of the installation. */
  readonly afterMs: number;
  readonly publishing: Publishing;
  readonly conduct: Conduct;
  /** Null: they stay as they are. */
  readonly machines: MachinesWish | null;
  /** Counted from the order; null: at once. */
  readonly window: { readonly startsMs: number; readonly lengthMs: number } | null;
  /** It is taken back so long after the order, if it has not begun. */
  readonly cancelAfterMs: number | null;
  /** Somebody has every machine that is free, for so long. */
  readonly noSpareMs: number;
  /** Of the users' clusters: asked for when the gateway runs, or when the upgrade was asked for. */
  readonly clustersCome: 'before' | 'meanwhile';
};

const MINUTE_MS = 60_000;
export const OTHER_IMAGE = 'ubuntu/jammy';
const NEXT_PATCH = 'v1.36.9';
const NEXT_MINOR = 'v1.37.1';
const TOO_FAR = 'v1.38.0';

export function upgradePlan(random: Random, withFaults: boolean): UpgradePlan {
  const afterMs = random.between(0, withFaults ? 3 * MINUTE_MS : 10_000);
  const drawn = {
    publishing: random.chance(0.15) ? random.pick<Publishing>(['forged', 'tampered', 'older']) : 'signed',
    conduct: random.chance(0.25) ? random.pick(CONDUCTS) : 'sound',
    machines: random.pick<MachinesWish | null>([
      null,
      { image: OTHER_IMAGE },
      { kubernetesVersion: NEXT_PATCH },
      { image: OTHER_IMAGE, kubernetesVersion: NEXT_MINOR },
      { kubernetesVersion: random.chance(0.3) ? TOO_FAR : NEXT_MINOR },
    ]),
    window: random.chance(0.25)
      ? { startsMs: random.between(1, 4) * MINUTE_MS, lengthMs: random.between(1, 5) * MINUTE_MS }
      : null,
    cancelAfterMs: random.chance(0.1) ? random.between(0, 5 * MINUTE_MS) : null,
    noSpareMs: random.chance(0.25) ? random.between(1, 12) * MINUTE_MS : 0,
    clustersCome: random.pick(['before', 'meanwhile'] as const),
  } as const;
  if (withFaults) return { afterMs, ...drawn };
  // Every moment of a life without faults is tried: what is played then is an upgrade that comes about.
  return {
    ...{ afterMs, publishing: 'signed', conduct: 'sound', machines: drawn.machines ?? { image: OTHER_IMAGE } },
    ...{ window: null, cancelAfterMs: null, noSpareMs: 0, clustersCome: 'meanwhile' },
  };
}

/** Whether a relay could ever run that program for good. */
export const isGood = ({ publishing, conduct }: UpgradePlan): boolean => publishing === 'signed' && conduct === 'sound';

export const isTooFar = ({ machines }: UpgradePlan): boolean => machines?.kubernetesVersion === TOO_FAR;
