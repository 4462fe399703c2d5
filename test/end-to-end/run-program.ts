// A program of ours as its user starts it: a process group of its own, what it prints kept apart, and at the end the question
// whether anything of the group is still alive.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { until } from '../support/until.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** A bundler's helper notices the end of its parent by itself, a moment later. */
const GONE_MS_MAX = 5_000;

export type Program = {
  stdout(): string;
  stderr(): string;
  /** To the whole group, as a terminal sends Ctrl-C. */
  interrupt(signal: 'SIGINT' | 'SIGTERM' | 'SIGKILL'): void;
  /** Exit code, or the signal's name. */
  readonly ended: Promise<number | string>;
  /** Waits until the line is printed on either stream and answers its match. */
  printed(pattern: RegExp, msMax: number): Promise<RegExpExecArray>;
  /** Waits until no process of the group lives; throws when one stays. */
  allGone(): Promise<void>;
};

/** @param args from the repository's root, such as `test/demo/main.ts`, `--exit` */
export function runProgram(args: readonly string[], environment: Readonly<Record<string, string>> = {}): Program {
  const child = spawn(process.execPath, [...args], {
    cwd: ROOT,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...environment },
  });
  const { pid } = child;
  if (pid === undefined) throw new Error(`${args.join(' ')} did not start`);
  const said = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said.stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said.stderr += text;
  });
  const ended = new Promise<number | string>((resolve) => {
    child.on('error', (error) => resolve(error.message));
    child.on('close', (code, signal) => resolve(code ?? signal ?? 'unknown'));
  });
  return {
    stdout: () => said.stdout,
    stderr: () => said.stderr,
    interrupt: (signal) => void tell(-pid, signal),
    ended,
    printed: (pattern, msMax) =>
      until(msMax, `${pattern} to be printed`, () => pattern.exec(said.stdout) ?? pattern.exec(said.stderr)),
    allGone: async () => {
      await until(GONE_MS_MAX, `the processes of ${args.join(' ')} to be gone`, () => !tell(-pid, 0));
    },
  };
}

/** False when there is nobody to tell. */
function tell(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return false;
    throw error;
  }
}
