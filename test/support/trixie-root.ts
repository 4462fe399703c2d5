// A Debian trixie root for tests: this machine's own release is too old for kubectl 1.32, cloud-init 25 and etcd 3.5.
// Made once by debootstrap under .slipway/, reused afterwards. The mirror is whatever this machine's apt already uses.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Result } from '../../shared/result.ts';
import { err, ok } from '../../shared/result.ts';

const run = promisify(execFile);

const RELEASE = 'trixie';
/** Where the root lives; everything under .slipway/ may be deleted at any time. */
export const TRIXIE_ROOT = fileURLToPath(new URL(`../../.slipway/${RELEASE}-root`, import.meta.url));
/** A bootstrap takes 1–4 minutes on two cores; a stuck mirror must not hang the test run for longer than this. */
const BOOTSTRAP_TIMEOUT_MS = 900_000;
const INSTALL_TIMEOUT_MS = 600_000;
/** A lock older than the longest build belongs to a process that died. */
const LOCK_STALE_MS = BOOTSTRAP_TIMEOUT_MS + INSTALL_TIMEOUT_MS;
const LOCK_POLL_MS = 1_000;
const OUTPUT_MAX_BYTES = 16 * 1024 * 1024;

export type TrixieFailure = { readonly code: 'ROOT_UNAVAILABLE' | 'ROOT_BUILD_FAILED'; readonly detail: string };

/**
 * Why tests that need the root must be skipped here, or undefined when they can run. They need root and the word of the
 * caller (SLIPWAY_ROOT_TESTS=1), since the first run downloads a few hundred megabytes.
 */
export function trixieSkipReason(): string | undefined {
  if (process.env.SLIPWAY_ROOT_TESTS !== '1') return 'SLIPWAY_ROOT_TESTS is not 1';
  if (process.getuid?.() !== 0) return 'not root';
  return undefined;
}

/** What one apt source says: where, which suites, which components, which keyring. */
type AptSource = { uri: string; suites: string[]; components: string[]; signedBy?: string };

function parseOneLine(text: string): AptSource[] {
  const sources: AptSource[] = [];
  for (const line of text.split('\n')) {
    const match = /^deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s+(.+)$/.exec(line.trim());
    if (match === null) continue;
    const signedBy = /signed-by=(\S+)/.exec(match[1] ?? '')?.[1];
    sources.push({
      uri: match[2] ?? '',
      suites: [match[3] ?? ''],
      components: (match[4] ?? '').split(/\s+/),
      ...(signedBy === undefined ? {} : { signedBy }),
    });
  }
  return sources;
}

function parseDeb822(text: string): AptSource[] {
  const sources: AptSource[] = [];
  for (const stanza of text.split(/\n\s*\n/)) {
    const field = (name: string): string[] =>
      (new RegExp(`^${name}:\\s*(.+)$`, 'mi').exec(stanza)?.[1] ?? '').split(/\s+/).filter((word) => word !== '');
    if (!field('Types').includes('deb')) continue;
    const signedBy = field('Signed-By')[0];
    for (const uri of field('URIs')) {
      const source: AptSource = { uri, suites: field('Suites'), components: field('Components') };
      sources.push(signedBy === undefined ? source : { ...source, signedBy });
    }
  }
  return sources;
}

/** The mirror this machine installs its own release from: apt's sources are the only place that may name it. */
export async function machineMirror(aptFolder = '/etc/apt'): Promise<Result<AptSource, TrixieFailure>> {
  const codename = /^VERSION_CODENAME=(\S+)$/m.exec(await readFile('/etc/os-release', 'utf8'))?.[1];
  const files = [join(aptFolder, 'sources.list')];
  const folder = join(aptFolder, 'sources.list.d');
  if (existsSync(folder)) for (const name of await readdir(folder)) files.push(join(folder, name));
  for (const file of files) {
    if (!existsSync(file)) continue;
    const text = await readFile(file, 'utf8');
    const sources = file.endsWith('.sources') ? parseDeb822(text) : parseOneLine(text);
    const found = sources.find(
      (source) => codename !== undefined && source.suites.includes(codename) && source.components.includes('main'),
    );
    if (found !== undefined) return ok(found);
  }
  return err({ code: 'ROOT_UNAVAILABLE', detail: `no apt source for ${codename ?? 'this release'} in ${aptFolder}` });
}

async function aptEnvironment(): Promise<NodeJS.ProcessEnv> {
  const { stdout } = await run('apt-config', ['dump', 'Acquire::http::Proxy']);
  const proxy = /Acquire::http::Proxy "([^"]+)"/.exec(stdout)?.[1];
  const environment: NodeJS.ProcessEnv = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' };
  return proxy === undefined ? environment : { ...environment, http_proxy: proxy };
}

async function holdLock<T>(work: () => Promise<T>): Promise<T> {
  const lock = `${TRIXIE_ROOT}.lock`;
  await mkdir(join(TRIXIE_ROOT, '..'), { recursive: true });
  for (;;) {
    try {
      await mkdir(lock);
      break;
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
      const made = await stat(lock).catch(() => undefined);
      if (made !== undefined && Date.now() - made.mtimeMs > LOCK_STALE_MS) await rm(lock, { recursive: true });
      await new Promise((resolve) => setTimeout(resolve, LOCK_POLL_MS));
    }
  }
  try {
    return await work();
  } finally {
    await rm(lock, { recursive: true, force: true });
  }
}

async function bootstrap(source: AptSource, environment: NodeJS.ProcessEnv): Promise<void> {
  if (!existsSync('/usr/sbin/debootstrap')) {
    await run('apt-get', ['update', '-q'], {
      env: environment,
      timeout: INSTALL_TIMEOUT_MS,
      maxBuffer: OUTPUT_MAX_BYTES,
    });
    await run('apt-get', ['install', '-y', '-q', '--no-install-recommends', 'debootstrap'], {
      env: environment,
      timeout: INSTALL_TIMEOUT_MS,
      maxBuffer: OUTPUT_MAX_BYTES,
    });
  }
  const building = `${TRIXIE_ROOT}.building`;
  await rm(building, { recursive: true, force: true });
  const keyring = source.signedBy === undefined ? [] : [`--keyring=${source.signedBy}`];
  await run('debootstrap', ['--variant=minbase', ...keyring, RELEASE, building, source.uri], {
    env: environment,
    timeout: BOOTSTRAP_TIMEOUT_MS,
    maxBuffer: OUTPUT_MAX_BYTES,
  });
  await rename(building, TRIXIE_ROOT);
}

async function installMissing(packages: readonly string[], environment: NodeJS.ProcessEnv): Promise<void> {
  const stamp = join(TRIXIE_ROOT, '.slipway-packages');
  const have = new Set(existsSync(stamp) ? (await readFile(stamp, 'utf8')).split('\n') : []);
  const missing = packages.filter((name) => !have.has(name));
  if (missing.length === 0) return;
  await copyFile('/etc/resolv.conf', join(TRIXIE_ROOT, 'etc/resolv.conf'));
  // No service may start inside a bare chroot: policy-rc.d 101 forbids it to every maintainer script.
  await writeFile(join(TRIXIE_ROOT, 'usr/sbin/policy-rc.d'), '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  const options = { env: environment, timeout: INSTALL_TIMEOUT_MS, maxBuffer: OUTPUT_MAX_BYTES };
  await run('chroot', [TRIXIE_ROOT, 'apt-get', 'update', '-q'], options);
  await run('chroot', [TRIXIE_ROOT, 'apt-get', 'install', '-y', '-q', '--no-install-recommends', ...missing], options);
  await writeFile(stamp, [...have, ...missing].filter((name) => name !== '').join('\n'));
}

/**
 * Promises a trixie root that has the packages, and gives its path. Slow the first time (minutes), at once afterwards;
 * may be repeated, also by several processes. Needs root (see `trixieSkipReason`) and the machine's Debian mirror.
 */
export async function ensureTrixieRoot(packages: readonly string[]): Promise<Result<string, TrixieFailure>> {
  const mirror = await machineMirror();
  if (!mirror.ok) return mirror;
  try {
    return await holdLock(async () => {
      const environment = await aptEnvironment();
      if (!existsSync(join(TRIXIE_ROOT, 'usr/bin/apt-get'))) await bootstrap(mirror.value, environment);
      await installMissing(packages, environment);
      return ok(TRIXIE_ROOT);
    });
  } catch (error) {
    return err({ code: 'ROOT_BUILD_FAILED', detail: error instanceof Error ? error.message : String(error) });
  }
}
