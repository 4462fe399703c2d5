import type { Mutant } from './mutant.ts';
export const PLAN_MUTANTS: readonly Mutant[] = [];
