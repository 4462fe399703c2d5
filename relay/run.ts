// `slipway-relay run`: a relay that serves (serving-relay.ts) on the state folder of the settings, until a signal ends it, or a new
// program takes its place (program/).
import { randomBytes } from 'node:crypto';
import { becomeProgram } from './adapters/become-program.ts';
import { createDial } from './adapters/dial-websocket.ts';
import { openFormerChannel } from './adapters/former-channel.ts';
import type { LoadedConfig } from './adapters/load-config.ts';
import { openDisk } from './adapters/node-disk.ts';
import { createNodePorts, isoNow } from './adapters/node-ports.ts';
import { lineOf, ownLine } from './adapters/this-program.ts';
import { armFailpoint } from './failpoint.ts';
import { createLog, type Log } from './log.ts';
import { giveOver } from './program/give-over.ts';
import { prove } from './program/prove.ts';
import { readUpgradeWaits } from './program/upgrade-waits.ts';
import { type Asked, type ServiceParts, serveOnce } from './serve-once.ts';
import { RELAY_VERSION } from './version.ts';

export type RunOptions = {
  readonly salvageJournal: boolean;
  /** Started by the program it is to take the place of. */
  readonly trial: boolean;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The entry point of this program. */
  readonly mainFile: string;
};

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
    const dial = createDial(loaded.config.proxy, loaded.ca, `slipway-relay/${RELAY_VERSION}`);
    const bootId = randomBytes(12).toString('base64url');
    const proved = await prove({ former, disk: disk.value, dial, ports, log, bootId, version: RELAY_VERSION });
    if (!proved.ok) return cannotStart(log, proved.error.detail, proved.error.todo);
  }
  const asked = untilAsked(former !== null);
  const turn: ServiceParts = { loaded, options, former, disk: disk.value, ports, waits, log, asked };
  return serveInTurns(turn);
}

async function serveInTurns(parts: ServiceParts): Promise<number> {
  const { options, waits, ports, log, asked } = parts;
  const { mainFile, environment } = options;
  for (;;) {
    const end = await serveOnce(parts);
    switch (end.kind) {
      case 'ended':
        return 0;
      case 'cannot-start':
        return cannotStart(log, end.detail, end.todo);
      case 'begin-anew':
        return becomeProgram(ownLine(mainFile, ['run']), environment);
      case 'become':
        return becomeProgram(lineOf(end.platform, end.file, end.args), environment);
      case 'handed-over': {
        const { book, store, order } = end;
        const watching = { book, heartbeatMs: waits.heartbeatMs, ports, log, asked: asked.signal };
        const fate = await giveOver(order, watching);
        if (fate === 'asked' || asked.isAsked()) return 0;
        if (fate === 'failed') break;
        await book.count(order.program.version, 1);
        return becomeProgram(lineOf(order.program.platform, store.fileOf(order.program), ['run']), environment);
      }
    }
  }
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

function cannotStart(log: Log, detail: string, todo: string): number {
  log.error('cannot-start', { detail, todo });
  return 1;
}
