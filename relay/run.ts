// `slipway-relay run`: a relay that serves (serving-relay.ts) on the state folder of the settings, until a signal ends it.
import type { LoadedConfig } from './adapters/load-config.ts';
import { openDisk } from './adapters/node-disk.ts';
import { createNodePorts, isoNow } from './adapters/node-ports.ts';
import { lockState } from './adapters/state-lock.ts';
import { armFailpoint } from './failpoint.ts';
import { createLog, type Log } from './log.ts';
import type { Disk, Ports } from './ports.ts';
import { startServing } from './serving-relay.ts';
import { openRelayState } from './state-folder.ts';

export type RunOptions = {
  readonly salvageJournal: boolean;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The entry point of this program. */
  readonly mainFile: string;
};

/** Resolves with the exit status. */
export async function run(loaded: LoadedConfig, options: RunOptions): Promise<number> {
  const { stateDir, logLevel } = loaded.config;
  const log = createLog((line) => process.stdout.write(`${line}\n`), isoNow, logLevel, {});
  const reach = armFailpoint(options.environment.SLIPWAY_FAILPOINT, () => process.kill(process.pid, 'SIGKILL'));
  if (reach === null) return cannotStart(log, 'SLIPWAY_FAILPOINT names no point', 'unset it');
  const ports = createNodePorts(reach);
  const disk = await openDisk(stateDir);
  if (!disk.ok) return cannotStart(log, disk.error.detail, 'make SLIPWAY_STATE_DIR a folder this user may write');
  const unlock = lockState(stateDir);
  if (unlock === null)
    return cannotStart(log, `${stateDir} is in use by another process`, 'stop the other slipway-relay first');
  try {
    return await serve(loaded, options, disk.value, ports, log);
  } finally {
    unlock();
  }
}

async function serve(
  loaded: LoadedConfig,
  { salvageJournal, mainFile }: RunOptions,
  disk: Disk,
  ports: Ports,
  log: Log,
): Promise<number> {
  const state = await openRelayState(disk, ports, log, salvageJournal);
  if (!state.ok) return cannotStart(log, state.error.detail, state.error.todo);
  const relay = await startServing({ loaded, state: state.value, ports, log, mainFile });
  if (!relay.ok) return cannotStart(log, relay.error.detail, relay.error.todo);
  const signal = await untilAsked();
  log.info('relay-ends', { signal });
  await relay.value.stop();
  return 0;
}

/** SIGTERM or SIGINT; a second one ends at once. */
function untilAsked(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.once(signal, () => {
        resolve(signal);
        process.once(signal, () => process.exit(1));
      });
    }
  });
}

function cannotStart(log: Log, detail: string, todo: string): number {
  log.error('cannot-start', { detail, todo });
  return 1;
}
