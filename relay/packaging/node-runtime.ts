// The Node runtimes a release is made of: exact versions, taken by npm, used only if their bytes are the pinned ones.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { ROOT, runTool } from './run-tool.ts';

export const ARCHES = ['x64', 'arm64'] as const;
export type Arch = (typeof ARCHES)[number];

const Pin = z.strictObject({ package: z.string(), integrity: z.string().startsWith('sha512-') });
const Pins = z.strictObject({ version: z.string(), runtimes: z.strictObject({ x64: Pin, arm64: Pin }) });
const PINS = Pins.parse(JSON.parse(readFileSync(new URL('./node-runtimes.json', import.meta.url), 'utf8')));

const CACHE = join(ROOT, '.slipway', 'node-runtimes');

export type NodeRuntime = {
  readonly arch: Arch;
  readonly package: string;
  readonly version: string;
  /** Of the package's archive, as npm writes it. */
  readonly integrity: string;
  /** The executable; fresh from the archive, so it may be altered. */
  readonly node: string;
  /** Node's own licence, with those of everything inside it. */
  readonly licenceText: string;
};

/** Unpacks the pinned runtime into `folder`, from the cache if it is there. @throws if the archive isn't the pinned one. */
export function unpackRuntime(arch: Arch, folder: string): NodeRuntime {
  const pin = PINS.runtimes[arch];
  const target = join(folder, pin.package);
  mkdirSync(target, { recursive: true });
  const archive = takeArchive(pin.package, PINS.version, pin.integrity);
  runTool('tar', ['-xzf', archive, '-C', target, '--strip-components=1', 'package/bin/node', 'package/LICENSE']);
  return {
    arch,
    ...pin,
    version: PINS.version,
    node: join(target, 'bin', 'node'),
    licenceText: readFileSync(join(target, 'LICENSE'), 'utf8'),
  };
}

function takeArchive(name: string, version: string, integrity: string): string {
  const file = `${name}-${version}.tgz`;
  const cached = join(CACHE, file);
  if (existsSync(cached) && integrityOf(cached) === integrity) return cached;
  const arriving = join(CACHE, `arriving-${process.pid}`);
  mkdirSync(arriving, { recursive: true });
  try {
    console.log(`taking ${name}@${version}`);
    runTool('npm', ['pack', `${name}@${version}`, '--silent', '--ignore-scripts', '--pack-destination', arriving]);
    const found = integrityOf(join(arriving, file));
    if (found !== integrity) throw new Error(`${file} has the integrity ${found}, but ${integrity} is pinned`);
    // Only now, so that the cache never holds a file that wasn't checked.
    renameSync(join(arriving, file), cached);
  } finally {
    rmSync(arriving, { recursive: true, force: true });
  }
  return cached;
}

/** As npm writes it: `sha512-` and base64. */
export function integrityOf(file: string): string {
  return `sha512-${createHash('sha512').update(readFileSync(file)).digest('base64')}`;
}
