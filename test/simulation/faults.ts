// Which faults a seed suffers. Each seed draws its own rates (swarm testing): many seeds lack many kinds altogether, so that
// one kind does not hide another. All of them end at `until`; what follows is the quiet phase.
import type { Bias } from './bias.ts';
import { type Random, randomOf } from './prng.ts';

/** Decided at each chance, by a rate. */
export const CHANCES = {
  'object-lost-before-commit': 0.01,
  'object-lost-after-commit': 0.01,
  'object-answer-lost': 0.01,
  'object-hibernates': 0.1,
  'rpc-lost': 0.05,
  'rpc-answer-lost': 0.05,
  'rpc-late': 0.1,
  'alarm-late': 0.2,
  'alarm-twice': 0.2,
  'alarm-exhausted': 0.03,
  'catalogue-error': 0.2,
  'catalogue-late': 0.2,
  'frame-late': 0.05,
  'socket-cut': 0.01,
  'socket-half-open': 0.005,
  'dial-fails': 0.3,
  'maas-never-sent': 0.05,
  'maas-request-lost': 0.05,
  'maas-answer-lost': 0.1,
  'maas-slow': 0.1,
  'maas-500': 0.05,
  'maas-500-done': 0.05,
  'maas-503': 0.05,
  'maas-409': 0.05,
  'maas-reordered': 0.05,
  'relay-lost-at-point': 0.02,
  'disk-full': 0.02,
  'kubernetes-away': 0.05,
  'machine-request-lost': 0.1,
  'machine-answer-lost': 0.1,
  'kubeadm-fails': 0.25,
} as const;
export type Chance = keyof typeof CHANCES;

/** Acts of the nemesis, at moments it draws. */
export const ACTS = [
  'relay-lost',
  'relay-pauses',
  'relay-clock-skewed',
  'relay-disk-full',
  'relay-journal-flipped',
  'disk-torn',
  'edge-deployed',
  'partition',
  'tunnel-away',
  'swizzle-clog',
  'human-takes',
  'human-releases',
  'human-breaks',
  'bmc-refuses',
  'rack-away',
  'machine-dies',
  'machine-reboots',
] as const;
export type Act = (typeof ACTS)[number];

export const FATES = ['fails-deploying', 'never-boots', 'fails-releasing', 'slow', 'loses-answers'] as const;
export type Fate = (typeof FATES)[number];

/** Of a gateway on machines of its own. */
export const GATEWAY_ACTS = [
  'installer-killed',
  'leader-killed',
  'leader-paused',
  'gateway-machine-reboots',
  'gateway-machine-lost',
  'gateway-machine-released',
] as const;
export type GatewayAct = (typeof GATEWAY_ACTS)[number];

/** A used pairing code is tried by a stranger in every life of such a gateway. */
export const GATEWAY_FAULTS = [...GATEWAY_ACTS, 'code-used-twice'] as const;

export type FaultKind = Chance | Act | `fate-${Fate}` | (typeof GATEWAY_FAULTS)[number];

export class Faults {
  /** Off while a world is set up. */
  isArmed = false;
  readonly fired = new Map<FaultKind, number>();
  readonly #rates = new Map<Chance, number>();
  readonly #random: Random;
  readonly #now: () => number;
  /** Moment from which nothing goes wrong any more. */
  until: number;
  /** When the last fault fired. */
  lastAt: number;
  /** Of requests that MAAS takes its time with. */
  readonly lateRequestMs: readonly [number, number];
  readonly sparesReads: boolean;
  readonly #notBefore: number;

  constructor(seed: number, now: () => number, until: number, withFaults: boolean, bias: Bias | null = null) {
    this.#random = randomOf(seed, 'faults');
    this.#now = now;
    this.until = until;
    this.lastAt = now();
    this.lateRequestMs = bias?.lateRequestMs ?? [1_000, 29_000];
    this.#notBefore = now() + (bias?.strikesAfterMs ?? 0);
    this.sparesReads = bias?.sparesReads ?? false;
    const swarm = randomOf(seed, 'swarm');
    const mild = swarm.fraction();
    for (const [kind, highest] of entriesOf(CHANCES)) {
      const isUsed = swarm.chance(0.35);
      const rate = highest * swarm.fraction() * (0.25 + 0.75 * mild);
      if (withFaults && isUsed && bias?.only !== true) this.#rates.set(kind, rate);
      const biased = bias?.rates?.[kind];
      if (biased !== undefined) this.#rates.set(kind, biased);
    }
  }

  /** Whether it happens now. Counted. */
  strikes(kind: Chance): boolean {
    const rate = this.#rates.get(kind);
    if (!this.isArmed || rate === undefined || this.#now() < this.#notBefore) return false;
    if (this.#now() >= this.until || !this.#random.chance(rate)) return false;
    this.count(kind);
    return true;
  }

  count(kind: FaultKind): void {
    this.fired.set(kind, (this.fired.get(kind) ?? 0) + 1);
    this.lastAt = this.#now();
  }

  get isOver(): boolean {
    return this.#now() >= this.until;
  }
}

function entriesOf(chances: typeof CHANCES): [Chance, number][] {
  const isChance = (name: string): name is Chance => name in chances;
  return Object.keys(chances)
    .filter(isChance)
    .map((name) => [name, chances[name]]);
}
