// What a machine's hostname decides about its life, so that a story can be told by naming machines.

export type Fate = {
  /** The installation fails, after the usual time. */
  readonly failsDeploying: boolean;
  /** Power comes on, nothing boots; MAAS gives up after `neverBootsMs`. */
  readonly neverBoots: boolean;
  /** How many times the BMC refuses to power off before it obeys. */
  readonly bmcRefusals: number;
  /** Everything this machine does takes this many times as long. */
  readonly slowness: number;
  /** The first answer to each kind of mutating call about this machine is lost, though the work is done. */
  readonly losesAnswers: boolean;
};

/** Enough to see a retry, few enough that a teardown still ends. */
const BMC_REFUSALS = 2;
const SLOWNESS = 5;

/**
 * `fails-deploying-…`, `never-boots-…`, `fails-releasing-…` (the BMC refuses twice, then obeys),
 * `fails-releasing-always-…`, `slow-…`, `loses-answers-…`. Any other name lives normally.
 */
export function fateOf(hostname: string): Fate {
  const always = hostname.startsWith('fails-releasing-always');
  return {
    failsDeploying: hostname.startsWith('fails-deploying'),
    neverBoots: hostname.startsWith('never-boots'),
    bmcRefusals: always ? Number.POSITIVE_INFINITY : hostname.startsWith('fails-releasing') ? BMC_REFUSALS : 0,
    slowness: hostname.startsWith('slow-') ? SLOWNESS : 1,
    losesAnswers: hostname.startsWith('loses-answers'),
  };
}
