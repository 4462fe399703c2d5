// `npm run lab`: the lab alone, so that any relay can be pointed at it. Runs until Ctrl-C and leaves nothing behind.

import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { err, ok, type Result } from '../../shared/result.ts';
import { defaultInventory, type Inventory, parseInventory } from './inventory.ts';
import { LAB_ADMIN, LAB_USER, type Lab, startLab } from './lab.ts';
import { loadDriver } from './load-driver.ts';
import type { LabDelay } from './machine-driver.ts';

const HELP = `npm run lab -- [--inventory lab.yaml] [--bind ADDRESS] [--port N] [--machines N] [--driver NAME]

A MAAS 3.7.3 over HTTP whose machines are played, not real.
  --inventory FILE  machines, subnets, images and timings (test/lab/inventory.ts says what it may hold)
  --machines N      without an inventory: so many equal machines in 3 zones, in 127.10.0.0/16 (default 12)
  --bind ADDRESS    address to listen on (default 127.0.0.1)
  --advertise HOST  host that clients and machines are told, when it is not the one bound
  --port N          a free one unless given
  --driver NAME     simulated, idle, cloud-init, or exec:PROGRAM (default simulated)
A machine's name decides its fate: fails-deploying-…, never-boots-…, fails-releasing-…, slow-…, loses-answers-…
The lab's controls are under /lab/ on the same port (test/lab/control.ts).
`;

const argumentsSchema = z.object({
  inventory: z.string().optional(),
  bind: z.string().default('127.0.0.1'),
  advertise: z.string().optional(),
  port: z.coerce.number().int().min(0).max(65_535).default(0),
  machines: z.coerce.number().int().min(1).max(5_000).default(12),
  driver: z.string().default('simulated'),
  help: z.boolean().default(false),
});
type Arguments = z.infer<typeof argumentsSchema>;

const stop = (message: string, exitCode: number): void => {
  console.error(message);
  process.exitCode = exitCode;
};

async function main(): Promise<void> {
  const given = readArguments();
  if (!given.ok) return stop(`${given.error}\n\n${HELP}`, 2);
  if (given.value.help) {
    console.log(HELP);
    return;
  }
  const inventory = await readInventory(given.value);
  if (!inventory.ok) return stop(inventory.error, 1);
  // The driver is made first and speaks of delays only once machines run, when the lab is there.
  let lab: Lab | null = null;
  const driver = await loadDriver(given.value.driver, {
    now: () => Date.now(),
    recordDelay: (delay: LabDelay) => lab?.recordDelay(delay),
    log: (line) => console.error(line),
  });
  if (!driver.ok) return stop(driver.error.detail, 2);
  const { bind, port, advertise } = given.value;
  const where = advertise === undefined ? { bind, port } : { bind, port, advertise };
  lab = await startLab({ inventory: inventory.value, driver: driver.value, ...where });
  announce(lab, inventory.value, driver.value.name);
  await untilSignal();
  await lab.close();
}

function announce(lab: Lab, inventory: Inventory, driver: string): void {
  console.log(`MAAS   ${lab.url}`);
  console.log(`user   ${LAB_USER}   key ${lab.userKey}`);
  console.log(`admin  ${LAB_ADMIN}     key ${lab.adminKey}`);
  console.log(`${inventory.machines.length} machines, played by the ${driver} driver. Ctrl-C ends the lab.`);
}

function readArguments(): Result<Arguments, string> {
  try {
    const text = { type: 'string' } as const;
    const { values } = parseArgs({
      options: {
        inventory: text,
        bind: text,
        advertise: text,
        port: text,
        machines: text,
        driver: text,
        help: { type: 'boolean' },
      },
    });
    const parsed = argumentsSchema.safeParse(values);
    return parsed.success ? ok(parsed.data) : err(z.prettifyError(parsed.error));
  } catch (error) {
    return err(error instanceof Error ? error.message : String(error));
  }
}

async function readInventory(given: Arguments): Promise<Result<Inventory, string>> {
  if (given.inventory === undefined) return ok(defaultInventory({ machines: given.machines }));
  let text: string;
  try {
    text = await readFile(given.inventory, 'utf8');
  } catch (error) {
    return err(`${given.inventory}: ${error instanceof Error ? error.message : String(error)}`);
  }
  const parsed = parseInventory(text);
  return parsed.ok ? parsed : err(`${given.inventory}:\n${parsed.error.detail}`);
}

function untilSignal(): Promise<void> {
  return new Promise((resolve) => {
    process.once('SIGINT', () => resolve());
    process.once('SIGTERM', () => resolve());
  });
}

await main();
