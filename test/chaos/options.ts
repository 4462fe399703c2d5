// The command line of `npm run chaos`.
import { parseArgs } from 'node:util';
import { z } from 'zod';
import type { Result } from '../../shared/result.ts';
import { checkOptions, parseFlags, whole } from '../support/command-line.ts';

export const CHAOS_HELP = `npm run chaos -- [options]

Runs Slipway's processes on this machine, the relay and workerd each as one of its own, makes and deletes clusters all the
time, and kills, stops, cuts, fills and tears meanwhile. The lab's book of MAAS calls then tells whether anything leaked or was
taken twice. Exits 1 if so, if a cluster never came to its end, or if one stood still for more than a minute after a blow.

Options
  --relay-kills N      SIGKILLs of the relay (default 20)
  --edge-kills N       SIGKILLs of workerd (default 10)
  --seconds MAX        no more kills after this long (default: 15 s for each relay kill, at least 300)
  --lanes N            clusters at the same time (default 3)
  --seed S             choices are drawn from it (default: drawn and printed)
  --production-waits   lease and guard as in production: 15 s and 50 s instead of 3 s and 2 s. A relay that was killed then waits
                       up to 65 s for what its predecessor had begun, so recovery is above a minute by design
  --log FILE           everything the processes say goes here
  --json               only the last line of JSON on stdout; progress goes to stderr
  --help               this text
`;

const ChaosOptions = z.strictObject({
  relayKills: whole('relay-kills', 0, 10_000),
  edgeKills: whole('edge-kills', 0, 10_000),
  seconds: whole('seconds', 1, 100_000).optional(),
  lanes: whole('lanes', 1, 10),
  seed: whole('seed', 0, 2 ** 31 - 1).optional(),
  productionWaits: z.boolean(),
  log: z.string().optional(),
  json: z.boolean(),
  help: z.boolean(),
});
export type ChaosOptions = z.infer<typeof ChaosOptions>;

export function parseChaosOptions(argv: readonly string[]): Result<ChaosOptions, string> {
  const flags = parseFlags(() => parseChaosArgs(argv));
  if (!flags.ok) return flags;
  const {
    'relay-kills': relayKills,
    'edge-kills': edgeKills,
    'production-waits': productionWaits,
    ...rest
  } = flags.value;
  return checkOptions(ChaosOptions, { relayKills, edgeKills, productionWaits, ...rest });
}

function parseChaosArgs(argv: readonly string[]) {
  return parseArgs({
    args: [...argv],
    options: {
      'relay-kills': { type: 'string', default: '20' },
      'edge-kills': { type: 'string', default: '10' },
      seconds: { type: 'string' },
      lanes: { type: 'string', default: '3' },
      seed: { type: 'string' },
      'production-waits': { type: 'boolean', default: false },
      log: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  }).values;
}
