// The relay on a simulated machine of a gateway: the one thing that such a machine does for real. As its bootstrap script would,
// it fetches the program that the serving relay offers, checks it, installs it from the document's files, and keeps it running
// as a process of its own, at the machine's own address, until the power goes.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { machine as machineType } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import type { FilledDocument } from '../../../shared/enrolment.ts';
import { memoryFolder } from '../../support/memory-folder.ts';
import type { BootingMachine } from '../machine-driver.ts';
import type { RelayClient } from './relay-client.ts';

export const RELAY_STEP = 'install-relay';
const FILES = '/var/lib/slipway/relay';
const ENROLMENT_PORT = 8_443;
const INSTALL_MS_MAX = 60_000;
const OUTPUT_BYTES_MAX = 1_048_576;
/** A lab has no two minutes of heartbeats for each new program; a loaded one takes seconds to start a process. */
const UPGRADE_WAITS = { heartbeatMs: 5_000, trialMs: 30_000 };
/** systemd waits 5 s by the unit of the product; a lab's day is shorter. */
const RESTART_MS = 1_000;

export type StepEnd = { readonly exitCode: number; readonly output: string };

export type MachineRelay = {
  /** What the step does. May be repeated: what runs already is stopped first. */
  install(document: FilledDocument, script: string, relay: RelayClient): Promise<StepEnd>;
  /** The process is killed, and its disk is gone. May be repeated. */
  powerOff(): Promise<void>;
};

/**
 * @param power aborted when the machine is switched off, which ends an installation under way
 * @param log a line of the relay's, or of what keeps it running
 */
export function machineRelay(machine: BootingMachine, power: AbortSignal, log: (line: string) => void): MachineRelay {
  const folder = memoryFolder(`slipway-machine-${machine.systemId}-`);
  const environment = environmentOf(machine);
  let service: Service | null = null;
  return {
    install: async (document, script, relay) => {
      await service?.kill();
      service = null;
      const fetched = await fetchProgram(script, relay, join(folder, 'program'));
      if ('exitCode' in fetched) return fetched;
      for (const file of document.files.filter(({ path }) => path.startsWith(`${FILES}/`))) {
        const path = join(folder, file.path);
        mkdirSync(dirname(path), { recursive: true });
        writeFileSync(path, file.content, { mode: Number.parseInt(file.mode, 8) });
      }
      const args = ['install', '--node', join(folder, FILES), '--prefix', folder, '--no-start'];
      const installed = await runToEnd([...fetched.command, ...args], environment, power);
      if (installed.exitCode === 0) {
        const settings = join(folder, 'etc/slipway/relay.yaml');
        service = keepRunning([...fetched.command, 'run', '--config', settings], environment, log);
      }
      return installed;
    },
    powerOff: async () => {
      await service?.kill();
      service = null;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/**
 * Nothing of this process's own settings or proxies is a machine's. All machines share this host, so each listens on its own
 * address only; what it advertises is what its document's settings say.
 */
function environmentOf({ address }: BootingMachine): Record<string, string> {
  return {
    PATH: process.env.PATH ?? '',
    SLIPWAY_ENROLMENT_LISTEN: `${address}:${ENROLMENT_PORT}`,
    SLIPWAY_UPGRADE_WAITS: JSON.stringify(UPGRADE_WAITS),
  };
}

/** The command that runs the program, or how the step ends without it. The script says from where and what it must be. */
async function fetchProgram(
  script: string,
  relay: RelayClient,
  file: string,
): Promise<{ readonly command: readonly string[] } | StepEnd> {
  const [, host, port] = /\bhttps:\/\/([^\s'"/:]+):(\d+)/.exec(script) ?? [];
  const [digest] = /\b[0-9a-f]{64}\b/.exec(script) ?? [];
  if (host === undefined || digest === undefined)
    return { exitCode: 1, output: 'the step names no origin or no digest of the program\n' };
  const [, architecture = machineType()] = /^architecture='([^']*)'$/m.exec(script) ?? [];
  if (architecture !== machineType())
    return { exitCode: 1, output: `the program is for ${architecture}, and this machine is ${machineType()}\n` };
  const program = await relay.program({ host, port: Number(port) }, file);
  const wanted = program.announced === '' ? digest : program.announced;
  if (program.sha256 !== wanted)
    return { exitCode: 1, output: `the program has the digest ${program.sha256}, not ${wanted}\n` };
  return { command: program.kind === 'javascript' ? [process.execPath, file] : [file] };
}

function runToEnd(
  [command = '', ...args]: readonly string[],
  env: Record<string, string>,
  signal: AbortSignal,
): Promise<StepEnd> {
  return new Promise((resolve) => {
    const limits = { timeout: INSTALL_MS_MAX, maxBuffer: OUTPUT_BYTES_MAX, killSignal: 'SIGKILL' } as const;
    const child = execFile(command, args, { ...limits, env, signal }, (error, stdout, stderr) => {
      const exitCode = error === null ? 0 : typeof error.code === 'number' ? error.code : 1;
      const why = error === null || typeof error.code === 'number' ? '' : `${error.message}\n`;
      resolve({ exitCode, output: `${stdout}${stderr}${why}` });
    });
    child.stdin?.end();
  });
}

type Service = { readonly kill: () => Promise<void> };

/** As systemd by the product's unit: whatever ends it, it is started again. */
function keepRunning(
  [command = '', ...args]: readonly string[],
  env: Record<string, string>,
  log: (line: string) => void,
): Service {
  const off = new AbortController();
  let child: ChildProcess | null = null;
  const runOnce = (): Promise<string> =>
    new Promise((resolve) => {
      const running = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
      child = running;
      for (const stream of [running.stdout, running.stderr]) createInterface({ input: stream }).on('line', log);
      running.on('error', (error) => resolve(error.message));
      running.on('close', (code, signal) => resolve(String(code ?? signal)));
    });
  const kept = (async (): Promise<void> => {
    while (!off.signal.aborted) {
      const end = await runOnce();
      if (off.signal.aborted) return;
      log(`ended with ${end}`);
      await delay(RESTART_MS, undefined, { signal: off.signal }).catch(() => log('not started again: powered off'));
    }
  })();
  return {
    kill: async () => {
      off.abort();
      child?.kill('SIGKILL');
      await kept;
    },
  };
}
