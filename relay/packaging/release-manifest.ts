// The manifest of a release, as the console publishes it: to be signed as it is (README.md).
import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { MachinesRelease, ReleaseManifest, type ReleaseProgram, Severity } from '../../shared/release.ts';
import { RELAY_VERSION } from '../version.ts';
import { BUNDLE_FILE } from './bundle.ts';
import type { Arch } from './node-runtime.ts';

const CHANGELOG = new URL('../CHANGELOG.md', import.meta.url);

export type ReleaseWords = { readonly severity: Severity; readonly machines: MachinesRelease | null };

/** Null when no manifest is asked for. @throws when what is given is no severity, or no machines. */
export function readReleaseWords(given: {
  severity?: string | undefined;
  machines?: string | undefined;
}): ReleaseWords | null {
  if (given.severity === undefined) return null;
  const { machines } = given;
  return {
    severity: Severity.parse(given.severity),
    machines: machines === undefined ? null : MachinesRelease.parse(JSON.parse(readFileSync(machines, 'utf8'))),
  };
}

/** The text to be signed. @param out the folder with the programs  @throws when one is missing */
export function writeManifest(out: string, arches: readonly Arch[], { severity, machines }: ReleaseWords): string {
  const programs = [
    ...arches.map((arch) => describe(`linux-${arch}`, join(out, `slipway-relay-linux-${arch}`))),
    describe('javascript', join(out, BUNDLE_FILE)),
  ];
  const changes = newestChanges(readFileSync(CHANGELOG, 'utf8'));
  const manifest = { v: 1, version: RELAY_VERSION, severity, changes, programs, machines };
  return `${JSON.stringify(ReleaseManifest.parse(manifest), null, 2)}\n`;
}

function describe(platform: ReleaseProgram['platform'], file: string): ReleaseProgram {
  const sha256 = createHash('sha256').update(readFileSync(file)).digest('hex');
  return { platform, sha256, sizeBytes: statSync(file).size };
}

/** The items of the first entry, each as one line. */
export function newestChanges(changelog: string): string[] {
  const [, entry = ''] = changelog.split(/^## /m);
  return entry
    .split(/^- /m)
    .slice(1)
    .map((item) => item.trim().replace(/\s+/g, ' '));
}
