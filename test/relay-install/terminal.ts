// The real program at a pseudo-terminal: what it shows is awaited, what a person would type is typed.
import { spawn, spawnSync } from 'node:child_process';
import { stripVTControlCharacters } from 'node:util';
import { MAIN } from './install-site.ts';

const SHOWN_MS_MAX = 30_000;
export const ENTER = '\r';
export const DOWN = '\x1b[B';
export const CTRL_C = '\x03';

/** Standard library only: standard input and output of this program are the other end of the terminal. */
const PSEUDO_TERMINAL = `
import fcntl, os, pty, select, struct, sys, termios
pid, fd = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 240, 0, 0))
inputs = [fd, 0]
while True:
    ready, _, _ = select.select(inputs, [], [])
    if fd in ready:
        try:
            data = os.read(fd, 65536)
        except OSError:
            break
        if not data:
            break
        os.write(1, data)
    if 0 in ready:
        data = os.read(0, 65536)
        if data:
            os.write(fd, data)
        else:
            inputs = [fd]
_, status = os.waitpid(pid, 0)
sys.exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128)
`;

/** Why tests at a terminal can't run here; undefined when they can. */
export function noTerminal(): string | undefined {
  return spawnSync('python3', ['-c', 'import pty, fcntl, termios']).status === 0 ? undefined : 'python3 not installed';
}

export type Terminal = {
  /** Waits until `text` is shown, beyond what was awaited before. Blanks and line ends count alike. */
  readonly shows: (text: string) => Promise<void>;
  readonly type: (keys: string) => void;
  /** `shows` and `type` in turn, each answer ended by Enter. Only a prompt takes keys: between two of them they are lost. */
  readonly answer: (...turns: readonly (readonly [question: string, typed: string])[]) => Promise<void>;
  /** All that was shown, as it was sent. */
  readonly transcript: () => string;
  readonly pid: number;
  readonly ended: Promise<number>;
  readonly kill: () => void;
};

export function openTerminal(args: readonly string[], environment: Readonly<Record<string, string>>): Terminal {
  const child = spawn('python3', ['-c', PSEUDO_TERMINAL, process.execPath, MAIN, ...args], {
    // Another test may have the usual port.
    env: {
      PATH: process.env.PATH,
      TERM: 'xterm',
      NO_COLOR: '1',
      SLIPWAY_ENROLMENT_LISTEN: '127.0.0.1:0',
      ...environment,
    },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let raw = '';
  let seen = 0;
  const wakers = new Set<() => void>();
  const wake = (): void => {
    for (const waker of [...wakers]) waker();
  };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    raw += text;
    wake();
  });
  const shows = (text: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const wanted = plain(text);
      const look = (): void => {
        const at = plain(raw).indexOf(wanted, seen);
        if (at < 0) return;
        seen = at + wanted.length;
        clearTimeout(timer);
        wakers.delete(look);
        resolve();
      };
      const timer = setTimeout(() => {
        wakers.delete(look);
        reject(new Error(`"${text}" was not shown; the screen since: ${plain(raw).slice(seen)}`));
      }, SHOWN_MS_MAX);
      wakers.add(look);
      look();
    });
  const type = (keys: string): void => void child.stdin.write(keys);
  return {
    shows,
    type,
    answer: async (...turns) => {
      for (const [question, typed] of turns) {
        await shows(question);
        type(`${typed}${ENTER}`);
      }
    },
    transcript: () => raw,
    pid: child.pid ?? 0,
    ended: new Promise((resolve) => child.on('close', (code) => resolve(code ?? -1))),
    kill: () => void child.kill('SIGKILL'),
  };
}

const plain = (text: string): string => stripVTControlCharacters(text).replace(/\s+/g, ' ');
