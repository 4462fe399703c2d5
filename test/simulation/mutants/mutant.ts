// One seeded bug, as text to be found once in a file of the product and text to be there instead.
import type { Bias } from '../bias.ts';

export type Patch = { readonly file: string; readonly from: string; readonly to: string };

export type Mutant = {
  readonly name: string;
  /** What a careless change would do, in a sentence. */
  readonly bug: string;
  readonly patches: readonly Patch[];
  /** What makes lives in which it shows likely. */
  readonly bias?: Bias;
  /** Seeds that are tried first. */
  readonly hints?: readonly number[];
  /** Why nothing needs to find it, for one that survives. */
  readonly argument?: string;
};
