import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { fillTemplate, slotsUsed } from '../../shared/bootstrap.ts';
import { documentsOf } from './documents-of-kind.ts';

const folder = mkdtempSync(join(tmpdir(), 'slipway-relay-step-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Says what it was called with, and is a program as real machines want one. */
const PROGRAM = readFileSync('/bin/echo');
const DIGEST = createHash('sha256').update(PROGRAM).digest('hex');

/** `digest`: of the document; `announced`: with what is served. */
type Site = { name: string; served: Buffer; digest?: string; announced?: string; architecture?: string };

/** Runs the step in a folder of its own, with a curl that hands out `served` and writes down how it was called. */
function install({ name, served, digest = DIGEST, announced, architecture }: Site) {
  const home = join(folder, name);
  const bin = join(home, 'stand-ins');
  mkdirSync(join(home, 'var/relay'), { recursive: true });
  mkdirSync(bin, { recursive: true });
  writeFileSync(join(home, 'var/enrolment.env'), "SERVER_NAME='enrolment.test'\n");
  writeFileSync(join(home, 'served'), served);
  const said = announced === undefined ? '' : `x-slipway-program-sha256: ${announced}\r\n`;
  writeFileSync(join(home, 'headers'), `HTTP/1.1 200 OK\r\ncontent-length: ${served.length}\r\n${said}\r\n`);
  const curl = `#!/bin/bash
echo "$*" >>${home}/calls
while [ "$1" != --dump-header ]; do shift; done
cp ${home}/headers "$2"
while [ "$1" != --output ]; do shift; done
cp ${home}/served "$2"
`;
  writeFileSync(join(bin, 'curl'), curl, { mode: 0o755 });
  const machine = execFileSync('uname', ['-m'], { encoding: 'utf8' }).trim();
  const facts: Record<string, string> = {
    'relay-origin': 'https://10.0.0.5:7443',
    'relay-program-sha256': digest,
    'relay-program-architecture': architecture ?? machine,
  };
  const step = documentsOf('gateway')[0]?.steps.find((one) => one.name === 'install-relay');
  const script = fillTemplate(step?.script ?? '', (_kind, fact) => facts[fact] ?? `no ${fact}`)
    .replaceAll('/usr/local/bin', join(home, 'bin'))
    .replaceAll('/var/lib/slipway', join(home, 'var'));
  const env = { PATH: `${bin}:${process.env.PATH ?? ''}` };
  const file = join(home, 'step');
  writeFileSync(file, script);
  const stdio: ('ignore' | 'pipe')[] = ['ignore', 'pipe', 'pipe'];
  const run = spawnSync('bash', ['-euo', 'pipefail', file], { env, stdio, encoding: 'utf8', timeout: 10_000 });
  const calls = existsSync(join(home, 'calls')) ? readFileSync(join(home, 'calls'), 'utf8').trim().split('\n') : [];
  const left = existsSync(join(home, 'bin')) ? readdirSync(join(home, 'bin')) : [];
  return { ...run, home, calls, left };
}

describe('documents of a gateway’s machines', () => {
  test('[GW1] without the step, its files and its clean-up, they are those of a workload’s machines', () => {
    const workload = documentsOf('workload');
    const without = documentsOf('gateway').map((document) => ({
      ...document,
      files: document.files.filter(({ path }) => !path.startsWith('/var/lib/slipway/relay/')),
      steps: document.steps
        .filter(({ name }) => name !== 'install-relay')
        .map((step) => ({ ...step, script: step.script.replace('rm -f /var/lib/slipway/relay/pairing-code\n', '') })),
    }));
    expect(without).toEqual(workload);
    for (const document of workload) expect(JSON.stringify(document)).not.toContain('relay');
  });

  test('[GW1] the relay is installed before Kubernetes, and its code is removed in the end', () => {
    for (const document of documentsOf('gateway')) {
      const names = document.steps.map(({ name }) => name);
      expect(names.indexOf('install-relay')).toBeGreaterThan(-1);
      expect(names.indexOf('install-relay')).toBeLessThan(names.indexOf('install-kubernetes'));
      expect(names.at(-1)).toBe('clear-secrets');
      expect(document.steps.at(-1)?.script).toContain('\nrm -f /var/lib/slipway/relay/pairing-code\n');
      for (const { script } of document.steps) execFileSync('bash', ['-n'], { input: script });
    }
  });

  test('[GW1] code and settings are secrets in files that only root reads, never in a step', () => {
    for (const document of documentsOf('gateway')) {
      expect(slotsUsed(document)).toContain('relay-pairing-code');
      expect(slotsUsed(document)).toContain('relay-settings');
      const secret = document.files.filter(({ content }) => content.includes('{{secret:relay-'));
      expect(secret.map(({ path, mode }) => [path, mode])).toEqual([
        ['/var/lib/slipway/relay/pairing-code', '0600'],
        ['/var/lib/slipway/relay/relay.yaml', '0600'],
      ]);
      expect(document.steps.filter(({ script }) => script.includes('{{secret:'))).toEqual([]);
    }
  });

  test('[GW1] the step fetches the program with authority and token by file, checks it, and starts the relay', () => {
    const run = install({ name: 'plain', served: PROGRAM });
    expect(run.stderr).toBe('');
    expect(run.stdout.trim()).toBe(`install --node ${run.home}/var/relay`);
    expect(run.left).toEqual(['slipway-relay']);
    expect(run.calls).toHaveLength(1);
    expect(run.calls[0]).toContain('--connect-to enrolment.test:443:10.0.0.5:7443 ');
    expect(run.calls[0]).toContain(
      `--cacert ${run.home}/var/relay/authority.pem --header @${run.home}/var/authorization`,
    );
    expect(run.calls[0]).toMatch(/ https:\/\/enrolment\.test\/v1\/program$/);
    const again = install({ name: 'plain', served: Buffer.from('not asked for') });
    expect([again.status, again.calls.length]).toEqual([0, 1]);
  });

  test('[GW1] a relay that was upgraded since it gave out the document sends its new program, checked by what it says', () => {
    const ofBefore = '0'.repeat(64);
    const run = install({ name: 'upgraded', served: PROGRAM, digest: ofBefore, announced: DIGEST });
    expect([run.stderr, run.status, run.left]).toEqual(['', 0, ['slipway-relay']]);
    const again = install({ name: 'upgraded', served: Buffer.from('not asked for'), digest: ofBefore });
    expect([again.status, again.calls.length]).toEqual([0, 1]);
    const altered = Buffer.concat([PROGRAM, Buffer.from('x')]);
    const other = install({ name: 'upgraded-and-altered', served: altered, digest: ofBefore, announced: DIGEST });
    expect([other.status, other.stdout, other.left]).toEqual([1, '', []]);
    expect(other.stderr).toContain(`its SHA-256 is not ${DIGEST}`);
  });

  test('[GW1] a program that is altered, for other machines, or no program at all is not run and not kept', () => {
    const altered = install({ name: 'altered', served: Buffer.concat([PROGRAM, Buffer.from('x')]) });
    expect(altered.stderr).toContain('is not the program it announced');
    const other = install({ name: 'other', served: PROGRAM, architecture: 'riscv64' });
    expect(other.stderr).toContain('offers its program for riscv64');
    expect(other.calls).toEqual([]);
    const source = Buffer.from('import process from "node:process";');
    const digest = createHash('sha256').update(source).digest('hex');
    const script = install({ name: 'source', served: source, digest });
    expect(script.stderr).toContain('runs from source');
    for (const run of [altered, other, script]) expect([run.status, run.stdout, run.left]).toEqual([1, '', []]);
  });
});
