// The command line of `npm run simulate`.
import { parseArgs } from 'node:util';
import { z } from 'zod';
import type { Result } from '../../shared/result.ts';
import { checkOptions, parseFlags, whole } from '../support/command-line.ts';
import { Bias } from './bias.ts';
import { WORKLOADS } from './scenario.ts';

export const SIMULATE_HELP = `npm run simulate -- [mode] [options]

Plays whole lives of clusters in one process and no real time: the shipped planner, objects, tunnel, relay and MAAS driver, the
lab's MAAS, machines that enrol and a light Kubernetes. A seed decides everything, so the same seed is the same life. After every
event it is checked that nothing leaked, nothing was taken twice and nothing was forgotten. Exits 1 if something was, 2 when the
command line is wrong.

Modes
  (none)               many seeds, those that once found a bug first: tells violations, and faults and transitions never played
  --seed N             one seed; prints its scenario, violations, hash and endings
  --crash-points       a fault-free life of each workload, lost at each of its moments in each way, one loss a life
  --mutants            whether bugs put in on purpose are found
  --soak               weeks of a site's life: whether anything grows

Options
  --seeds N            many seeds: fresh ones, and to each eight one life more, of a gateway on machines of its own, every other of them upgraded; nothing but such from --start 1000000000 on, nothing but upgrades from 2000000000 on (default 100); --mutants: tried for each bug, at most (default 10000); --soak: lives (default 1)
  --start S            the first of them, for many seeds and --soak (default 1)
  --workers N          threads; more than there are cores gain nothing (default 2)
  --trace              with --seed: every line of what happens
  --calm               with --seed: without faults
  --workload W         with --seed or --crash-points: only ${WORKLOADS.join(', ')}
  --bias JSON          with --seed, or many seeds: what is likelier than chance has it, as a mutant's bias (bias.ts); \`drawn\`: each seed draws one; of many seeds only the fresh ones are played
  --pairs N            with --crash-points: also N lives that lose something twice (default 0)
  --mutant NAME        with --mutants: only this bug
  --days N             with --soak: how long (default 30)
  --json               only the last line, of JSON, and what was violated; how far it is goes to standard error
  --help               this text

The last line is JSON. Of many seeds: \`hash\` is the same for the same seeds, whatever thread played which, and \`seedsPerSecond\`
is of the clock on the wall, with the start of the threads in it.
`;

const BiasText = z.string().transform((text, context) => {
  if (text === 'drawn') return text;
  const wrong = (why: string) => {
    context.addIssue({ code: 'custom', message: `--bias takes 'drawn' or JSON: ${why}` });
    return z.NEVER;
  };
  try {
    const bias = Bias.safeParse(JSON.parse(text));
    return bias.success ? bias.data : wrong(z.prettifyError(bias.error));
  } catch (error) {
    return wrong(String(error));
  }
});

const SimulateOptions = z.strictObject({
  seed: whole('seed', 0, 2 ** 31 - 1).optional(),
  crashPoints: z.boolean(),
  mutants: z.boolean(),
  soak: z.boolean(),
  seeds: whole('seeds', 0, 10_000_000).optional(),
  start: whole('start', 0, 2 ** 31 - 1),
  workers: whole('workers', 1, 256),
  trace: z.boolean(),
  calm: z.boolean(),
  workload: z.enum(WORKLOADS, `--workload is one of ${WORKLOADS.join(', ')}`).optional(),
  bias: BiasText.optional(),
  pairs: whole('pairs', 0, 1_000_000),
  mutant: z.string().optional(),
  days: whole('days', 1, 3_650),
  json: z.boolean(),
  help: z.boolean(),
});
export type SimulateOptions = z.infer<typeof SimulateOptions>;

export function parseSimulateOptions(argv: readonly string[]): Result<SimulateOptions, string> {
  const flags = parseFlags(() => parseSimulateArgs(argv));
  if (!flags.ok) return flags;
  const { 'crash-points': crashPoints, ...rest } = flags.value;
  return checkOptions(SimulateOptions, { crashPoints, ...rest });
}

function parseSimulateArgs(argv: readonly string[]) {
  return parseArgs({
    args: [...argv],
    options: {
      seed: { type: 'string' },
      'crash-points': { type: 'boolean', default: false },
      mutants: { type: 'boolean', default: false },
      soak: { type: 'boolean', default: false },
      seeds: { type: 'string' },
      start: { type: 'string', default: '1' },
      workers: { type: 'string', default: '2' },
      trace: { type: 'boolean', default: false },
      calm: { type: 'boolean', default: false },
      workload: { type: 'string' },
      bias: { type: 'string' },
      pairs: { type: 'string', default: '0' },
      mutant: { type: 'string' },
      days: { type: 'string', default: '30' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  }).values;
}
