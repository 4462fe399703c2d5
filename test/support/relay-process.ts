// The real slipway-relay, as a process of its own: what a site installs, run from the sources.
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../relay/main.ts', import.meta.url));
const PAIR_MS_MAX = 120_000;
const STOP_MS_MAX = 10_000;

export type RelaySettings = {
  readonly stateDir: string;
  readonly consoleUrl: string;
  /** Where machines reach the enrolment endpoint, `address:port`. */
  readonly enrolment: string;
  /** Further environment, such as an armed failpoint. */
  readonly environment?: Readonly<Record<string, string>>;
  log(line: string): void;
};

export type RelayProcess = {
  readonly pid: number;
  /** Resolves with the exit code, or the signal's name, when the process ends. */
  readonly ended: Promise<number | string>;
  kill(signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): void;
  /** SIGTERM; SIGKILL when it does not end in time. */
  stop(): Promise<void>;
};

/** Pairs once; the code goes by standard input so that it is in no process list. */
export async function pairRelay(settings: RelaySettings, pairingCode: string): Promise<void> {
  const child = start(settings, ['pair']);
  child.stdin?.end(`${pairingCode}\n`);
  const timer = setTimeout(() => child.kill('SIGKILL'), PAIR_MS_MAX);
  const ended = await endOf(child);
  clearTimeout(timer);
  if (ended !== 0) throw new Error(`slipway-relay pair ended with ${ended}`);
}

export function runRelay(settings: RelaySettings): RelayProcess {
  const child = start(settings, ['run']);
  const ended = endOf(child);
  if (child.pid === undefined) throw new Error('slipway-relay did not start');
  return {
    pid: child.pid,
    ended,
    kill: (signal) => {
      child.kill(signal);
    },
    stop: async () => {
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX);
      child.kill('SIGTERM');
      await ended;
      clearTimeout(timer);
    },
  };
}

function start(settings: RelaySettings, args: readonly string[]): ChildProcess {
  const child = spawn(process.execPath, [MAIN, ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: {
      PATH: process.env.PATH ?? '',
      SLIPWAY_STATE_DIR: settings.stateDir,
      SLIPWAY_CONSOLE: settings.consoleUrl,
      SLIPWAY_ENROLMENT_LISTEN: settings.enrolment,
      SLIPWAY_ENROLMENT_ADVERTISE: settings.enrolment,
      ...settings.environment,
    },
  });
  for (const stream of [child.stdout, child.stderr]) {
    let rest = '';
    stream?.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) settings.log(line);
    });
  }
  return child;
}

function endOf(child: ChildProcess): Promise<number | string> {
  return new Promise((resolve) => {
    child.on('error', (error) => resolve(error.message));
    child.on('close', (code, signal) => resolve(code ?? signal ?? 'unknown'));
  });
}
