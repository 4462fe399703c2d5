// How a release is signed, verified and installed: the README's commands, run as they stand there.
import { appendFileSync, copyFileSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { newestChanges, readReleaseWords, writeManifest } from '../../relay/packaging/release-manifest.ts';
import { verifySignature } from '../../relay/vault.ts';
import { RELAY_VERSION } from '../../relay/version.ts';
import { ReleaseKey, readManifest, SignedRelease } from '../../shared/release.ts';
import { lacking, makeReleaseFolder, PACKAGING, runReadme, sha256Of } from './release-folder.ts';

const unsigned = lacking('openssl', 'sha256sum');

describe.skipIf(unsigned !== undefined)(`a release${unsigned === undefined ? '' : ` (skipped: ${unsigned})`}`, () => {
  let folder: string;
  beforeEach(() => {
    folder = makeReleaseFolder();
    expect(runReadme('make the key', folder).status).toBe(0);
    expect(runReadme('sign', folder).status).toBe(0);
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  test('is verified with one architecture of it only', () => {
    const verified = runReadme('verify', folder);
    expect(verified.status, verified.output).toBe(0);
    expect(verified.output).toContain('Signature Verified Successfully');
    expect(verified.output).toContain('slipway-relay-linux-x64: OK');
  });

  test('is refused when a file was altered', () => {
    appendFileSync(join(folder, 'slipway-relay-linux-x64'), ' ');
    expect(runReadme('verify', folder).status).not.toBe(0);
  });

  test('is refused when a file and its checksum were altered', () => {
    const sums = join(folder, 'SHA256SUMS');
    appendFileSync(sums, `${readFileSync(sums, 'utf8').slice(0, 64)}  another\n`);
    const verified = runReadme('verify', folder);
    expect(verified.status).not.toBe(0);
    expect(verified.output).not.toContain('OK');
  });

  test('is refused when another key signed it', () => {
    copyFileSync(join(folder, 'slipway-release.pub'), join(folder, 'the-sites.pub'));
    runReadme('make the key', folder);
    runReadme('sign', folder);
    copyFileSync(join(folder, 'the-sites.pub'), join(folder, 'slipway-release.pub'));
    expect(runReadme('verify', folder).status).not.toBe(0);
  });
});

const signing = lacking('openssl', 'basenc', 'node');

describe.skipIf(signing !== undefined)(`a manifest${signing === undefined ? '' : ` (skipped: ${signing})`}`, () => {
  const words = { severity: 'high', machines: null } as const;
  let folder: string;
  beforeEach(() => {
    folder = makeReleaseFolder();
    writeFileSync(join(folder, 'slipway-relay.mjs'), 'the code');
    writeFileSync(join(folder, 'release.json'), writeManifest(folder, ['x64'], words));
    expect(runReadme('make the key', folder).status).toBe(0);
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  test('[U1] is signed by the commands of the README, so that a relay takes it with the key they print', async () => {
    const signed = runReadme('sign the manifest', folder);
    expect(signed.status, signed.output).toBe(0);
    const release = SignedRelease.parse(JSON.parse(readFileSync(join(folder, 'release-signed.json'), 'utf8')));
    const key = ReleaseKey.parse(runReadme('print the release key', folder).output.trim());
    expect(await verifySignature(key, release.manifest, release.signature)).toBe(true);
    expect(await verifySignature(key, `${release.manifest} `, release.signature)).toBe(false);
    expect(readManifest(release)).toMatchObject({
      version: RELAY_VERSION,
      severity: 'high',
      programs: [
        { platform: 'linux-x64', sha256: sha256Of(join(folder, 'slipway-relay-linux-x64')) },
        { platform: 'javascript', sizeBytes: 8 },
      ],
    });
  });

  test('names the changes of the newest entry of the CHANGELOG, each as one line', () => {
    expect(
      newestChanges('# Changes\n\n## 2.0.0\n\nNew.\n\n- One\n  thing.\n- `Another`.\n\n## 1.0.0\n\n- Old.\n'),
    ).toEqual(['One thing.', '`Another`.']);
  });

  test('is asked for by a severity, and of nothing else', () => {
    expect(readReleaseWords({})).toBeNull();
    expect(readReleaseWords({ severity: 'low' })).toEqual({ severity: 'low', machines: null });
    expect(() => readReleaseWords({ severity: 'urgent' })).toThrow();
  });
});

const noSysusers = lacking('systemd-sysusers');

test.skipIf(noSysusers !== undefined)(
  `the install commands put program, unit and user in place${noSysusers === undefined ? '' : ` (skipped: ${noSysusers})`}`,
  () => {
    const folder = makeReleaseFolder();
    const root = join(folder, 'root');
    const installed = runReadme('install', folder, { DESTDIR: root });
    expect(installed.status, installed.output).toBe(0);
    const unit = readFileSync(join(root, 'etc/systemd/system/slipway-relay.service'), 'utf8');
    const program = /^ExecStart=(\S+)/m.exec(unit)?.[1] ?? '';
    const user = /^User=(\S+)$/m.exec(unit)?.[1];
    expect(statSync(join(root, program)).mode & 0o777).toBe(0o755);
    expect(statSync(join(root, 'var/lib/slipway')).mode & 0o777).toBe(0o700);
    expect(readFileSync(join(root, 'etc/passwd'), 'utf8')).toMatch(
      new RegExp(`^${user}:.*:/var/lib/slipway:.*nologin$`, 'm'),
    );
    rmSync(folder, { recursive: true, force: true });
  },
);

test('the newest entry of the CHANGELOG is this version', () => {
  const changes = readFileSync(join(PACKAGING, '../CHANGELOG.md'), 'utf8');
  expect(/^## (\S+)/m.exec(changes)?.[1]).toBe(RELAY_VERSION);
});
