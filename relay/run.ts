// `slipway-relay run`: a relay that serves (serving-relay.ts) on the state folder of the settings, until a signal ends it, or a new
// program takes its place (program/).
import { randomBytes } from 'node:crypto';
import { becomeProgram } from './adapters/become-program.ts';
import { createDial } from './adapters/dial-websocket.ts';
import { createFetchProgram } from './adapters/fetch-program.ts';
import { openFormerChannel } from './adapters/former-channel.ts';
import type { LoadedConfig } from './adapters/load-config.ts';
import { openDisk } from './adapters/node-disk.ts';
import { createNodePorts, isoNow } from './adapters/node-ports.ts';
import { openProgramStore } from './adapters/program-store.ts';
import { startSuccessor } from './adapters/start-successor.ts';
import { lockState } from './adapters/state-lock.ts';
import { isStored, lineOf, ownLine, ownPlatform } from './adapters/this-program.ts';
import { armFailpoint } from './failpoint.ts';
import { createLog, type Log } from './log.ts';
import type { Ports } from './ports.ts';
import type { ProgramHost } from './program/program-host.ts';
import { prove } from './program/prove.ts';
import { readUpgradeWaits } from './program/upgrade-waits.ts';
import { cannotStart, serveInTurns } from './serve-in-turns.ts';
import type { Asked } from './serve-once.ts';
import { startServing } from './serving-relay.ts';
import { openRelayState } from './state-folder.ts';
import { verifySignature } from './vault.ts';
import { RELAY_VERSION } from './version.ts';

export type RunOptions = {
  readonly salvageJournal: boolean;
  /** Started by the program it is to take the place of. */
  readonly trial: boolean;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The entry point of this program. */
  readonly mainFile: string;
};

const AGENT = `slipway-relay/${RELAY_VERSION}`;

/** Resolves with the exit status. */
export async function run(loaded: LoadedConfig, options: RunOptions): Promise<number> {
  const { stateDir, logLevel } = loaded.config;
  const former = options.trial ? openFormerChannel() : null;
  const always = former === null ? {} : { program: RELAY_VERSION };
  const log = createLog((line) => process.stdout.write(`${line}\n`), isoNow, logLevel, always);
  const { environment } = options;
  const reach = armFailpoint(environment.SLIPWAY_FAILPOINT, () => process.kill(process.pid, 'SIGKILL'));
  if (reach === null) return cannotStart(log, 'SLIPWAY_FAILPOINT names no point', 'unset it');
  const waits = readUpgradeWaits(environment.SLIPWAY_UPGRADE_WAITS);
  if (waits === null) return cannotStart(log, 'SLIPWAY_UPGRADE_WAITS holds no waits', 'unset it');
  const ports = createNodePorts(reach);
  const disk = await openDisk(stateDir);
  if (!disk.ok) return cannotStart(log, disk.error.detail, 'make SLIPWAY_STATE_DIR a folder this user may write');
  if (options.trial) {
    if (former === null)
      return cannotStart(log, 'only a relay that upgrades itself starts a program with --trial', 'leave --trial out');
    const dial = createDial(loaded.config.proxy, loaded.ca, AGENT);
    const bootId = randomBytes(12).toString('base64url');
    const proved = await prove({ former, disk: disk.value, dial, ports, log, bootId, version: RELAY_VERSION });
    if (!proved.ok) return cannotStart(log, proved.error.detail, proved.error.todo);
  }
  const host = makeHost(loaded, options, ports, log);
  const asked = untilAsked(former !== null);
  const end = await serveInTurns({ host, former, disk: disk.value, ports, waits, log, asked });
  switch (end.kind) {
    case 'exit':
      return end.status;
    case 'anew':
      return becomeProgram(ownLine(options.mainFile, ['run']), environment);
    case 'become': {
      const args = ['run', ...(options.salvageJournal && end.at === 'start' ? ['--salvage-journal'] : [])];
      return becomeProgram(lineOf(end.program.platform, host.store.fileOf(end.program), args), environment);
    }
  }
}

function makeHost(loaded: LoadedConfig, options: RunOptions, ports: Ports, log: Log): ProgramHost {
  const { stateDir, proxy, releaseKey } = loaded.config;
  const { mainFile, environment, salvageJournal } = options;
  const store = openProgramStore(stateDir);
  return {
    ...{ version: RELAY_VERSION, platform: ownPlatform(), releaseKey, folder: stateDir, store },
    isStored: () => isStored(store.folder, mainFile),
    lock: () => lockState(stateDir),
    open: (disk) => openRelayState(disk, ports, log, salvageJournal),
    serve: (served) => startServing({ loaded, ports, log, mainFile, ...served }),
    fetchProgram: createFetchProgram(proxy, loaded.ca, AGENT),
    start: (program) =>
      startSuccessor(lineOf(program.platform, store.fileOf(program), ['run', '--trial']), environment),
    verify: verifySignature,
  };
}

/** SIGTERM or SIGINT; a second one ends at once. Who is watched is told by the former too, and ended by it if need be. */
function untilAsked(isWatched: boolean): Asked {
  let isAsked = false;
  const signal = new Promise<string>((resolve) => {
    for (const name of ['SIGTERM', 'SIGINT'] as const) {
      process.on(name, () => {
        if (isAsked && !isWatched) process.exit(1);
        isAsked = true;
        resolve(name);
      });
    }
  });
  return { signal, isAsked: () => isAsked };
}
