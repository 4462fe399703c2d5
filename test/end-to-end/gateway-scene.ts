// A site on which gateways are installed on machines of MAAS: the control plane and the lab, and the installer as a process.
import { mkdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { GatewayView } from '../../shared/gateway-view.ts';
import { freePort } from '../support/control-plane.ts';
import { type InstallerRun, type PcgWishes, runInstaller, writePcgFile } from '../support/gateway-installer.ts';
import { type Site, startSite } from '../support/site.ts';
import { until } from '../support/until.ts';
import { inventoryOf, keepIn, SHORT_WAITS, tempStateDir } from './scene.ts';

const INSTALL_MS_MAX = 90_000;
const LOG_LINES_SHOWN = 60;

export type GatewayScene = Site & {
  readonly stateDir: string;
  readonly log: readonly string[];
  /** A folder with a pcg.yaml; run again and again, it is the same installation. */
  pcg(wishes: PcgWishes): Promise<Pcg>;
  /** The same of a file that is there. */
  pcgAt(file: string, environment: Readonly<Record<string, string>>): Promise<Pcg>;
  /** By its name; throws when there is none. */
  gatewayNamed(name: string): Promise<GatewayView>;
  /** Waits for what `look` sees in the gateway; says how it is when that does not come. */
  untilGateway<T>(
    name: string,
    what: string,
    look: (view: GatewayView) => T | null | false,
    msMax?: number,
  ): Promise<T>;
};

export type Pcg = {
  readonly folder: string;
  begin(verb: 'install' | 'uninstall'): InstallerRun;
  /** To its end; throws with what it said when that is not exit code 0. Answers its lines. */
  finish(verb: 'install' | 'uninstall'): Promise<readonly string[]>;
};

export async function openGatewayScene(machines: number): Promise<GatewayScene> {
  const stateDir = tempStateDir();
  const log: string[] = [];
  const keep = keepIn(log);
  const installers: InstallerRun[] = [];
  try {
    const inventory = await inventoryOf({ machines });
    const site = await startSite({
      ...{ stateDir, inventory, driver: 'simulated', address: '127.0.0.1', waits: SHORT_WAITS },
      log: keep,
    });
    const pcgAt: GatewayScene['pcgAt'] = async (file, environment) => {
      const secrets = { MAAS_KEY: site.lab.userKey, SLIPWAY_API_KEY: site.apiKey, ...environment };
      const enrolment = `127.0.0.1:${await freePort()}`;
      const begin: Pcg['begin'] = (verb) => {
        const settings = { verb, pcgFile: file, enrolment, environment: secrets };
        const run = runInstaller({ ...settings, log: (line) => keep(`${verb}: ${line}`) });
        installers.push(run);
        return run;
      };
      return { folder: dirname(file), begin, finish: (verb) => finish(verb, begin(verb), log) };
    };
    return {
      ...site,
      ...asked(site, log),
      stateDir,
      log,
      pcg: (wishes) => {
        const folder = join(stateDir, wishes.name);
        mkdirSync(folder);
        return pcgAt(writePcgFile(site, folder, wishes), {});
      },
      pcgAt,
      close: async () => {
        for (const installer of installers) await installer.stop();
        await site.close();
        rmSync(stateDir, { recursive: true, force: true });
      },
    };
  } catch (error) {
    rmSync(stateDir, { recursive: true, force: true });
    throw error;
  }
}

async function finish(verb: string, run: InstallerRun, log: readonly string[]): Promise<readonly string[]> {
  const late = setTimeout(() => void run.stop(), INSTALL_MS_MAX);
  const code = await run.ended;
  clearTimeout(late);
  if (code !== 0) throw new Error(`${verb} ended with ${code}\n  ${log.slice(-LOG_LINES_SHOWN).join('\n  ')}`);
  return run.lines;
}

function asked({ api }: Site, log: readonly string[]): Pick<GatewayScene, 'gatewayNamed' | 'untilGateway'> {
  const gatewayNamed = async (name: string): Promise<GatewayView> => {
    const found = (await api.gateways()).items.find((gateway) => gateway.name === name);
    if (found === undefined) throw new Error(`there is no gateway ${name}`);
    return found;
  };
  return {
    gatewayNamed,
    untilGateway: async (name, what, look, msMax = INSTALL_MS_MAX) => {
      let last: GatewayView | null = null;
      try {
        return await until(msMax, what, async () => {
          last = await gatewayNamed(name);
          return look(last);
        });
      } catch (error) {
        const shown = [JSON.stringify(last, null, 1), ...log.slice(-LOG_LINES_SHOWN)].join('\n  ');
        throw new Error(`${error instanceof Error ? error.message : String(error)}\n  ${shown}`);
      }
    },
  };
}

/** On each of so many ready machines there is an active, connected relay, and no relay elsewhere. */
export function servesOn(view: GatewayView, size: number): boolean {
  const machines = (view.machines?.machines ?? []).filter(({ phase }) => phase === 'ready');
  const serving = view.nodes.filter(({ state, connected }) => state === 'active' && connected);
  return (
    view.machines?.phase === 'running' &&
    [machines.length, serving.length, view.nodes.length].every((count) => count === size) &&
    machines.every(({ address }) =>
      serving.some(({ enrolmentAddresses }) => enrolmentAddresses.includes(`${address}:8443`)),
    )
  );
}
