// What goes into the image: the executable, the system libraries it needs, authorities to trust, and one user. Nothing else:
// no shell, no package manager.
import { copyFileSync, existsSync, mkdirSync, realpathSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Arch } from './node-runtime.ts';
import { runTool } from './run-tool.ts';

type Platform = {
  /** Where the dynamic loader looks without being told. */
  readonly libraries: string;
  /** Where they are on the host that builds: its own, or Debian's packages for cross-compiling. */
  readonly sources: readonly string[];
};

const PLATFORMS: Readonly<Record<Arch, Platform>> = {
  x64: {
    libraries: '/lib/x86_64-linux-gnu',
    sources: ['/lib/x86_64-linux-gnu', '/lib64', '/usr/x86_64-linux-gnu/lib'],
  },
  arm64: { libraries: '/lib/aarch64-linux-gnu', sources: ['/lib/aarch64-linux-gnu', '/usr/aarch64-linux-gnu/lib'] },
};
const AUTHORITIES = '/etc/ssl/certs/ca-certificates.crt';
const USER = 65_532;

/** Makes `image-linux-ARCH/` in `out`, ready for `buildah build`. @throws if a library, `readelf` or the authorities are missing. */
export function assembleImage(arch: Arch, out: string): void {
  const context = join(out, `image-linux-${arch}`);
  const root = join(context, 'root');
  const executable = join(out, `slipway-relay-linux-${arch}`);
  const put = (from: string, to: string): void => {
    mkdirSync(dirname(join(root, to)), { recursive: true });
    copyFileSync(from, join(root, to));
  };
  put(executable, 'usr/bin/slipway-relay');
  put(AUTHORITIES, AUTHORITIES);
  put(join(out, 'THIRD-PARTY-NOTICES.txt'), 'usr/share/doc/slipway-relay/THIRD-PARTY-NOTICES.txt');
  const loader = loaderOf(executable);
  const libraries = librariesOf(executable, arch);
  for (const [name, file] of libraries) {
    put(file, name === basename(loader) ? loader : join(PLATFORMS[arch].libraries, name));
    const { owner, copyright } = originOf(file);
    put(copyright, `usr/share/doc/${owner}/copyright`);
  }
  writeFileSync(
    join(root, 'etc/passwd'),
    `slipway:x:${USER}:${USER}:Slipway relay:/var/lib/slipway:/usr/sbin/nologin\n`,
  );
  writeFileSync(join(root, 'etc/group'), `slipway:x:${USER}:\n`);
  writeFileSync(join(root, 'etc/nsswitch.conf'), 'hosts: files dns\n');
  // Apart, since the state folder alone is the user's; its parents stay root's.
  mkdirSync(join(root, 'var/lib'), { recursive: true });
  mkdirSync(join(context, 'state'));
  mkdirSync(join(context, 'state/slipway'), { mode: 0o700 });
  copyFileSync(join(import.meta.dirname, 'Dockerfile'), join(context, 'Dockerfile'));
  console.log(`image-linux-${arch} with ${[...libraries.keys()].sort().join(' ')}`);
}

/** Every library it needs, and those need, by name. */
function librariesOf(executable: string, arch: Arch): Map<string, string> {
  const found = new Map<string, string>();
  const pending = [executable];
  for (let file = pending.pop(); file !== undefined; file = pending.pop()) {
    for (const [, name = ''] of runTool('readelf', ['-d', file]).matchAll(/\(NEEDED\).*\[(.+)\]/g)) {
      if (found.has(name)) continue;
      const source = PLATFORMS[arch].sources.map((folder) => join(folder, name)).find((path) => existsSync(path));
      if (source === undefined) throw new Error(`${name} for ${arch} is not installed; README.md names the packages`);
      found.set(name, source);
      pending.push(source);
    }
  }
  return found;
}

function loaderOf(executable: string): string {
  const loader = /interpreter: (.+)\]/.exec(runTool('readelf', ['-l', executable]))?.[1];
  if (loader === undefined) throw new Error(`${executable} names no dynamic loader`);
  return loader;
}

/** The Debian package a library is of, whose licence must go along. */
function originOf(file: string): { owner: string; copyright: string } {
  // The loader of x64 is in /lib64, a link to /usr/lib64, or in /lib, a link to /usr/lib: dpkg knows it by either name.
  const real = realpathSync(file);
  const known = [file, real, real.replace(/^\/usr/, '')].flatMap(
    (path) => /^([^:,\s]+)/.exec(ownerOf(path))?.[1] ?? [],
  )[0];
  if (known === undefined) throw new Error(`${file} is of no Debian package, so its licence is not known`);
  return { owner: known, copyright: `/usr/share/doc/${known}/copyright` };
}

function ownerOf(path: string): string {
  try {
    return runTool('dpkg', ['-S', path]);
  } catch (error) {
    // Status 1: no package has a file of this name.
    if (error instanceof Error && 'status' in error && error.status === 1) return '';
    throw error;
  }
}
