// The closed list of machine drivers, each in a file of its own under machines/.

import { z } from 'zod';
import { err, ok, type Result } from '../../shared/result.ts';
import type { CreateMachineDriver, DriverContext, MachineDriver } from './machine-driver.ts';

export const DRIVER_NAMES = ['idle', 'simulated', 'cloud-init', 'exec'] as const;

const moduleSchema = z.object({
  createMachineDriver: z.custom<CreateMachineDriver>((value) => typeof value === 'function'),
});

/** `simulated`, or with an argument `exec:PROGRAM`. Loaded only when asked for, since some need root or Debian packages. */
export async function loadDriver(
  spec: string,
  context: Omit<DriverContext, 'argument'>,
): Promise<Result<MachineDriver, { code: 'UNKNOWN_DRIVER'; detail: string }>> {
  const colon = spec.indexOf(':');
  const wanted = colon < 0 ? spec : spec.slice(0, colon);
  const name = DRIVER_NAMES.find((known) => known === wanted);
  if (name === undefined)
    return err({ code: 'UNKNOWN_DRIVER', detail: `no driver ${wanted}; there is ${DRIVER_NAMES.join(', ')}` });
  const loaded: unknown = await import(new URL(`./machines/${name}.ts`, import.meta.url).href);
  const { createMachineDriver } = moduleSchema.parse(loaded);
  return ok(await createMachineDriver({ ...context, argument: colon < 0 ? '' : spec.slice(colon + 1) }));
}
