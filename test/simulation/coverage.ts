// What a run of many seeds must have tried (reliability.md R4): each kind of fault in 1 % of the seeds, each edge of the state
// machines at least so often. Asked only of runs that are long enough to tell.

import { EDGES, GATEWAY_EDGES, UPGRADE_EDGES } from './edges.ts';
import { ACTS, CHANCES, FATES, GATEWAY_FAULTS } from './faults.ts';

/** CI plays 2,000 seeds, and 250 lives of gateways. */
const SEEDS_ASKED_FROM = 1_500;
/** From so many on the figures are taken as they are; of fewer seeds chance may take three standard deviations. */
const SEEDS_EXACT_FROM = 5_000;
const FAULT_RATE_MIN = 0.01;
/** At least 100 times in 5,000 seeds. */
const EDGE_RATE_MIN = 0.02;

export type Covered = {
  readonly seeds: number;
  /** Those of them that are lives of gateways on machines of their own. */
  readonly gateways: number;
  /** And those of these that are upgraded. */
  readonly upgrades: number;
  /** Seeds in which each kind fired. */
  readonly faults: ReadonlyMap<string, number>;
  /** Times each edge was passed. */
  readonly edges: ReadonlyMap<string, number>;
};

export function missingFrom(covered: Covered): string[] {
  return [...missingOfAll(covered), ...missingOfGateways(covered), ...missingOfUpgrades(covered)];
}

/** Faults and transitions that only they know; of all of them, whether or not they are upgraded. */
function missingOfGateways({ gateways, faults, edges }: Covered): string[] {
  return gateways < SEEDS_ASKED_FROM ? [] : missing(gateways, GATEWAY_FAULTS, GATEWAY_EDGES, { faults, edges });
}

function missingOfUpgrades({ upgrades, faults, edges }: Covered): string[] {
  return upgrades < SEEDS_ASKED_FROM ? [] : missing(upgrades, [], UPGRADE_EDGES, { faults, edges });
}

function missingOfAll({ seeds, gateways, faults, edges }: Covered): string[] {
  // Machines of gateways have no fates, and their clusters few ways to go.
  const hosts = seeds - gateways;
  if (hosts < SEEDS_ASKED_FROM) return [];
  const kinds: string[] = [...Object.keys(CHANCES), ...ACTS, ...FATES.map((fate) => `fate-${fate}`)];
  return missing(hosts, kinds, EDGES, { faults, edges });
}

function missing(
  seeds: number,
  kinds: readonly string[],
  wanted: readonly string[],
  { faults, edges }: Pick<Covered, 'faults' | 'edges'>,
): string[] {
  const rare = kinds.filter((kind) => (faults.get(kind) ?? 0) < fewest(seeds, FAULT_RATE_MIN));
  const lacking = wanted.filter((edge) => (edges.get(edge) ?? 0) < fewest(seeds, EDGE_RATE_MIN));
  return [
    ...rare.map((kind) => `fault ${kind} fired in ${faults.get(kind) ?? 0} of ${seeds} seeds: less than 1 %`),
    ...lacking.map((edge) => `edge ${edge} was passed ${edges.get(edge) ?? 0} times in ${seeds} seeds`),
  ];
}

function fewest(seeds: number, rate: number): number {
  const expected = seeds * rate;
  return seeds >= SEEDS_EXACT_FROM ? expected : expected - 3 * Math.sqrt(expected);
}
