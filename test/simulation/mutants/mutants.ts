// Bugs put in on purpose. A green simulator proves little until these die in it (reliability.md §0.3).
import { EDGE_MUTANTS } from './edge-mutants.ts';
import { GATEWAY_MUTANTS } from './gateway-mutants.ts';
import { MAAS_MUTANTS } from './maas-mutants.ts';
import type { Mutant } from './mutant.ts';
import { PLAN_MUTANTS } from './plan-mutants.ts';
import { RELAY_MUTANTS } from './relay-mutants.ts';

export const MUTANTS: readonly Mutant[] = [
  ...MAAS_MUTANTS,
  ...RELAY_MUTANTS,
  ...EDGE_MUTANTS,
  ...PLAN_MUTANTS,
  ...GATEWAY_MUTANTS,
];
