// The demo's command line.
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { err, type Result } from '../../shared/result.ts';
import { checkOptions, parseFlags, whole } from '../support/command-line.ts';

export const DEMO_HELP = `npm run demo -- [STORY] [options]

Starts the whole of Slipway on this machine: the control plane (workerd), a lab with a MAAS and its machines, and the real
relay process. Plays a story, shows what it waits for, and stays up until Ctrl-C.

Stories
  create                   (default) one cluster: machines, virtual address, Kubernetes, nodes ready
  gateway                  a gateway's own life: installed on one machine of MAAS from a pcg.yaml, upgraded while a cluster
                           waits in line, grown to three, a delete refused while that stands; with --exit all of it goes

Options
  --control-plane N        create: control-plane machines: 1, 3, 5 or 7 (default 1)
  --workers N              create: worker machines (default 2)
  --lab-machines N         machines in the lab's racks (default: the larger of 12 and what is asked + 4)
  --driver NAME            what plays the machines: simulated (default), cloud-init, or exec:PROGRAM; gateway: simulated only
  --inventory FILE         a lab.yaml with your own racks
  --port N                 the control plane's port (default: a free one)
  --exit                   delete everything at the end, check that nothing is left, and leave with 0 or 1
  --json                   print only one last line of JSON on stdout; progress goes to stderr
  --help                   this text
`;

const STORIES = ['create', 'gateway'] as const;

const DemoOptions = z
  .strictObject({
    story: z.enum(STORIES, `the stories are ${STORIES.join(' and ')}`),
    controlPlane: whole('control-plane', 1, 7).refine((size) => size % 2 === 1, '--control-plane takes 1, 3, 5 or 7'),
    workers: whole('workers', 0, 1_000),
    labMachines: whole('lab-machines', 1, 5_000).optional(),
    driver: z
      .string()
      .regex(/^(simulated|cloud-init|exec:.+)$/, '--driver takes simulated, cloud-init or exec:PROGRAM'),
    inventory: z.string().optional(),
    port: whole('port', 1, 65_535).optional(),
    exit: z.boolean(),
    json: z.boolean(),
    help: z.boolean(),
  })
  // Machines that run the real script take a packaged relay only, and the demo runs from the sources.
  .refine(({ story, driver }) => story === 'create' || driver === 'simulated', 'gateway takes --driver simulated')
  .transform((options) => ({
    ...options,
    labMachines: options.labMachines ?? Math.max(12, options.controlPlane + options.workers + 4),
  }));
export type DemoOptions = z.infer<typeof DemoOptions>;

/** Every mistake is named at once. */
export function parseDemoOptions(argv: readonly string[]): Result<DemoOptions, string> {
  const flags = parseFlags(() => parseDemoArgs(argv));
  if (!flags.ok) return flags;
  const { values, positionals } = flags.value;
  if (positionals.length > 1) return err(`one story at a time, not ${positionals.join(' ')}`);
  return checkOptions(DemoOptions, {
    story: positionals[0] ?? 'create',
    controlPlane: values['control-plane'],
    workers: values.workers,
    labMachines: values['lab-machines'],
    driver: values.driver,
    inventory: values.inventory,
    port: values.port,
    exit: values.exit,
    json: values.json,
    help: values.help,
  });
}

function parseDemoArgs(argv: readonly string[]) {
  return parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      'control-plane': { type: 'string', default: '1' },
      workers: { type: 'string', default: '2' },
      'lab-machines': { type: 'string' },
      driver: { type: 'string', default: 'simulated' },
      inventory: { type: 'string' },
      port: { type: 'string' },
      exit: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
}
