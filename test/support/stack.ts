// The whole of Slipway on this machine: control plane, lab and relay, paired and with a cloud account. The demo and the
// end-to-end tests start this and nothing else.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { AccountView, GatewayView } from '../../shared/gateway-view.ts';
import type { EdgeWaits } from '../../shared/limits.ts';
import type { Inventory } from '../lab/inventory.ts';
import { type Lab, startLab } from '../lab/lab.ts';
import { loadDriver } from '../lab/load-driver.ts';
import type { LabDelay } from '../lab/machine-driver.ts';
import { type ApiClient, apiClient } from './api-client.ts';
import { connectedAccount } from './connected-account.ts';
import { type ControlPlane, freePort, startControlPlane } from './control-plane.ts';
import { pairRelay, type RelayProcess, type RelaySettings, runRelay } from './relay-process.ts';

export type StackOptions = {
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

export type Stack = {
  readonly controlPlane: ControlPlane;
  readonly lab: Lab;
  readonly api: ApiClient;
  readonly apiKey: string;
  readonly gateway: GatewayView;
  readonly account: AccountView;
  readonly relaySettings: RelaySettings;
  /** The relay that runs now. */
  relay(): RelayProcess;
  /** Starts the relay again after it ended, with further environment such as a failpoint. */
  startRelay(environment?: Readonly<Record<string, string>>): RelayProcess;
  /** Ends the control plane, and starts it again on the same state and port once `meanwhile` is done. */
  restartControlPlane(meanwhile?: () => Promise<void>): Promise<void>;
  close(): Promise<void>;
};

export async function startStack(options: StackOptions): Promise<Stack> {
  mkdirSync(options.stateDir, { recursive: true });
  const closers: (() => Promise<void>)[] = [];
  const close = async (): Promise<void> => {
    for (const end of closers.splice(0).reverse()) await end();
  };
  try {
    return await assemble(options, closers, close);
  } catch (error) {
    await close();
    throw error;
  }
}

async function assemble(
  options: StackOptions,
  closers: (() => Promise<void>)[],
  close: () => Promise<void>,
): Promise<Stack> {
  const controlPlaneOptions = {
    stateDir: join(options.stateDir, 'control-plane'),
    port: options.port ?? (await freePort()),
    log: (line: string) => options.log(`edge: ${line}`),
    ...(options.waits === undefined ? {} : { waits: options.waits }),
  };
  let controlPlane = await startControlPlane(controlPlaneOptions);
  closers.push(() => controlPlane.close());
  const lab = await openLab(options);
  closers.push(() => lab.close());

  const { apiKey } = await apiClient(controlPlane.url, '').setup(controlPlane.setupSecret);
  const api = apiClient(controlPlane.url, apiKey.key);
  const gateway = await api.createGateway('datacentre');
  const relaySettings: RelaySettings = {
    stateDir: join(options.stateDir, 'relay'),
    consoleUrl: controlPlane.url,
    enrolment: `${options.address}:${await freePort(options.address)}`,
    log: (line) => options.log(`relay: ${line}`),
  };
  await pairRelay(relaySettings, gateway.pairingCode);
  let relay = runRelay(relaySettings);
  closers.push(() => relay.stop());
  const account = await connectedAccount(api, gateway.id, lab);
  return {
    controlPlane,
    lab,
    api,
    apiKey: apiKey.key,
    gateway,
    account,
    relaySettings,
    relay: () => relay,
    startRelay: (environment = {}) => {
      relay = runRelay({ ...relaySettings, environment });
      return relay;
    },
    restartControlPlane: async (meanwhile) => {
      await controlPlane.close();
      await meanwhile?.();
      controlPlane = await startControlPlane(controlPlaneOptions);
    },
    close,
  };
}

async function openLab(options: StackOptions): Promise<Lab> {
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
