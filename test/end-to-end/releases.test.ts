// A release through the control plane as it runs in production: stored, signed, published, and its program fetched whole.
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { programPath } from '../../shared/release.ts';
import { type ControlPlane, startControlPlane } from '../support/control-plane.ts';
import { publishRelease } from '../support/publish-release.ts';

const stateDir = mkdtempSync(join(tmpdir(), 'slipway-releases-'));
let edge: ControlPlane;
beforeAll(async () => {
  edge = await startControlPlane({ stateDir });
});
afterAll(async () => {
  await edge.close();
  rmSync(stateDir, { recursive: true, force: true });
});

test('a program of 3 MB comes with the length and the digest that its release names', async () => {
  const program = randomBytes(3_000_000);
  const about = { version: '0.2.0', severity: 'low' as const, changes: ['Nothing.'], machines: null };
  const { programs } = await publishRelease(edge, about, { javascript: program });
  await publishRelease(edge, about, { javascript: program });
  const response = await fetch(edge.url + programPath('0.2.0', 'javascript'));
  expect(response.headers.get('content-length')).toBe('3000000');
  const bytes = new Uint8Array(await response.arrayBuffer());
  expect(createHash('sha256').update(bytes).digest('hex')).toBe(programs[0]?.sha256);
});
