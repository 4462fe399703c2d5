// The systemd unit: what systemd itself says about it.

import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { lacking, output, PACKAGING } from './release-folder.ts';

const NAME = 'slipway-relay.service';
const EXPOSURE_MAX = 3.0;
const skip = lacking('systemd-analyze');

describe.skipIf(skip !== undefined)(`the unit${skip === undefined ? '' : ` (skipped: ${skip})`}`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-unit-'));
  const unit = join(folder, NAME);
  copyFileSync(join(PACKAGING, NAME), unit);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('has nothing that systemd would ignore or complain about', () => {
    // It also wants the program to be there, and this host has not installed it.
    writeFileSync(unit, readFileSync(unit, 'utf8').replace(/^ExecStart=\S+/m, `ExecStart=${process.execPath}`));
    const verified = spawnSync('systemd-analyze', ['verify', '--man=no', unit], { encoding: 'utf8' });
    expect({ status: verified.status, said: `${verified.stdout}${verified.stderr}` }).toEqual({ status: 0, said: '' });
  });

  test(`is exposed to at most ${EXPOSURE_MAX}`, () => {
    const said = output('systemd-analyze', ['security', '--offline=true', '--no-pager', unit]);
    const exposure = Number(/Overall exposure level for \S+: ([\d.]+)/.exec(said)?.[1]);
    expect(exposure).toBeGreaterThan(0);
    expect(exposure).toBeLessThanOrEqual(EXPOSURE_MAX);
  });
});
