// The executables themselves. Building them takes a minute and two downloads of 57 MB, so only on the caller's word.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HELP } from '../../relay/help.ts';
import { ROOT } from '../../relay/packaging/run-tool.ts';
import { RELAY_VERSION } from '../../relay/version.ts';
import { startFakeEdge } from '../support/fake-edge.ts';
import { lacking, output, sha256Of } from './release-folder.ts';

const BUILD_MS_MAX = 300_000;
/** Stripped 119 MB; Node of the next minor version may grow a little. */
const SIZE_MAX_BYTES = 130_000_000;
/** Measured 0.25 s; a loaded machine of CI gets ten times that. */
const START_MS_MAX = 2_500;
const RUN_MS_MAX = 30_000;
const CROSS_ROOT = '/usr/aarch64-linux-gnu';

const skip =
  process.env.SLIPWAY_ROOT_TESTS !== '1'
    ? 'SLIPWAY_ROOT_TESTS is not 1'
    : process.arch !== 'x64'
      ? 'this host is not x64'
      : undefined;
const because = (reason: string | undefined): string => (reason === undefined ? '' : ` (skipped: ${reason})`);

const noStrip = lacking('strip', 'aarch64-linux-gnu-strip');
const noQemu =
  lacking('qemu-aarch64-static') ??
  (existsSync(join(CROSS_ROOT, 'lib/libatomic.so.1')) ? undefined : 'libatomic1-arm64-cross not installed');
const noBuildah =
  lacking('buildah', 'readelf', 'dpkg') ??
  (existsSync('/etc/ssl/certs/ca-certificates.crt') ? undefined : 'ca-certificates not installed') ??
  (process.getuid?.() === 0 ? undefined : 'not root');

describe.skipIf(skip !== undefined)(`the executables${because(skip)}`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-executable-'));
  const release = join(folder, 'dist');
  const x64 = join(release, 'slipway-relay-linux-x64');
  const arm64 = join(release, 'slipway-relay-linux-arm64');
  const build = (...args: string[]): void => {
    const built = spawnSync(process.execPath, [join(ROOT, 'relay/packaging/build.ts'), ...args], {
      encoding: 'utf8',
      timeout: BUILD_MS_MAX,
    });
    expect(built.status, `${built.stdout}${built.stderr}`).toBe(0);
  };
  const versionLine = (): string =>
    `slipway-relay ${RELAY_VERSION} sha256:${sha256Of(join(release, 'slipway-relay.mjs'))}\n`;

  beforeAll(() => build('--out', release), BUILD_MS_MAX);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('SHA256SUMS lists every file of the release, rightly', () => {
    const checked = spawnSync('sha256sum', ['--check', '--strict', 'SHA256SUMS'], { cwd: release, encoding: 'utf8' });
    expect(checked.status, checked.stderr).toBe(0);
    expect(checked.stdout.trim().split('\n').sort()).toEqual(
      [
        'THIRD-PARTY-NOTICES.txt',
        'slipway-relay-linux-arm64',
        'slipway-relay-linux-x64',
        'slipway-relay.cdx.json',
        'slipway-relay.mjs',
        'slipway-relay.service',
        'slipway-relay.sysusers.conf',
      ].map((name) => `${name}: OK`),
    );
  });

  test('x64 says its version with the digest of the code that SHA256SUMS lists, and its help', () => {
    const startedAt = performance.now();
    expect(output(x64, ['version'])).toBe(versionLine());
    expect(performance.now() - startedAt).toBeLessThan(START_MS_MAX);
    expect(output(x64, ['--help'])).toBe(HELP);
  });

  test('x64 carries out a command: doctor finds that it is not paired', () => {
    const state = join(folder, 'state');
    mkdirSync(state, { mode: 0o700 });
    const environment = { PATH: process.env.PATH, SLIPWAY_STATE_DIR: state, SLIPWAY_ENROLMENT_LISTEN: '127.0.0.1:0' };
    const doctor = spawnSync(x64, ['doctor', '--json'], { encoding: 'utf8', env: environment });
    expect(doctor.status, doctor.stderr).toBe(1);
    expect(doctor.stdout).toContain('not paired');
  });

  test('x64 pairs, opens the tunnel, and ends with 0 when asked', { timeout: BUILD_MS_MAX }, async () => {
    const edge = await startFakeEdge();
    const environment = {
      PATH: process.env.PATH,
      SLIPWAY_CONSOLE: edge.origin,
      SLIPWAY_STATE_DIR: join(folder, 'paired'),
      SLIPWAY_ENROLMENT_LISTEN: '127.0.0.1:0',
    };
    // Not the synchronous way: the console is in this process.
    const start = (command: string) =>
      spawn(x64, [command], { env: environment, stdio: ['pipe', 'ignore', 'inherit'], timeout: RUN_MS_MAX });
    const pairing = start('pair');
    pairing.stdin.end(`${edge.code}\n`);
    expect(await once(pairing, 'close')).toEqual([0, null]);
    const running = start('run');
    const ended = once(running, 'close');
    await edge.connected(1);
    running.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
    await edge.stop();
  });

  test('NODE_OPTIONS loads nothing into it', () => {
    const environment = { ...process.env, NODE_OPTIONS: '--require=/nowhere/planted.js' };
    expect(output(x64, ['version'], environment)).toBe(versionLine());
  });

  test.skipIf(noStrip !== undefined)(`both are stripped, so below 130 MB${because(noStrip)}`, () => {
    for (const file of [x64, arm64]) expect(statSync(file).size).toBeLessThan(SIZE_MAX_BYTES);
  });

  test.skipIf(noQemu !== undefined)(`arm64 runs, under qemu${because(noQemu)}`, () => {
    expect(output('qemu-aarch64-static', ['-L', CROSS_ROOT, arm64, 'version'])).toBe(versionLine());
  });

  test('arm64 is an executable for it', () => {
    // e_machine of the ELF header; 183 is EM_AARCH64.
    expect(readFileSync(arm64).readUInt16LE(18)).toBe(183);
  });

  test('a second build gives the same executable', { timeout: BUILD_MS_MAX }, () => {
    const again = join(folder, 'again');
    build('--out', again, '--arch', 'x64');
    for (const name of ['slipway-relay.mjs', 'slipway-relay-linux-x64'])
      expect(sha256Of(join(again, name)), name).toBe(sha256Of(join(release, name)));
  });

  test.skipIf(noBuildah !== undefined)(`the image starts${because(noBuildah)}`, { timeout: BUILD_MS_MAX }, () => {
    const out = join(folder, 'for-image');
    build('--out', out, '--arch', 'x64', '--image');
    const store = ['--root', join(folder, 'store'), '--runroot', join(folder, 'runroot'), '--storage-driver', 'vfs'];
    const image = join(out, 'image-linux-x64');
    output('buildah', [...store, 'build', '--isolation', 'chroot', '--arch', 'amd64', '-t', 'slipway-relay', image]);
    const container = output('buildah', [...store, 'from', 'slipway-relay']).trim();
    const inside = ['run', '--isolation', 'chroot', container, '--', '/usr/bin/slipway-relay'];
    expect(output('buildah', [...store, ...inside, 'version'])).toBe(versionLine());
    const doctor = spawnSync('buildah', [...store, ...inside, 'doctor'], { encoding: 'utf8' });
    expect(doctor.stdout).toMatch(/^ok +state folder/m);
    expect(doctor.stdout).toMatch(/^FAILED +identity: not paired/m);
    output('buildah', [...store, 'rm', container]);
    output('buildah', [...store, 'rmi', 'slipway-relay']);
  });
});
