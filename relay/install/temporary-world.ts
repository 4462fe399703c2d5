// Where an installer works on machines of MAAS: a state folder beside pcg.yaml, locked, kept when it is interrupted and removed
// when all is done; signals end it at a safe point.
import { rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { ok } from '../../shared/result.ts';
import type { LoadedConfig } from '../adapters/load-config.ts';
import { openDisk } from '../adapters/node-disk.ts';
import { createPostJson } from '../adapters/post-json.ts';
import { lockState } from '../adapters/state-lock.ts';
import type { Ports } from '../ports.ts';
import type { ConsoleApi } from './console-api.ts';
import { problem, type Step } from './host-service.ts';
import { print } from './installer-output.ts';
import type { MachinesWorld } from './machines-install.ts';
import { startTemporaryRelay } from './temporary-relay.ts';

export type TemporaryParts = {
  /** Its state folder is `temporaryState(configFile)`. */
  readonly loaded: LoadedConfig;
  readonly configFile: string;
  readonly api: ConsoleApi | null;
  readonly ports: Ports;
  readonly mainFile: string;
  readonly agent: string;
  readonly changing?: (intent: string) => void;
};

export const temporaryState = (configFile: string): string => join(dirname(configFile), 'state');

export async function inTemporaryWorld<T>(
  parts: TemporaryParts,
  work: (world: MachinesWorld) => Step<T | 'interrupted'>,
): Step<T | 'interrupted'> {
  const { loaded } = parts;
  const folder = loaded.config.stateDir;
  const disk = await openDisk(folder);
  if (!disk.ok) return problem('state folder', 'OUT_NOT_WRITABLE', disk.error.detail);
  const unlock = lockState(folder);
  if (unlock === null) return problem('state folder', 'STATE_IN_USE', `${folder} is in use by another process`);
  const signals = listenForSignals();
  let isDone = false;
  try {
    const began = parts.ports.clock.monotonicMs();
    const ended = await work({
      state: { folder, disk: disk.value },
      hostname: hostname(),
      openState: async () => ok(disk.value),
      post: createPostJson(loaded.config.proxy, loaded.ca, parts.agent),
      api: parts.api,
      timers: parts.ports.timers,
      now: parts.ports.clock.now,
      random: parts.ports.random.bytes,
      elapsedMs: () => parts.ports.clock.monotonicMs() - began,
      interrupted: signals.interrupted,
      say: (text) => print(`${text}\n`),
      startRelay: (note, heard) =>
        startTemporaryRelay({
          ...{ loaded, disk: disk.value, folder: dirname(parts.configFile), ports: parts.ports },
          ...{ mainFile: parts.mainFile, note, heard },
          changing: (intent) => parts.changing?.(intent),
        }),
    });
    isDone = ended.ok && ended.value !== 'interrupted';
    return ended;
  } finally {
    signals.end();
    unlock();
    // The keys in it are of a node that is no more.
    if (isDone) await rm(folder, { recursive: true, force: true });
  }
}

/** The first asks for the end, the second is the end. */
function listenForSignals(): { readonly interrupted: AbortSignal; readonly end: () => void } {
  const asked = new AbortController();
  const hear = (): void => {
    if (asked.signal.aborted) process.exit(130);
    print('\nEnding at a safe point; once more ends at once.\n');
    asked.abort();
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, hear);
  return {
    interrupted: asked.signal,
    end: () => {
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, hear);
    },
  };
}
