// This program as it can be handed to another machine: the executable that runs, or, from the sources, a bundle made of them.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isSea } from 'node:sea';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { err, ok, type Result } from '../../shared/result.ts';
import type { Program, RelayOffer } from '../enrolment/relay-offer.ts';
import { reasonOf } from '../log.ts';

/** The running program's own bytes, whatever an upgrade has put at its path since. */
const OWN_EXECUTABLE = '/proc/self/exe';
/** As `uname -m` says what Node calls `process.arch`. */
const UNAME: Readonly<Record<string, string>> = { x64: 'x86_64', arm64: 'aarch64' };
const BUNDLE_MS_MAX = 60_000;

/** @param mainFile the entry point, when this is no executable  @returns what reads and digests it, once it is asked for */
export function createOwnProgram(mainFile: string): RelayOffer['program'] {
  let made: ReturnType<RelayOffer['program']> | null = null;
  return async () => {
    made ??= makeProgram(mainFile);
    const program = await made;
    // The next one to ask tries again.
    if (!program.ok) made = null;
    return program;
  };
}

async function makeProgram(mainFile: string): Promise<Result<Program, { detail: string }>> {
  const architecture = UNAME[process.arch];
  if (architecture === undefined) return err({ detail: `no machine runs the program of a ${process.arch} relay` });
  try {
    if (isSea()) return ok({ kind: 'executable', architecture, ...(await describeFile(OWN_EXECUTABLE)) });
    if (!mainFile.endsWith('.ts')) return ok({ kind: 'javascript', architecture, ...(await describeFile(mainFile)) });
    const bytes = await bundle();
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const open = () => Readable.from([bytes]);
    return ok({ kind: 'javascript', architecture, sizeBytes: bytes.length, sha256, open });
  } catch (error) {
    return err({ detail: `this program can't be offered: ${reasonOf(error)}` });
  }
}

async function describeFile(path: string): Promise<Pick<Program, 'sizeBytes' | 'sha256' | 'open'>> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return { sizeBytes: (await stat(path)).size, sha256: hash.digest('hex'), open: () => createReadStream(path) };
}

/** In a process of its own: a release holds nothing of what makes one. */
async function bundle(): Promise<Buffer> {
  const folder = await mkdtemp(join(tmpdir(), 'slipway-program-'));
  try {
    const file = await new Promise<string>((resolve, reject) => {
      const script = fileURLToPath(new URL('../packaging/write-bundle.ts', import.meta.url));
      const options = { timeout: BUNDLE_MS_MAX, env: { PATH: process.env.PATH } };
      execFile(process.execPath, [script, folder], options, (error, stdout, stderr) =>
        error === null ? resolve(stdout.trim()) : reject(new Error(stderr.trim().slice(0, 500) || error.message)),
      );
    });
    return await readFile(file);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
