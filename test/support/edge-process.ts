// The control plane as a process of its own, so that its workerd can be killed like a machine that loses power and be started
// again from the same folder and port. Run as a program, this file is that process.
import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { type ControlPlaneOptions, startControlPlane } from './control-plane.ts';

const THIS = fileURLToPath(import.meta.url);
/** Bundling and workerd take 2-5 s, several times that on a busy machine. */
const START_MS_MAX = 60_000;
const STOP_MS_MAX = 10_000;

export type EdgeOptions = Omit<ControlPlaneOptions, 'log' | 'port'> & { readonly port: number };

export type EdgeProcess = {
  readonly url: string;
  readonly setupSecret: string;
  /** SIGKILL for workerd, then for the process that held it. Resolves when both are gone. May be repeated. */
  kill(): Promise<void>;
  stop(): Promise<void>;
};

const Ready = z.strictObject({
  ready: z.literal(true),
  url: z.string(),
  setupSecret: z.string(),
  workerdPids: z.array(z.int()).min(1),
});

/** Throws, and leaves nothing behind, when it does not get ready. */
export async function startEdgeProcess(options: EdgeOptions, log: (line: string) => void): Promise<EdgeProcess> {
  const child = spawn(process.execPath, [THIS, JSON.stringify(options)], { stdio: ['pipe', 'pipe', 'pipe'] });
  const ended = new Promise<void>((resolve) => {
    child.on('close', () => resolve());
    child.on('error', () => resolve());
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), START_MS_MAX);
  createInterface({ input: child.stderr }).on('line', log);
  const ready = await readyOf(child, ended, log);
  clearTimeout(timer);
  return {
    url: ready.url,
    setupSecret: ready.setupSecret,
    kill: async () => {
      for (const pid of ready.workerdPids) killIfThere(pid);
      child.kill('SIGKILL');
      await ended;
    },
    stop: async () => {
      const late = setTimeout(() => {
        for (const pid of ready.workerdPids) killIfThere(pid);
        child.kill('SIGKILL');
      }, STOP_MS_MAX);
      child.stdin.end();
      await ended;
      clearTimeout(late);
    },
  };
}

/** The first line of JSON that says so; every other line is the Worker's log. */
function readyOf(
  child: ChildProcess,
  ended: Promise<void>,
  log: (line: string) => void,
): Promise<z.infer<typeof Ready>> {
  return new Promise((resolve, reject) => {
    void ended.then(() => reject(new Error('the control plane ended before it was ready')));
    if (child.stdout === null) return reject(new Error('the control plane has no output'));
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (!line.startsWith('{"ready":true')) return log(line);
      resolve(Ready.parse(JSON.parse(line)));
    });
  });
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

/** Processes that this one started and that run workerd. */
function ownWorkerd(): number[] {
  const children = readdirSync('/proc/self/task').flatMap((thread) =>
    readFileSync(`/proc/self/task/${thread}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
  );
  return children.filter((pid) => readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('workerd'));
}

const Given = z.object({
  stateDir: z.string(),
  port: z.int(),
  publicOrigin: z.string().optional(),
  waits: z.record(z.string(), z.int()).optional(),
  worker: z.object({ entry: z.string(), environment: z.record(z.string(), z.string()) }).optional(),
});

async function serve(given: string): Promise<void> {
  const { stateDir, port, publicOrigin, waits, worker } = Given.parse(JSON.parse(given));
  const controlPlane = await startControlPlane({
    stateDir,
    port,
    log: (line) => process.stdout.write(`${line}\n`),
    ...(publicOrigin === undefined ? {} : { publicOrigin }),
    ...(waits === undefined ? {} : { waits }),
    ...(worker === undefined ? {} : { worker }),
  });
  const { url, setupSecret } = controlPlane;
  process.stdout.write(`${JSON.stringify({ ready: true, url, setupSecret, workerdPids: ownWorkerd() })}\n`);
  // Its input ends when whoever started it ends, however that ends.
  await new Promise<void>((resolve) => process.stdin.on('end', resolve).on('close', resolve).resume());
  await controlPlane.close();
  process.exit(0);
}

if (import.meta.main) await serve(process.argv[2] ?? '{}');
