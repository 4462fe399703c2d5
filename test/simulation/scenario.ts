// What one seed is about: how many machines of which fates, which clusters are asked for and when they are ended, how many
// relays, and who else is after the machines.
import type { ClusterSpecInput } from '../../shared/cluster-spec.ts';
import type { Waits } from '../../shared/limits.ts';
import type { Bias } from './bias.ts';
import { FATES, type Fate } from './faults.ts';
import {
  GATEWAY_SEEDS_FROM,
  GATEWAY_WORKLOADS,
  type GatewayPlan,
  gatewayScenario,
  isGatewayWorkload,
} from './gateway-scenario.ts';
import { type Random, randomOf } from './prng.ts';

/** On a gateway whose relays run on hosts of their own. */
const HOST_WORKLOADS = ['create-one', 'create-three', 'delete', 'abort', 'replace', 'failover'] as const;
type HostWorkload = (typeof HOST_WORKLOADS)[number];
export const WORKLOADS = [...HOST_WORKLOADS, ...GATEWAY_WORKLOADS] as const;
export type Workload = (typeof WORKLOADS)[number];

export type ClusterWish = {
  readonly id: string;
  readonly name: string;
  readonly controlPlanes: number;
  readonly workers: number;
  readonly erase: NonNullable<ClusterSpecInput['erase']>;
  readonly createAfterMs: number;
  /** When its end is asked for, after the creation; null: it stays. Refused ends are asked for again the other way. */
  readonly end: { readonly afterMs: number; readonly kind: 'abort' | 'delete' } | null;
};

export type Scenario = {
  readonly seed: number;
  readonly workload: Workload;
  readonly machines: number;
  readonly hostnames: readonly string[];
  readonly fates: readonly Fate[];
  readonly relays: 1 | 2;
  readonly clusters: readonly ClusterWish[];
  readonly human: boolean;
  readonly withFaults: boolean;
  /** How long things go wrong. */
  readonly stormMs: number;
  readonly bias: Bias | null;
  /** The machines it shall stand on; null: its relays run on hosts. */
  readonly gateway: GatewayPlan | null;
};

/** Shorter than production's, in the same order, so that a life takes minutes. */
export const SIMULATED_WAITS: Waits = {
  leaseGuardMs: 50_000,
  unknownClaimLookupMs: 600_000,
  allocateDeadlineMs: 120_000,
  deployDeadlineMs: 600_000,
  joinDeadlineMs: 300_000,
  releaseDeadlineMs: 180_000,
  commandDeadlineMs: 120_000,
  shortageDeadlineMs: 900_000,
  retryMsMin: 2_000,
  retryMsMax: 60_000,
};

/** As in production it ends before the time to join by more than a join takes. */
export const SIMULATED_JOIN_TOKEN_MS = 240_000;

const MINUTE_MS = 60_000;

export type ScenarioOptions = {
  readonly workload?: Workload;
  readonly withFaults: boolean;
  readonly bias?: Bias | null;
};

export function scenarioOf(seed: number, options: ScenarioOptions): Scenario {
  const asked = options.workload ?? options.bias?.workload ?? null;
  const bias = options.bias ?? null;
  if (asked === null && seed >= GATEWAY_SEEDS_FROM) return gatewayScenario(seed, null, options.withFaults, bias);
  if (asked !== null && isGatewayWorkload(asked)) return gatewayScenario(seed, asked, options.withFaults, bias);
  const drawn = drawnBy(seed, options, asked);
  return options.bias == null ? drawn : biased(drawn, options.bias);
}

function drawnBy(seed: number, options: ScenarioOptions, asked: HostWorkload | null): Scenario {
  const random = randomOf(seed, 'scenario');
  const workload = asked ?? random.pick(HOST_WORKLOADS);
  const main = mainWish(workload, random);
  const rival = options.withFaults && random.chance(0.4);
  const wanted = main.controlPlanes + main.workers;
  const isShort = options.withFaults && random.chance(0.04);
  const machines = isShort ? wanted - 1 : wanted + random.between(1, 4) + (rival ? random.below(3) : 0);
  const fates = options.withFaults || workload === 'replace' ? fatesOf(workload, machines, wanted, random) : [];
  return {
    seed,
    workload,
    machines,
    fates: fates.map(({ fate }) => fate),
    hostnames: Array.from({ length: machines }, (_, index) => {
      const fate = fates.find((one) => one.index === index)?.fate;
      return fate === undefined ? `node-${index + 1}` : `${fate}-${index + 1}`;
    }),
    relays: workload === 'failover' || random.chance(0.3) ? 2 : 1,
    clusters: rival ? [main, rivalWish(random)] : [main],
    human: options.withFaults && random.chance(0.4),
    withFaults: options.withFaults,
    stormMs: !options.withFaults ? 0 : (random.chance(0.1) ? random.between(10, 30) : random.between(2, 9)) * MINUTE_MS,
    bias: null,
    gateway: null,
  };
}

/** What the bias says in place of what was drawn; its own draws are a stream of their own. */
function biased(drawn: Scenario, bias: Bias): Scenario {
  const random = randomOf(drawn.seed, 'bias');
  const [first, ...others] = drawn.clusters;
  if (first === undefined) throw new Error('a scenario without a cluster');
  const { end } = bias;
  const main =
    end === undefined ? first : { ...first, end: { kind: end.kind, afterMs: random.between(...end.afterMs) } };
  const rivals = bias.rival === undefined ? others : bias.rival ? [others[0] ?? rivalWish(random)] : [];
  const machines = bias.spare === undefined ? drawn.machines : main.controlPlanes + main.workers + bias.spare;
  const healthy = Array.from({ length: machines }, (_, index) => `node-${index + 1}`);
  return {
    ...drawn,
    machines,
    hostnames: bias.only === true ? healthy : healthy.map((name, index) => drawn.hostnames[index] ?? name),
    fates: bias.only === true ? [] : drawn.fates,
    relays: bias.relays ?? drawn.relays,
    clusters: [main, ...rivals],
    human: bias.only !== true && drawn.human,
    stormMs: bias.stormMs ?? drawn.stormMs,
    bias,
  };
}

function mainWish(workload: HostWorkload, random: Random): ClusterWish {
  const large =
    workload === 'create-three' || ((workload === 'replace' || workload === 'failover') && random.chance(0.4));
  const common = {
    id: 'clu_main',
    name: 'main',
    controlPlanes: large ? 3 : 1,
    workers: large ? random.below(3) : random.between(0, 2),
    erase: random.pick<ClusterWish['erase']>(['none', 'quick', 'quick']),
    createAfterMs: random.between(0, 30_000),
  };
  switch (workload) {
    case 'delete':
      return { ...common, end: { afterMs: random.between(3, 8) * MINUTE_MS, kind: 'delete' } };
    case 'abort':
      return {
        ...common,
        end: { afterMs: random.chance(0.2) ? random.below(1_000) : random.between(1, 240) * 1_000, kind: 'abort' },
      };
    default:
      return {
        ...common,
        end: random.chance(0.3) ? { afterMs: random.between(3, 9) * MINUTE_MS, kind: 'delete' } : null,
      };
  }
}

function rivalWish(random: Random): ClusterWish {
  return {
    id: 'clu_rival',
    name: 'rival',
    controlPlanes: 1,
    workers: random.below(2),
    erase: 'none',
    createAfterMs: random.between(0, 120_000),
    end: random.chance(0.5)
      ? { afterMs: random.between(30, 600) * 1_000, kind: random.pick<'abort' | 'delete'>(['abort', 'delete']) }
      : null,
  };
}

function fatesOf(
  workload: HostWorkload,
  machines: number,
  wanted: number,
  random: Random,
): { index: number; fate: Fate }[] {
  const share = workload === 'replace' ? 0.3 : 0.12;
  const found: { index: number; fate: Fate }[] = [];
  for (let index = 0; index < machines; index += 1) {
    const fate = random.pick(FATES);
    // Enough healthy ones are left for the cluster to come about.
    if (random.chance(share) && machines - found.length > wanted) found.push({ index, fate });
  }
  return found;
}
