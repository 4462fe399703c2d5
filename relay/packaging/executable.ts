// One executable: Node with the bundle inside (a "single executable application" of Node).
import { chmodSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Bundle } from './bundle.ts';
import type { Arch, NodeRuntime } from './node-runtime.ts';
import { firstInstalled, runTool } from './run-tool.ts';

/** What a host needs besides the executable: shipped beside it, and inside it. */
export const INSTALLED_FILES = ['slipway-relay.service', 'slipway-relay.sysusers.conf'];

const STRIPS: Readonly<Record<Arch, readonly string[]>> = {
  x64: ['x86_64-linux-gnu-strip', ...(process.arch === 'x64' ? ['strip'] : [])],
  arm64: ['aarch64-linux-gnu-strip', ...(process.arch === 'arm64' ? ['strip'] : [])],
};

export type Executable = {
  readonly file: string;
  readonly sizeBytes: number;
  /** False when no `strip` for its architecture is installed; it is then 20 to 30 % larger. */
  readonly stripped: boolean;
};

/**
 * @param builder the Node that puts them together: of this host's architecture, and of the runtime's very version
 * @param scratch an empty folder for what is needed on the way
 */
export function buildExecutable(
  bundle: Bundle,
  runtime: NodeRuntime,
  builder: string,
  scratch: string,
  file: string,
): Executable {
  const strip = firstInstalled(STRIPS[runtime.arch]);
  // Before the bundle goes in: afterwards it would be cut off.
  if (strip !== null) runTool(strip, [runtime.node]);
  const digest = join(scratch, 'bundle-digest');
  writeFileSync(digest, bundle.digest);
  const settings = join(scratch, `${runtime.arch}.json`);
  writeFileSync(
    settings,
    JSON.stringify({
      // Relative, since the path is kept inside the executable.
      main: basename(bundle.file),
      mainFormat: 'module',
      executable: runtime.node,
      output: file,
      disableExperimentalSEAWarning: true,
      // It holds V8's code for one processor, differs between builds, and saves 60 ms.
      useCodeCache: false,
      // NODE_OPTIONS of a service's environment could load other code.
      execArgvExtension: 'none',
      assets: {
        'bundle-digest': digest,
        // `slipway-relay install --host` writes them.
        ...Object.fromEntries(INSTALLED_FILES.map((name) => [name, join(import.meta.dirname, name)])),
      },
    }),
  );
  runTool(builder, ['--build-sea', settings], dirname(bundle.file));
  chmodSync(file, 0o755);
  return { file, sizeBytes: statSync(file).size, stripped: strip !== null };
}
