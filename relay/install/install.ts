// `slipway-relay install`: asks and writes pcg.yaml, checks, or installs from it. This file puts the real parts together.
import { getCACertificates } from 'node:tls';
import { ok } from '../../shared/result.ts';
import { createHostSystem } from '../adapters/host-system.ts';
import type { LoadedConfig } from '../adapters/load-config.ts';
import { openDisk } from '../adapters/node-disk.ts';
import { createNodePorts } from '../adapters/node-ports.ts';
import { createWithMaas, maasTime } from '../adapters/open-maas.ts';
import { packagedFile } from '../adapters/packaged-file.ts';
import { createCallConsole, createPostJson } from '../adapters/post-json.ts';
import { modeOf } from '../adapters/probes.ts';
import { isEndOfPrompts } from '../adapters/terminal-prompts.ts';
import { checkConsole, printChecks } from '../doctor.ts';
import { INSTALL_HELP } from '../help.ts';
import { readIdentity } from '../identity.ts';
import type { Ports } from '../ports.ts';
import { RELAY_VERSION } from '../version.ts';
import { type InstallArguments, parseInstallArguments } from './arguments.ts';
import { askAndWrite } from './ask-and-write.ts';
import { checkHost, checkTemporary } from './check-here.ts';
import { type ConsoleApi, createConsoleApi } from './console-api.ts';
import { installOnHost } from './host-install.ts';
import {
  hostSummary,
  interruptedWords,
  machinesJson,
  machinesSummary,
  nodeSummary,
  standingJson,
  standingSummary,
} from './install-summary.ts';
import { keepInstalled, type Standing, standingOf } from './installed.ts';
import { EXIT, failed, misused, print } from './installer-output.ts';
import { lookAtMaas } from './maas-site.ts';
import { installOnMachines } from './machines-install.ts';
import { installNode, readNodeFolder } from './node-install.ts';
import { type Preflights, runPreflights } from './preflight.ts';
import { type Environment, readSettings } from './read-settings.ts';
import type { Settings } from './settings.ts';
import { temporaryConfig } from './temporary-config.ts';
import { inTemporaryWorld, temporaryState } from './temporary-world.ts';

const AGENT = `slipway-relay/${RELAY_VERSION}`;
const MAAS_TIME_MS_MAX = 10_000;

type Surroundings = {
  readonly given: InstallArguments;
  readonly environment: Environment;
  readonly ports: Ports;
  readonly mainFile: string;
};
/** What is known once pcg.yaml is read. */
type Job = Surroundings & {
  readonly settings: Settings;
  /** Of the relay that this process would be for the time. */
  readonly loaded: LoadedConfig;
  readonly api: ConsoleApi | null;
  /** From this pcg.yaml, on machines that it has now. */
  readonly isInstalled: boolean;
};

/** Resolves with the exit status. @param mainFile the entry point of the program */
export async function install(args: readonly string[], environment: Environment, mainFile: string): Promise<number> {
  const parsed = parseInstallArguments(args);
  if (!parsed.ok) return misused(parsed.error);
  const given = parsed.value;
  const ports = createNodePorts(() => {});
  try {
    switch (given.mode) {
      case 'help':
        print(INSTALL_HELP);
        return EXIT.done;
      case 'interactive':
        return await askAndWrite(given, environment, ports);
      case 'node':
        return await performNode({ given, environment, ports, mainFile });
      default:
        return await perform({ given, environment, ports, mainFile });
    }
  } catch (error) {
    if (!isEndOfPrompts(error)) throw error;
    process.stderr.write('\nEnded: nothing was written.\n');
    return EXIT.failed;
  }
}

async function perform(around: Surroundings): Promise<number> {
  const { given, environment } = around;
  const read = await readSettings(given, environment);
  if (!read.ok) return failed(read.error, given.json);
  const settings = read.value;
  const loaded = await temporaryConfig(settings, temporaryState(given.configFile), environment);
  if (!loaded.ok) return failed(loaded.error, given.json);
  const { console: origin, apiKey, proxy } = settings;
  const call = createCallConsole(proxy, loaded.value.ca, AGENT);
  const api = apiKey === null ? null : createConsoleApi(origin, apiKey, call);
  // What is under way goes on; what is done stands, and has the machines that the checks would look for.
  const looks = !given.host && !(await isPaired(loaded.value.config.stateDir));
  const standing = looks ? await standingOf(given.configFile, settings, api) : ok(null);
  if (given.mode !== 'check' && !standing.ok) return failed([standing.error], given.json);
  if (given.mode !== 'check' && standing.ok && standing.value !== null) return stands(standing.value, given, settings);
  const isInstalled = standing.ok && standing.value !== null;
  const job: Job = { ...around, settings, loaded: loaded.value, api, isInstalled };
  const { checks, account } = await preflights(job);
  const failures = checks.filter((check) => check.status === 'failed').length;
  const asJson = given.json && (given.mode === 'check' || failures > 0);
  print(asJson ? `${JSON.stringify({ checks })}\n` : printChecks(checks));
  if (failures > 0) {
    process.stderr.write(`${failures} of ${checks.length} checks failed; nothing was changed.\n`);
    return EXIT.failed;
  }
  if (given.mode === 'check') return EXIT.done;
  return given.host ? performHost(job) : performMachines(job, account);
}

function stands(standing: Standing, { json }: InstallArguments, { placement }: Settings): number {
  print(standingSummary(standing, placement?.nodes ?? null));
  if (json) print(standingJson(standing));
  return EXIT.done;
}

async function preflights({ given, settings, loaded, api, ports, mainFile, isInstalled }: Job): Promise<Preflights> {
  const withMaas = createWithMaas(ports);
  const { proxy, maas } = settings;
  const { stateDir } = loaded.config;
  return runPreflights(settings, {
    console: () => checkConsole({ proxy }, loaded.ca, settings.console),
    api,
    maas: () => withMaas(maas, (client) => lookAtMaas(client, ports.clock.now)),
    maasTime: () => maasTime(maas, MAAS_TIME_MS_MAX),
    now: ports.clock.now,
    onHost: given.host,
    carriesOn: !given.host && (isInstalled || (await isPaired(stateDir))),
    here: async () =>
      given.host ? [checkHost(given, createHostSystem(mainFile).isRoot)] : checkTemporary(loaded.config),
  });
}

/** Looks, and makes nothing. */
async function isPaired(folder: string): Promise<boolean> {
  if ((await modeOf(folder)) === null) return false;
  const disk = await openDisk(folder);
  const identity = disk.ok ? await readIdentity(disk.value) : disk;
  return identity.ok && identity.value !== null;
}

async function performHost({ given, settings, loaded, api, ports, mainFile }: Job): Promise<number> {
  const installed = await installOnHost(settings, given, {
    ...hostWorld(ports, mainFile),
    post: createPostJson(settings.proxy, loaded.ca, AGENT),
    api,
  });
  if (!installed.ok) return failed([installed.error], false);
  print(hostSummary(given, installed.value));
  return EXIT.done;
}

const hostWorld = ({ timers, clock, random }: Ports, mainFile: string) => ({
  system: createHostSystem(mainFile),
  packaged: packagedFile,
  openState: openDisk,
  timers,
  now: clock.now,
  random: random.bytes,
  say: (text: string) => print(`${text}\n`),
});

async function performMachines(job: Job, account: Preflights['account']): Promise<number> {
  const { given, settings, loaded, api, ports, mainFile } = job;
  const { placement } = settings;
  // Both are there when every check has passed.
  if (placement === null || account === null) throw new Error('machines are installed without placement or account');
  const parts = { loaded, configFile: given.configFile, api, ports, mainFile, agent: AGENT };
  const ended = await inTemporaryWorld(parts, async (world) => {
    const installed = await installOnMachines({ ...settings, placement }, account, world);
    if (!installed.ok || installed.value === 'interrupted') return installed;
    const kept = await keepInstalled(given.configFile, settings, installed.value, ports.clock.now());
    // Done is done; run again, it would not be known here.
    if (!kept.ok) world.say(kept.error.detail);
    return installed;
  });
  if (!ended.ok) return failed([ended.error], given.json);
  if (ended.value === 'interrupted') {
    print(interruptedWords(given));
    return EXIT.interrupted;
  }
  print(machinesSummary(ended.value));
  if (given.json) print(machinesJson(ended.value));
  return EXIT.done;
}

async function performNode({ given, ports, mainFile }: Surroundings): Promise<number> {
  const world = hostWorld(ports, mainFile);
  const check = checkHost(given, world.system.isRoot);
  const { detail, todo } = check;
  if (check.status === 'failed') return failed([{ where: 'host', code: 'HOST_NOT_WRITABLE', detail, todo }], false);
  const folder = given.node ?? '';
  const settings = await readNodeFolder(folder, world);
  if (!settings.ok) return failed([settings.error], false);
  const { proxy, siteAuthorities } = settings.value;
  const ca = [...getCACertificates('default'), ...(siteAuthorities === null ? [] : [siteAuthorities])];
  const post = createPostJson(proxy, ca, AGENT);
  const installed = await installNode(folder, settings.value, given, { ...world, post, api: null });
  if (!installed.ok) return failed([installed.error], false);
  print(nodeSummary(installed.value));
  return EXIT.done;
}
