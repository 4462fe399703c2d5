// The smallest machine: it boots, asks for its user-data, and does nothing with it. For tests of the MAAS alone.

import { err, ok } from '../../../shared/result.ts';
import type { CreateMachineDriver, DriverContext, MachineDriver } from '../machine-driver.ts';
import { fetchMetadata } from '../metadata-client.ts';

export const createMachineDriver: CreateMachineDriver = (context) => Promise.resolve(idleDriver(context));

export function idleDriver(context: Pick<DriverContext, 'log' | 'now' | 'recordDelay'>): MachineDriver {
  const running = new Map<string, AbortController>();
  return {
    name: 'idle',
    powerOn: (machine) => {
      if (running.has(machine.systemId)) return Promise.resolve(ok(undefined));
      const stop = new AbortController();
      running.set(machine.systemId, stop);
      const startMs = context.now();
      const boot = async (): Promise<void> => {
        await pause(machine.timings.powerOnMs, stop.signal);
        if (stop.signal.aborted) return;
        context.recordDelay({ machine: machine.systemId, kind: 'power-on', startMs, endMs: context.now() });
        const fetched = await fetchMetadata(machine, '2012-03-01/user-data', stop.signal);
        if (!fetched.ok && !stop.signal.aborted) context.log(`${machine.hostname}: ${fetched.error.detail}`);
      };
      boot().catch((error: unknown) => context.log(`${machine.hostname}: ${String(error)}`));
      return Promise.resolve(ok(undefined));
    },
    powerOff: (systemId) => {
      running.get(systemId)?.abort();
      running.delete(systemId);
      return Promise.resolve(ok(undefined));
    },
    status: (systemId) => Promise.resolve(running.has(systemId) ? 'on' : 'off'),
    close: () => {
      for (const stop of running.values()) stop.abort();
      running.clear();
      return Promise.resolve();
    },
  };
}

/** A driver whose power button does not work, for tests of failed deployments. */
export const deadDriver = (detail: string): MachineDriver => ({
  name: 'dead',
  powerOn: () => Promise.resolve(err({ code: 'DRIVER_FAILED', detail })),
  powerOff: () => Promise.resolve(ok(undefined)),
  status: () => Promise.resolve('off'),
  close: () => Promise.resolve(),
});

function pause(ms: number, stop: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    stop.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
