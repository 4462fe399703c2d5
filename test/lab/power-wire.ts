// Joins the region's power buttons to a machine driver: one call at a time for each machine, in the order pressed.

import { err, type Result } from '../../shared/result.ts';
import type { PowerDone, PowerPort } from './maas/region.ts';
import type { DriverFailure, MachineDriver } from './machine-driver.ts';

/** As long as the issue gives an exec driver. */
export const DRIVER_CALL_MS_MAX = 60_000;

export type PowerWire = PowerPort & { idle(): Promise<void> };

/** `metadataUrl` is asked late, since the server's port is known only once it listens. */
export function wirePower(driver: MachineDriver, metadataUrl: () => string): PowerWire {
  const queues = new Map<string, Promise<void>>();
  const enqueue = (systemId: string, work: () => Promise<Result<void, DriverFailure>>, done: PowerDone): void => {
    const before = queues.get(systemId) ?? Promise.resolve();
    const run = before.then(async () => {
      const outcome = await withLimit(work);
      done(outcome.ok ? { ok: true } : { ok: false, detail: outcome.error.detail });
    });
    queues.set(systemId, run);
    run.then(() => {
      if (queues.get(systemId) === run) queues.delete(systemId);
    }, reportBug);
  };
  return {
    on: (boot, done) => enqueue(boot.systemId, () => driver.powerOn({ ...boot, metadataUrl: metadataUrl() }), done),
    off: (systemId, done) => enqueue(systemId, () => driver.powerOff(systemId), done),
    idle: async () => {
      await Promise.allSettled(queues.values());
    },
  };
}

/** A driver that throws has a bug; the machine fails with its words rather than the whole lab. */
async function withLimit(work: () => Promise<Result<void, DriverFailure>>): Promise<Result<void, DriverFailure>> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<Result<void, DriverFailure>>((resolve) => {
    timer = setTimeout(
      () => resolve(failed(`the driver did not answer in ${DRIVER_CALL_MS_MAX} ms`)),
      DRIVER_CALL_MS_MAX,
    );
  });
  try {
    return await Promise.race([work(), limit]);
  } catch (error) {
    return failed(`the driver broke: ${error instanceof Error ? error.message : String(error)}`);
  } finally {
    clearTimeout(timer);
  }
}

const failed = (detail: string): Result<never, DriverFailure> => err({ code: 'DRIVER_FAILED', detail });

function reportBug(error: unknown): void {
  console.error('lab: a bug in the status machine', error);
}
