import type { Mutant } from './mutant.ts';
export const EDGE_MUTANTS: readonly Mutant[] = [];
