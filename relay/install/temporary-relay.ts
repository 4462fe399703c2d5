// A relay for as long as an installation or a removal takes, in this process and on a state folder beside pcg.yaml: the same as
// `run` serves, with the installer speaking in its session.
import { join } from 'node:path';
import { z } from 'zod';
import type { InstallationState } from '../../shared/installation.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import { CLOSE } from '../../shared/tunnel-frame.ts';
import type { LoadedConfig } from '../adapters/load-config.ts';
import { openLogFile } from '../adapters/log-file.ts';
import { isoNow } from '../adapters/node-ports.ts';
import type { GatewayKey } from '../gateway-key.ts';
import type { Identity } from '../identity.ts';
import { createLog } from '../log.ts';
import type { Disk, Ports, Timers } from '../ports.ts';
import { type ServingParts, type ServingRelay, startServing } from '../serving-relay.ts';
import { openRelayState, type RelayState, type StartFailure } from '../state-folder.ts';
import type { ConnectionOutcome } from '../tunnel/connection.ts';
import { createInstaller, type Installer } from '../tunnel/installer.ts';
import { problem, type Step } from './host-service.ts';

export type TemporaryRelayParts = {
  /** With the state folder in it, which is paired. */
  readonly loaded: LoadedConfig;
  readonly disk: Disk;
  /** Where the log goes: beside the state folder, which ends with the installation. */
  readonly folder: string;
  readonly ports: Ports;
  readonly mainFile: string;
  /** For a person: what became of the connection. */
  readonly note: (text: string) => void;
  readonly heard: (state: InstallationState) => void;
  /** What it is about to change in MAAS or Kubernetes, such as `release abc123`. */
  readonly changing?: (intent: string) => void;
};

export type TemporaryRelay = Pick<Installer, 'register'> & {
  readonly identity: Identity;
  /** The gateway's key once this node is active: from then on it can do everything. */
  readonly activeKey: () => GatewayKey | null;
  /** The console has closed this node for good. */
  readonly isRevoked: () => boolean;
  /** Gets to a safe point and asks to be a node no more, until the console has closed it. */
  readonly leave: () => Promise<void>;
  readonly stop: () => Promise<void>;
};

const Change = z.object({ event: z.literal('change'), intent: z.string() });

export const LOG_FILE = 'relay.log';

export async function startTemporaryRelay(parts: TemporaryRelayParts): Step<TemporaryRelay> {
  const { loaded, disk, folder, ports, mainFile, note, heard } = parts;
  const file = openLogFile(join(folder, LOG_FILE));
  if (!file.ok) return problem('log', 'OUT_NOT_WRITABLE', file.error);
  const write = (line: string): void => {
    file.value.write(line);
    const change = Change.safeParse(JSON.parse(line));
    if (change.success) parts.changing?.(change.data.intent);
  };
  const log = createLog(write, isoNow, loaded.config.logLevel, {});
  const state = await openRelayState(disk, ports, log, true);
  if (!state.ok) return err({ where: 'relay', code: 'RELAY_NOT_STARTED', ...state.error });
  const serving = { loaded, state: state.value, ports, log, mainFile };
  return serveForNow({
    ...{ state: state.value, timers: ports.timers, note, heard, ended: file.value.close },
    serve: (hooks) => startServing({ ...serving, hooks }),
  });
}

export type ForNowParts = Pick<TemporaryRelayParts, 'note' | 'heard'> & {
  readonly state: Pick<RelayState, 'identity' | 'keyring'>;
  readonly timers: Timers;
  readonly serve: (hooks: NonNullable<ServingParts['hooks']>) => Promise<Result<ServingRelay, StartFailure>>;
  /** It has stopped. */
  readonly ended: () => void;
};

/** Whatever serves, with the installer speaking in its session. */
export async function serveForNow({ state, timers, note, heard, serve, ended }: ForNowParts): Step<TemporaryRelay> {
  const { identity, keyring } = state;
  const installer = createInstaller(timers, heard);
  const connection = watchConnection(note);
  const relay = await serve({ sessionParts: [installer, connection], tunnelEnded: connection.ended });
  if (!relay.ok) return err({ where: 'relay', code: 'RELAY_NOT_STARTED', ...relay.error });
  return ok({
    identity,
    register: installer.register,
    leave: async () => {
      await relay.value.drain();
      installer.leave();
    },
    activeKey: () => (connection.isOpen() && relay.value.standing().state === 'active' ? keyring.held() : null),
    isRevoked: connection.isRevoked,
    stop: async () => {
      await relay.value.stop();
      ended();
    },
  });
}

/** One line for each change, so that a person who waits knows for whom. */
function watchConnection(note: (text: string) => void) {
  let said = '';
  let isOpen = false;
  let isRevoked = false;
  const sayOnce = (text: string): void => {
    if (text !== said) note(text);
    said = text;
  };
  return {
    attach: () => {
      isOpen = true;
      sayOnce('connected to the console');
    },
    detach: () => {
      isOpen = false;
    },
    take: () => {},
    ended: (end: ConnectionOutcome['end']) => {
      if (end.kind === 'stopped' || isRevoked) return;
      isRevoked = end.kind === 'closed' && end.code === CLOSE.REVOKED;
      if (!isRevoked) sayOnce(`no connection to the console (${reasonOfEnd(end)}); dialled again`);
    },
    isOpen: () => isOpen,
    isRevoked: () => isRevoked,
  };
}

function reasonOfEnd(end: ConnectionOutcome['end']): string {
  switch (end.kind) {
    case 'unreachable':
    case 'refused':
      return end.detail;
    case 'closed':
      return `closed with ${end.code}${end.reason === '' ? '' : `: ${end.reason}`}`;
    default:
      return 'no answer';
  }
}
