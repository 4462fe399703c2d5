// A machine's folder on this host: what user-data writes is laid out under a temporary folder and the real script is run by
// the real bash and curl. Stand-ins on PATH note how they were called: `ip` (one interface), `kubeadm` (fails so many times
// as the file `kubeadm-failures` says), and `curl`, which goes on to the real one.
import { spawn } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { load } from 'js-yaml';
import { z } from 'zod';
import { MACHINE_FOLDER } from '../../relay/bootstrap/render-user-data.ts';

export const CloudConfig = z.strictObject({
  write_files: z.array(z.strictObject({ path: z.string(), permissions: z.string(), content: z.string() })),
  runcmd: z.array(z.array(z.string())),
});

export type Machine = {
  readonly folder: string;
  /** Where `enrol` lives. */
  readonly home: string;
  /** Runs `enrol <verb>` to its end. */
  readonly run: (verb: string) => Promise<{ readonly status: number | null; readonly output: string }>;
  /** Starts `enrol run`; the answered function kills it and all it started. */
  readonly start: () => { readonly ended: Promise<number | null>; readonly kill: () => void };
  /** Lines of `calls.log`: one a call of a stand-in, with its arguments. */
  readonly calls: () => Promise<string[]>;
  readonly read: (name: string) => Promise<string | null>;
  readonly remove: () => Promise<void>;
};

const STAND_INS = {
  ip: 'echo "2: eth0    inet 127.0.0.1/24 brd 127.0.0.255 scope global eth0\\       valid_lft forever"',
  kubeadm: `left=$(cat "$SLIPWAY_TEST/kubeadm-failures" 2>/dev/null || echo 0)
if ((left > 0)); then
  echo $((left - 1)) >"$SLIPWAY_TEST/kubeadm-failures"
  printf 'error: "quoted" \\\\ back\\tslash \\033[31mred\\033[0m\\n'
  exit 1
fi`,
  curl: 'exec /usr/bin/curl "$@"',
};

export async function layOutMachine(userData: string): Promise<Machine> {
  const folder = await mkdtemp(join(tmpdir(), 'slipway-machine-'));
  const home = join(folder, MACHINE_FOLDER);
  for (const file of CloudConfig.parse(load(userData)).write_files) {
    const path = join(folder, file.path);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, file.content);
    await chmod(path, Number.parseInt(file.permissions, 8));
  }
  await mkdir(join(folder, 'bin'));
  for (const [name, script] of Object.entries(STAND_INS)) {
    const noting = `#!/bin/bash\necho "${name} $*" >>"$SLIPWAY_TEST/calls.log"\n${script}\n`;
    await writeFile(join(folder, 'bin', name), noting, { mode: 0o755 });
  }
  const environment = { PATH: `${join(folder, 'bin')}:/usr/bin:/bin`, SLIPWAY_TEST: folder, HOME: folder };
  const spawnEnrol = (verb: string) =>
    spawn('bash', [join(home, 'enrol'), verb], { env: environment, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const read = (name: string) => readFile(join(folder, name), 'utf8').catch(() => null);
  return {
    folder,
    home,
    run: (verb) => {
      const child = spawnEnrol(verb);
      let output = '';
      for (const stream of [child.stdout, child.stderr]) stream.on('data', (part) => (output += part));
      return new Promise((resolve) => child.on('close', (status) => resolve({ status, output })));
    },
    start: () => {
      const child = spawnEnrol('run');
      child.stdout.resume();
      child.stderr.resume();
      const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
      // The whole group that we started ourselves, as a power cut would.
      return { ended, kill: () => process.kill(-(child.pid ?? 0), 'SIGKILL') };
    },
    calls: async () => ((await read('calls.log')) ?? '').split('\n').filter((line) => line !== ''),
    read,
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}
