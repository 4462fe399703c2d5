// A folder that looks like a release without being built, and the README's own commands to treat it with.
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const PACKAGING = fileURLToPath(new URL('../../relay/packaging/', import.meta.url));
const SHELL_MS_MAX = 30_000;

export function makeReleaseFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-release-'));
  writeFileSync(join(folder, 'slipway-relay-linux-x64'), '#!/bin/sh\nexec true\n', { mode: 0o755 });
  const shipped = ['slipway-relay.service', 'slipway-relay.sysusers.conf'];
  for (const name of shipped) copyFileSync(join(PACKAGING, name), join(folder, name));
  const lines = ['slipway-relay-linux-x64', ...shipped].map((name) => `${sha256Of(join(folder, name))}  ${name}\n`);
  // The other architecture is listed, and not there.
  writeFileSync(join(folder, 'SHA256SUMS'), `${lines.join('')}${'0'.repeat(64)}  slipway-relay-linux-arm64\n`);
  return folder;
}

export function sha256Of(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}

/** The block after `<!-- run: NAME -->` in README.md. */
export function readmeCommands(name: string): string {
  const text = readFileSync(join(PACKAGING, 'README.md'), 'utf8');
  const block = new RegExp(`<!-- run: ${name} -->\\s*\`\`\`sh\\n([\\s\\S]*?)\`\`\``).exec(text)?.[1];
  if (block === undefined) throw new Error(`README.md has no commands to ${name}`);
  return block;
}

export function runReadme(
  name: string,
  folder: string,
  environment: Record<string, string> = {},
): { status: number | null; output: string } {
  const shell = spawnSync('sh', ['-euc', readmeCommands(name)], {
    cwd: folder,
    encoding: 'utf8',
    timeout: SHELL_MS_MAX,
    env: { PATH: process.env.PATH, LC_ALL: 'C', ...environment },
  });
  return { status: shell.status, output: `${shell.stdout}${shell.stderr}` };
}

/** Why tests that use these programs can't run here; undefined when they can. */
export function lacking(...programs: string[]): string | undefined {
  const missing = programs.filter((program) => spawnSync('which', [program]).status !== 0);
  return missing.length === 0 ? undefined : `${missing.join(' ')} not installed`;
}

/** @throws when it ends with another status than 0. */
export function output(command: string, args: readonly string[], environment: NodeJS.ProcessEnv = process.env): string {
  return execFileSync(command, args, { encoding: 'utf8', timeout: SHELL_MS_MAX, env: environment });
}
