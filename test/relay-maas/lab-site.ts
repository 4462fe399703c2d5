// What a test of the driver needs beside the lab itself: a client with real time, and machines that are only switches.
import { createMaasClient, type MaasClient, type MaasClientOptions } from '../../relay/maas/client.ts';
import { createRegionGates } from '../../relay/maas/request-gate.ts';
import { ok } from '../../shared/result.ts';
import type { MachineDriver } from '../lab/machine-driver.ts';

export function clientOver(
  options: Pick<MaasClientOptions, 'endpoint' | 'apiKey' | 'transport'> & Partial<MaasClientOptions>,
): MaasClient {
  const created = createMaasClient({
    gateOf: createRegionGates(() => performance.now()),
    now: () => Date.now(),
    random: Math.random,
    ...options,
  });
  if (!created.ok) throw new Error(created.error.detail);
  return created.value;
}

/** Power without hardware: nothing ever asks for its user-data, so a machine stays Deploying until it is released. */
export function machinesThatOnlySwitchOn(on: Map<string, Uint8Array>): MachineDriver {
  return {
    name: 'switches',
    powerOn: async (machine) => {
      on.set(machine.systemId, machine.userData);
      return ok(undefined);
    },
    powerOff: async (systemId) => {
      on.delete(systemId);
      return ok(undefined);
    },
    status: async (systemId) => (on.has(systemId) ? 'on' : 'off'),
    close: async () => on.clear(),
  };
}
