// `slipway-relay install` and `uninstall` as an administrator runs them from a file, from the sources, on a host that reaches
// console, MAAS and machines.
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Site } from './site.ts';

const MAIN = fileURLToPath(new URL('../../relay/main.ts', import.meta.url));
const STOP_MS_MAX = 10_000;

export type PcgWishes = {
  readonly name: string;
  readonly nodes: 1 | 3;
  /** Of a gateway that was made already; left out: the API key in the environment makes one. */
  readonly pairingCode?: string;
};

/** Writes `FOLDER/pcg.yaml` and what it refers to, and answers its path. */
export function writePcgFile(site: Pick<Site, 'controlPlane' | 'lab'>, folder: string, wishes: PcgWishes): string {
  const codeFile = join(folder, 'pairing-code');
  if (wishes.pairingCode !== undefined) writeFileSync(codeFile, wishes.pairingCode, { mode: 0o600 });
  const file = join(folder, 'pcg.yaml');
  const settings = {
    version: 1,
    gateway: { name: wishes.name },
    console: {
      endpoint: site.controlPlane.url,
      ...(wishes.pairingCode === undefined ? {} : { pairingCode: `file:${codeFile}` }),
    },
    network: { podCidr: '10.244.0.0/16', serviceIpRange: '10.96.0.0/16' },
    maas: { endpoint: site.lab.url, apiKey: 'env:MAAS_KEY' },
    placement: { zone: null, flavour: 'small', nodes: wishes.nodes },
  };
  writeFileSync(file, `${JSON.stringify(settings, null, 2)}\n`, { mode: 0o600 });
  return file;
}

export type InstallerRun = {
  /** What it printed so far, both streams. */
  readonly lines: readonly string[];
  /** Exit code, or the signal's name. */
  readonly ended: Promise<number | string>;
  interrupt(): void;
  /** As a host that loses power. */
  kill(): void;
  /** Ends it if it runs. */
  stop(): Promise<void>;
};

export type InstallerSettings = {
  readonly verb: 'install' | 'uninstall';
  readonly pcgFile: string;
  /** Where machines reach its enrolment endpoint, `address:port`. */
  readonly enrolment: string;
  /** MAAS_KEY, SLIPWAY_API_KEY. */
  readonly environment: Readonly<Record<string, string>>;
  log(line: string): void;
};

export function runInstaller(settings: InstallerSettings): InstallerRun {
  const { verb, pcgFile, enrolment, environment, log } = settings;
  const args = verb === 'install' ? ['install', '-s', 'true', '-c', pcgFile] : ['uninstall', '-c', pcgFile];
  const child = spawn(process.execPath, [MAIN, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env.PATH ?? '',
      SLIPWAY_ENROLMENT_LISTEN: enrolment,
      SLIPWAY_ENROLMENT_ADVERTISE: enrolment,
      ...environment,
    },
  });
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      lines.push(line);
      log(line);
    });
  }
  const ended = new Promise<number | string>((resolve) => {
    child.on('error', (error) => resolve(error.message));
    child.on('close', (code, signal) => resolve(code ?? signal ?? 'unknown'));
  });
  return {
    lines,
    ended,
    interrupt: () => void child.kill('SIGINT'),
    kill: () => void child.kill('SIGKILL'),
    stop: async () => {
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX);
      child.kill('SIGTERM');
      await ended;
      clearTimeout(timer);
    },
  };
}
