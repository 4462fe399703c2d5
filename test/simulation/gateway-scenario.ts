// What a life of a gateway on machines of its own is about. Drawn from streams of its own: lives on hosts are what they were.
import type { Bias } from './bias.ts';
import { type Random, randomOf } from './prng.ts';
import type { ClusterWish, Scenario, Workload } from './scenario.ts';
import { OTHER_IMAGE, type UpgradePlan, upgradePlan } from './upgrade-scenario.ts';

const DRAWN_WORKLOADS = ['gateway-install', 'gateway-resize', 'gateway-failover', 'gateway-delete'] as const;
export const GATEWAY_WORKLOADS = [...DRAWN_WORKLOADS, 'gateway-upgrade'] as const;
export type GatewayWorkload = (typeof GATEWAY_WORKLOADS)[number];

/** Seeds from here on are lives of gateways on machines of their own. */
export const GATEWAY_SEEDS_FROM = 1_000_000_000;
/** And from here on they are upgraded, all of them. */
export const UPGRADE_SEEDS_FROM = 2_000_000_000;

export const LEADER_LOSSES = ['killed', 'paused', 'machine-lost'] as const;

/** Moments are counted from the end of the installation. */
export type GatewayPlan = {
  readonly size: 1 | 3;
  readonly installAfterMs: number;
  readonly growAfterMs: number | null;
  readonly leaderLost: { readonly afterMs: number; readonly how: (typeof LEADER_LOSSES)[number] } | null;
  readonly deleteAfterMs: number | null;
  readonly upgrade: UpgradePlan | null;
};

const MINUTE_MS = 60_000;

export const isGatewayWorkload = (name: Workload): name is GatewayWorkload =>
  GATEWAY_WORKLOADS.some((workload) => workload === name);

export function gatewayScenario(
  seed: number,
  workload: GatewayWorkload | null,
  withFaults: boolean,
  bias: Bias | null,
): Scenario {
  const random = randomOf(seed, 'gateway-scenario');
  const drawn = random.pick(DRAWN_WORKLOADS);
  const played = workload ?? (seed < UPGRADE_SEEDS_FROM ? drawn : 'gateway-upgrade');
  const upgrade = played === 'gateway-upgrade' ? upgradePlan(randomOf(seed, 'upgrade-scenario'), withFaults) : null;
  const plan = biased({ ...planOf(played, random, withFaults), upgrade }, bias);
  const clusters = clustersOf(played, random, withFaults);
  const own = plan.growAfterMs === null ? plan.size : 3;
  const wanted = own + clusters.reduce((sum, { controlPlanes, workers }) => sum + controlPlanes + workers, 0);
  const spare = (withFaults ? random.between(2, 4) : 1) + (upgrade !== null && withFaults ? 1 : 0);
  const machines = wanted + spare;
  return {
    seed,
    workload: played,
    machines,
    hostnames: Array.from({ length: machines }, (_, index) => `node-${index + 1}`),
    fates: [],
    relays: 1,
    clusters,
    human: withFaults && random.chance(0.4),
    withFaults,
    stormMs: bias?.stormMs ?? (withFaults ? random.between(3, random.chance(0.15) ? 14 : 9) * MINUTE_MS : 0),
    bias,
    gateway: plan,
  };
}

/** What the bias says in place of what was drawn. */
function biased(plan: GatewayPlan, bias: Bias | null): GatewayPlan {
  const machines = bias?.changesMachines === true ? { image: OTHER_IMAGE } : (plan.upgrade?.machines ?? null);
  const upgrade = plan.upgrade === null ? null : { ...plan.upgrade, machines };
  return { ...plan, size: bias?.gatewaySize ?? plan.size, upgrade };
}

function planOf(workload: GatewayWorkload, random: Random, withFaults: boolean): Omit<GatewayPlan, 'upgrade'> {
  // Every moment of a life without faults is tried: it is as short as it can be.
  const size = withFaults ? random.pick<1 | 3>([1, 1, 3]) : 1;
  const afterMs = random.between(0, withFaults ? 3 * MINUTE_MS : 10_000);
  const how = random.pick(LEADER_LOSSES);
  const base = { size, installAfterMs: random.between(0, 10_000), growAfterMs: null, leaderLost: null };
  switch (workload) {
    case 'gateway-install':
    case 'gateway-upgrade':
      return { ...base, deleteAfterMs: null };
    case 'gateway-resize':
      return { ...base, size: 1, growAfterMs: afterMs, deleteAfterMs: null };
    case 'gateway-failover':
      return { ...base, size: 3, leaderLost: { afterMs, how }, deleteAfterMs: null };
    case 'gateway-delete':
      return { ...base, deleteAfterMs: afterMs };
  }
}

/** Of users. On a gateway that is upgraded there may be two: one waits behind the other. */
function clustersOf(workload: GatewayWorkload, random: Random, withFaults: boolean): ClusterWish[] {
  const cluster = clusterOf(workload, random);
  const comes = random.chance(withFaults ? (workload === 'gateway-upgrade' ? 0.7 : 0.4) : 0);
  if (!comes && workload !== 'gateway-failover') return [];
  if (workload !== 'gateway-upgrade' || !random.chance(0.4)) return [cluster];
  const other = { ...clusterOf(workload, random), id: 'clu_rival', name: 'rival', workers: 0 };
  return [cluster, other];
}

/** On the gateway as soon as it may be. */
function clusterOf(workload: GatewayWorkload, random: Random): ClusterWish {
  const ends = workload === 'gateway-delete' || random.chance(0.5);
  return {
    id: 'clu_main',
    name: 'main',
    controlPlanes: 1,
    workers: random.below(2),
    erase: random.pick<ClusterWish['erase']>(['none', 'quick']),
    createAfterMs: random.between(0, 60_000),
    end: ends ? { afterMs: random.between(1, 6) * MINUTE_MS, kind: 'delete' } : null,
  };
}
