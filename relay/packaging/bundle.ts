// The relay as one file of JavaScript: the same sources give the same bytes on any machine.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { join } from 'node:path';
import { z } from 'zod';
import { RELAY_VERSION } from '../version.ts';
import { ROOT, runTool } from './run-tool.ts';

const ENTRY = 'relay/main.ts';
export const BUNDLE_FILE = 'slipway-relay.mjs';

// CommonJS packages in the bundle call require() for Node's own modules. They get those and nothing else: with Node's own
// require() a module planted in a folder above the executable could be loaded.
const REQUIRE = `const require=name=>{const found=process.getBuiltinModule(name);if(found===undefined)throw Object.assign(new Error("slipway-relay loads no module from disk: "+name),{code:"MODULE_NOT_FOUND"});return found};`;

const FLAGS = [
  '--bundle',
  '--platform=node',
  '--target=node26',
  // main.ts awaits at its top level, which CommonJS can't.
  '--format=esm',
  '--minify',
  // Names of errors and classes are seen in logs.
  '--keep-names',
  '--charset=utf8',
  // Licences are in THIRD-PARTY-NOTICES.txt, in full.
  '--legal-comments=none',
  '--log-level=warning',
  // ws then leaves out its optional native parts.
  '--define:process.env.WS_NO_BUFFER_UTIL="1"',
  '--define:process.env.WS_NO_UTF_8_VALIDATE="1"',
  `--banner:js=${REQUIRE}`,
];

const Metafile = z.object({
  outputs: z.record(
    z.string(),
    z.object({
      imports: z.array(z.object({ path: z.string(), external: z.boolean().optional() })),
      inputs: z.record(z.string(), z.object({ bytesInOutput: z.int() })),
    }),
  ),
});

export type Bundle = {
  readonly file: string;
  /** SHA-256 in hex. */
  readonly digest: string;
  readonly sizeBytes: number;
  /** The sources whose code is in it, as paths from the root of the project. */
  readonly inputs: readonly string[];
};

/** Writes `slipway-relay.mjs` into `folder`. @param version another one than the sources say, for tests  @throws if the sources don't bundle, or need something besides Node itself. */
export function bundleRelay(folder: string, version = RELAY_VERSION): Bundle {
  const file = join(folder, BUNDLE_FILE);
  const metafile = join(folder, 'metafile.json');
  const define = `--define:SLIPWAY_BUNDLE_VERSION=${JSON.stringify(version)}`;
  const written = [`--outfile=${file}`, `--metafile=${metafile}`];
  runTool(join(ROOT, 'node_modules/.bin/esbuild'), [ENTRY, ...FLAGS, define, ...written]);
  const [output] = Object.values(Metafile.parse(JSON.parse(readFileSync(metafile, 'utf8'))).outputs);
  if (output === undefined) throw new Error('esbuild wrote no bundle');
  const foreign = output.imports.filter(({ path }) => !isBuiltin(path)).map(({ path }) => path);
  if (foreign.length > 0) throw new Error(`the bundle would load ${foreign.join(', ')} from disk`);
  const bytes = readFileSync(file);
  return {
    file,
    digest: createHash('sha256').update(bytes).digest('hex'),
    sizeBytes: bytes.length,
    inputs: Object.entries(output.inputs).flatMap(([path, { bytesInOutput }]) => (bytesInOutput > 0 ? [path] : [])),
  };
}
