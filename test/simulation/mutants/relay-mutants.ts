import type { Mutant } from './mutant.ts';
export const RELAY_MUTANTS: readonly Mutant[] = [];
