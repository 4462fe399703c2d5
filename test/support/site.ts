// A control plane and a datacentre that know nothing of each other yet: no gateway, no relay. What is installed between the two
// is up to the test or the demo.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { EdgeWaits } from '../../shared/limits.ts';
import type { Inventory } from '../lab/inventory.ts';
import { type Lab, startLab } from '../lab/lab.ts';
import { loadDriver } from '../lab/load-driver.ts';
import type { LabDelay } from '../lab/machine-driver.ts';
import { type ApiClient, apiClient } from './api-client.ts';
import { type ControlPlane, freePort, startControlPlane } from './control-plane.ts';

export type SiteOptions = {
  readonly stateDir: string;
  readonly inventory: Inventory;
  /** `simulated`, `cloud-init` or `exec:PROGRAM`. */
  readonly driver: string;
  /** Where MAAS and the enrolment endpoint listen: an address the machines reach. */
  readonly address: string;
  readonly port?: number;
  readonly waits?: Partial<EdgeWaits>;
  log(line: string): void;
};

export type Site = {
  readonly controlPlane: ControlPlane;
  readonly lab: Lab;
  readonly api: ApiClient;
  readonly apiKey: string;
  /** Ends the control plane, and starts it again on the same state and port once `meanwhile` is done. */
  restartControlPlane(meanwhile?: () => Promise<void>): Promise<void>;
  close(): Promise<void>;
};

/** Throws, and leaves nothing behind, when a part does not start. */
export async function startSite(options: SiteOptions): Promise<Site> {
  mkdirSync(options.stateDir, { recursive: true });
  const controlPlaneOptions = {
    stateDir: join(options.stateDir, 'control-plane'),
    port: options.port ?? (await freePort()),
    log: (line: string) => options.log(`edge: ${line}`),
    ...(options.waits === undefined ? {} : { waits: options.waits }),
  };
  let controlPlane = await startControlPlane(controlPlaneOptions);
  let lab: Lab | null = null;
  const close = async (): Promise<void> => {
    await lab?.close();
    lab = null;
    await controlPlane.close();
  };
  try {
    lab = await openLab(options);
    const { apiKey } = await apiClient(controlPlane.url, '').setup(controlPlane.setupSecret);
    return {
      controlPlane,
      lab,
      api: apiClient(controlPlane.url, apiKey.key),
      apiKey: apiKey.key,
      restartControlPlane: async (meanwhile) => {
        await controlPlane.close();
        await meanwhile?.();
        controlPlane = await startControlPlane(controlPlaneOptions);
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function openLab(options: SiteOptions): Promise<Lab> {
  // The driver is made before the lab and tells of delays only once machines run, when the lab is there.
  let lab: Lab | null = null;
  const driver = await loadDriver(options.driver, {
    now: () => Date.now(),
    recordDelay: (delay: LabDelay) => lab?.recordDelay(delay),
    log: (line) => options.log(`lab: ${line}`),
  });
  if (!driver.ok) throw new Error(driver.error.detail);
  lab = await startLab({ inventory: options.inventory, driver: driver.value, bind: options.address });
  return lab;
}
