// The real relay as a process of its own, in a folder of its own.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../relay/main.ts', import.meta.url));

export type RunningRelay = {
  readonly lines: Record<string, unknown>[];
  /** Resolves with the first log line of this event, past or to come. */
  readonly logged: (event: string, timeoutMs?: number) => Promise<Record<string, unknown>>;
  /** Resolves with the exit status, or the signal that ended it. */
  readonly ended: Promise<number | string>;
  readonly kill: (signal: NodeJS.Signals) => void;
};

/** @param main the program, from the sources when it is left out */
export async function relayFolder(settings: Record<string, string>, main = MAIN) {
  const folder = await mkdtemp(join(tmpdir(), 'slipway-relay-'));
  const running: ChildProcess[] = [];
  const environment = (more: Record<string, string>): NodeJS.ProcessEnv => ({
    PATH: process.env.PATH,
    SLIPWAY_STATE_DIR: join(folder, 'state'),
    SLIPWAY_ENROLMENT_LISTEN: '127.0.0.1:0',
    ...settings,
    ...more,
  });
  return {
    state: join(folder, 'state'),
    /** Runs a command to its end, with this line on its standard input. */
    command: (args: string[], line = '', more: Record<string, string> = {}) =>
      new Promise<{ status: number; stdout: string; stderr: string }>((resolve) => {
        const options = { env: environment(more), timeout: 30_000 };
        const child = execFile(process.execPath, [main, ...args], options, (error, stdout, stderr) =>
          resolve({ status: error === null ? 0 : Number(error.code ?? -1), stdout, stderr }),
        );
        child.stdin?.end(`${line}\n`);
      }),
    start: (more: Record<string, string> = {}, args: string[] = []): RunningRelay => {
      const child = spawn(process.execPath, [main, 'run', ...args], {
        env: environment(more),
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      running.push(child);
      return attend(child);
    },
    remove: async () => {
      for (const child of running) if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function attend(child: ChildProcess): RunningRelay {
  const lines: Record<string, unknown>[] = [];
  const wakers = new Set<() => void>();
  if (child.stdout === null) throw new Error('no stdout');
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(JSON.parse(line));
    for (const waker of [...wakers]) waker();
  });
  return {
    lines,
    logged: (event, timeoutMs = 10_000) =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          wakers.delete(look);
          reject(new Error(`no ${event} within ${timeoutMs} ms; the log: ${JSON.stringify(lines)}`));
        }, timeoutMs);
        const look = (): void => {
          const found = lines.find((line) => line.event === event);
          if (found === undefined) return;
          clearTimeout(timer);
          wakers.delete(look);
          resolve(found);
        };
        wakers.add(look);
        look();
      }),
    ended: once(child, 'exit').then(([code, signal]) => code ?? signal),
    kill: (signal) => void child.kill(signal),
  };
}
