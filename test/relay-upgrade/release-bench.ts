// Releases for tests: a release key, programs of other versions made from the sources, and what is wrong with them.
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll } from 'vitest';
import { bundleRelay } from '../../relay/packaging/bundle.ts';
import { type ProgramPlatform, programPath, ReleaseManifest, type SignedRelease } from '../../shared/release.ts';
import type { FakeEdge } from '../support/fake-edge.ts';

export type ReleaseKeyPair = Awaited<ReturnType<typeof makeReleaseKey>>;

export async function makeReleaseKey() {
  const pair = await crypto.subtle.generateKey('Ed25519', true, ['sign', 'verify']);
  if (!('privateKey' in pair)) throw new Error('no key pair');
  const encode = (bytes: ArrayBuffer): string => Buffer.from(bytes).toString('base64url');
  const publicKey = encode(await crypto.subtle.exportKey('raw', pair.publicKey));
  const sign = async (manifest: string): Promise<SignedRelease> => ({
    manifest,
    signature: encode(await crypto.subtle.sign('Ed25519', pair.privateKey, new TextEncoder().encode(manifest))),
  });
  return { publicKey, sign };
}

const files = new Map<string, string>();
afterAll(() => {
  for (const file of files.values()) rmSync(dirname(file), { recursive: true, force: true });
  files.clear();
});

/** The relay as it is, as one file of this version: a process starts from it sooner than from the sources. */
export function programFile(version: string): string {
  const known = files.get(version);
  if (known !== undefined) return known;
  const { file } = bundleRelay(mkdtempSync(join(tmpdir(), 'slipway-upgrade-')), version);
  files.set(version, file);
  return file;
}

export const programOf = (version: string): Buffer => readFileSync(programFile(version));

/** The same, with this code before it. */
export function programWith(version: string, code: string): Buffer {
  const own = programOf(version)
    .toString('utf8')
    .replace(/^#!.*\n/, '');
  return Buffer.from(`${code}\n${own}`);
}

export function manifestOf(version: string, program: Buffer, platform: ProgramPlatform = 'javascript'): string {
  const sha256 = createHash('sha256').update(program).digest('hex');
  return JSON.stringify(
    ReleaseManifest.parse({
      v: 1,
      version,
      severity: 'low',
      changes: ['Something is better.'],
      programs: [{ platform, sha256, sizeBytes: program.length }],
      machines: null,
    }),
  );
}

/** From now on the console gives this out for the version. */
export function serve(edge: FakeEdge, version: string, answer: Buffer | ((response: ServerResponse) => void)): void {
  const give = Buffer.isBuffer(answer) ? (response: ServerResponse) => void response.end(answer) : answer;
  edge.manners.programs.set(programPath(version, 'javascript'), give);
}
