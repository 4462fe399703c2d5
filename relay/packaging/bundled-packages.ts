// Which packages are in the bundle: from esbuild's account of it and the lock file, so neither more nor fewer than are shipped.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { ROOT } from './run-tool.ts';

export type BundledPackage = {
  readonly name: string;
  readonly version: string;
  /** An SPDX expression. */
  readonly licence: string;
  /** Of its archive: `sha512-` and base64. */
  readonly integrity: string;
  /** Folder from the root of the project; the lock file's key. */
  readonly folder: string;
  /** Every licence and notice file it ships. */
  readonly licenceTexts: readonly string[];
  /** Folders of the bundled packages it is allowed to use. */
  readonly dependsOn: readonly string[];
};

const LockEntry = z.object({
  version: z.string().optional(),
  license: z.string().optional(),
  integrity: z.string().optional(),
  dependencies: z.record(z.string(), z.string()).default({}),
  optionalDependencies: z.record(z.string(), z.string()).default({}),
  peerDependencies: z.record(z.string(), z.string()).default({}),
  // May name what peerDependencies doesn't: used if it happens to be installed, as supports-color is by debug.
  peerDependenciesMeta: z.record(z.string(), z.unknown()).default({}),
});
const LockFile = z.object({ packages: z.record(z.string(), LockEntry) });
type Locked = z.infer<typeof LockFile>['packages'];

const FOLDER = /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/;
const LICENCE_FILE = /^(licen[cs]e|copying|unlicense|notice)/i;

/**
 * @param inputs paths of the bundle's sources from the root of the project
 * @returns sorted by folder
 * @throws if one is not in the lock file with version, licence and integrity, or ships no licence text
 */
export function packagesOf(inputs: readonly string[]): BundledPackage[] {
  const locked = LockFile.parse(JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8'))).packages;
  const folders = new Set(inputs.flatMap((path) => FOLDER.exec(path)?.[0] ?? []));
  return [...folders].sort().map((folder) => {
    const { version, license, integrity } = locked[folder] ?? {};
    if (version === undefined || license === undefined || integrity === undefined)
      throw new Error(`the lock file lacks version, licence or integrity of ${folder}`);
    return {
      name: folder.slice(folder.lastIndexOf('node_modules/') + 'node_modules/'.length),
      version,
      licence: license,
      integrity,
      folder,
      licenceTexts: licenceTextsIn(folder),
      dependsOn: dependenciesOf(folder, locked).filter((each) => folders.has(each)),
    };
  });
}

/** Folders of what the project itself names among `packages`. */
export function namedByProject(packages: readonly BundledPackage[]): string[] {
  const locked = LockFile.parse(JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8'))).packages;
  const named = new Set(dependenciesOf('', locked));
  return packages.flatMap(({ folder }) => (named.has(folder) ? [folder] : []));
}

function dependenciesOf(folder: string, locked: Locked): string[] {
  const entry = locked[folder];
  const names = Object.keys({
    ...entry?.peerDependencies,
    ...entry?.peerDependenciesMeta,
    ...entry?.optionalDependencies,
    ...entry?.dependencies,
  });
  return names.flatMap((name) => resolve(name, folder, locked) ?? []).sort();
}

/** As Node does: in the package's own node_modules, then in those of the folders above. */
function resolve(name: string, from: string, locked: Locked): string | null {
  const candidate = `${from === '' ? '' : `${from}/`}node_modules/${name}`;
  if (candidate in locked) return candidate;
  if (from === '') return null;
  const above = from.lastIndexOf('/node_modules/');
  return resolve(name, above === -1 ? '' : from.slice(0, above), locked);
}

function licenceTextsIn(folder: string): string[] {
  const files = readdirSync(join(ROOT, folder)).filter((name) => LICENCE_FILE.test(name));
  if (files.length === 0) throw new Error(`${folder} ships no licence text`);
  return files.sort().map((name) => readFileSync(join(ROOT, folder, name), 'utf8').trim());
}
