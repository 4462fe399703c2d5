// A console and a MAAS to install a gateway for, and the real program as a process.
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defaultInventory, type Inventory } from '../lab/inventory.ts';
import { type Lab, startLab } from '../lab/lab.ts';
import { machinesThatOnlySwitchOn } from '../relay-maas/lab-site.ts';
import { type ApiClient, apiClient } from '../support/api-client.ts';
import { type ControlPlane, startControlPlane } from '../support/control-plane.ts';
import { ownLoopback } from '../support/own-loopback.ts';

export const MAIN = fileURLToPath(new URL('../../relay/main.ts', import.meta.url));
export const PASSPHRASE = 'correct horse battery';
const RUN_MS_MAX = 120_000;

export type Ran = { readonly status: number; readonly stdout: string; readonly stderr: string };
export type InstallSite = {
  readonly folder: string;
  readonly lab: Lab;
  readonly controlPlane: ControlPlane;
  readonly api: ApiClient;
  readonly apiKey: string;
  readonly close: () => Promise<void>;
};

/** Ten machines in three zones; of zone az3 they are small. A second subnet is there to be overlapped. */
export async function siteInventory(): Promise<Inventory> {
  const inventory = defaultInventory({ machines: 10, loopback: await ownLoopback() });
  return {
    ...inventory,
    subnets: [
      ...inventory.subnets,
      { cidr: '10.50.0.0/16', name: 'storage', dnsServers: [], managed: true, dynamic: [], reserved: [] },
    ],
    machines: inventory.machines.map((machine) =>
      machine.zone === 'az3' ? { ...machine, cpu: 4, memoryMiB: 8_192 } : machine,
    ),
  };
}

export async function startInstallSite(given?: Inventory): Promise<InstallSite> {
  const inventory = given ?? (await siteInventory());
  const folder = mkdtempSync(join(tmpdir(), 'slipway-install-'));
  const lab = await startLab({ inventory, driver: machinesThatOnlySwitchOn(new Map()) });
  const controlPlane = await startControlPlane({ stateDir: join(folder, 'control-plane') });
  const { apiKey } = await apiClient(controlPlane.url, '').setup(controlPlane.setupSecret);
  return {
    folder,
    lab,
    controlPlane,
    api: apiClient(controlPlane.url, apiKey.key),
    apiKey: apiKey.key,
    close: async () => {
      await controlPlane.close();
      await lab.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Runs the program to its end; what it is fed by is the environment only. */
export function runProgram(args: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<Ran> {
  return new Promise((resolve) => {
    const options = {
      env: { PATH: process.env.PATH, SLIPWAY_ENROLMENT_LISTEN: '127.0.0.1:0', ...environment },
      timeout: RUN_MS_MAX,
    };
    const child = execFile(process.execPath, [MAIN, ...args], options, (error, stdout, stderr) =>
      resolve({ status: error === null ? 0 : Number(error.code ?? -1), stdout, stderr }),
    );
    child.stdin?.end();
  });
}

/** A pcg.yaml with references to the environment; sections can be replaced. */
export function pcgYaml(
  { controlPlane, lab }: InstallSite,
  name: string,
  more: Readonly<Record<string, unknown>> = {},
): string {
  return JSON.stringify({
    version: 1,
    gateway: { name },
    console: { endpoint: controlPlane.url },
    network: { podCidr: '10.244.0.0/16', serviceIpRange: '10.96.0.0/16' },
    maas: { endpoint: lab.url, apiKey: 'env:MAAS_KEY' },
    placement: { flavour: 'small', nodes: 1 },
    ...more,
  });
}

/** Files below `folder` that hold one of `secrets`. */
export function filesWith(folder: string, secrets: readonly string[]): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => {
      const text = readFileSync(path, 'latin1');
      return secrets.some((secret) => text.includes(secret));
    });
}
