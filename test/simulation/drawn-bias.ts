// A bias for each seed: few kinds of faults, each far likelier than in an ordinary life, so that the same few meet again and again.
// Ordinary lives know more kinds, and each seldom; what takes three of one kind and two of another hardly ever comes about there.
import type { Bias } from './bias.ts';
import { ACTS, CHANCES, type Chance } from './faults.ts';
import { isGatewayWorkload } from './gateway-scenario.ts';
import { type Random, randomOf } from './prng.ts';
import { WORKLOADS } from './scenario.ts';

const STORMS_MS = [300_000, 600_000, 900_000, 1_500_000] as const;
const LIKELY = [0.2, 0.4, 0.6, 0.8] as const;
/** Of those below so much in an ordinary life: struck more often, a relay or an object gets nothing done. */
const DRASTIC_MAX = 0.03;
const DRASTIC_FACTOR = 4;
const KINDS_MAX = 4;
const ACTS_MAX = 3;

/** The same for the same seed; of a stream of its own. */
export function drawnBias(seed: number): Bias {
  const random = randomOf(seed, 'drawn-bias');
  const workload = random.pick(WORKLOADS);
  const stormMs = random.pick(STORMS_MS);
  const acts = some(ACTS, random.below(ACTS_MAX + 1), random).map((act) => {
    const from = random.pick([0, 60_000, 150_000]);
    return { act, times: random.pick([2, 4, 8]), betweenMs: [from, stormMs] as [number, number] };
  });
  return {
    workload,
    stormMs,
    only: true,
    sparesReads: random.chance(0.5),
    rates: ratesOf(random),
    acts,
    ...(isGatewayWorkload(workload) ? gatewayPart(workload === 'gateway-upgrade', random) : clusterPart(random)),
  };
}

function ratesOf(random: Random): Partial<Record<Chance, number>> {
  const kinds = some(Object.keys(CHANCES) as Chance[], random.between(1, KINDS_MAX), random); // keys of CHANCES
  return Object.fromEntries(
    kinds.map((kind) => [
      kind,
      CHANCES[kind] <= DRASTIC_MAX ? CHANCES[kind] * random.between(1, DRASTIC_FACTOR) : random.pick(LIKELY),
    ]),
  );
}

function gatewayPart(isUpgraded: boolean, random: Random): Bias {
  const size: Bias = random.chance(0.4) ? { gatewaySize: 3 } : {};
  return isUpgraded ? { ...size, changesMachines: random.chance(0.5) } : size;
}

function clusterPart(random: Random): Bias {
  const relays = random.pick<1 | 2>([1, 2]);
  return random.chance(0.5) ? { relays, rival: true, spare: random.below(3) } : { relays };
}

/** `count` different ones of `list`. */
function some<T>(list: readonly T[], count: number, random: Random): T[] {
  const left = [...list];
  return Array.from({ length: count }, () => left.splice(random.below(left.length), 1)).flat();
}
