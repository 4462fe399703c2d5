// `npm run build:relay`: everything a release consists of, into dist/. README.md beside this file tells how it is published.
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { RELAY_VERSION } from '../version.ts';
import { BUNDLE_FILE, type Bundle, bundleRelay } from './bundle.ts';
import { namedByProject, packagesOf } from './bundled-packages.ts';
import { buildExecutable, INSTALLED_FILES } from './executable.ts';
import { assembleImage } from './image.ts';
import { ARCHES, type Arch, type NodeRuntime, unpackRuntime } from './node-runtime.ts';
import { writeNotices } from './notices.ts';
import { type ReleaseWords, readReleaseWords, writeManifest } from './release-manifest.ts';
import { ROOT } from './run-tool.ts';
import { writeBom } from './sbom.ts';

const HELP = `Usage: npm run build:relay -- [--out DIR] [--arch x64|arm64] [--image] [--severity LEVEL]

  --out DIR    where to (default dist/)
  --arch ARCH  one architecture only; such a build is no release
  --image      also the folder image-linux-ARCH of each, for buildah
  --severity LEVEL  also release.json, to be signed and published: low, medium, high or critical
  --machines FILE   in it: what the machines of gateways run, as JSON (default: they stay as they are)
`;

type Request = {
  readonly out: string;
  readonly arches: readonly Arch[];
  readonly image: boolean;
  /** Null: no manifest. */
  readonly release: ReleaseWords | null;
};

function build({ out, arches, image, release }: Request): void {
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  const scratch = mkdtempSync(join(tmpdir(), 'slipway-build-'));
  try {
    const bundle = bundleRelay(scratch);
    copyFileSync(bundle.file, join(out, BUNDLE_FILE));
    console.log(`bundle ${bundle.digest} ${megabytes(bundle.sizeBytes)}`);
    const runtimes = arches.map((arch) => unpackRuntime(arch, scratch));
    describeParts(bundle, runtimes, out);
    const builder = unpackRuntime(hostArch(), join(scratch, 'builder')).node;
    for (const runtime of runtimes) {
      const file = join(out, `slipway-relay-linux-${runtime.arch}`);
      const { sizeBytes, stripped } = buildExecutable(bundle, runtime, builder, scratch, file);
      const strip = stripped ? 'stripped' : `NOT stripped: no strip for ${runtime.arch} is installed`;
      console.log(`slipway-relay-linux-${runtime.arch} ${megabytes(sizeBytes)} ${strip}`);
    }
    for (const name of INSTALLED_FILES) copyFileSync(join(import.meta.dirname, name), join(out, name));
    writeSums(out);
    if (release !== null) writeFileSync(join(out, 'release.json'), writeManifest(out, arches, release));
    if (image) for (const arch of arches) assembleImage(arch, out);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function describeParts(bundle: Bundle, runtimes: readonly NodeRuntime[], out: string): void {
  const packages = packagesOf(bundle.inputs);
  const [runtime] = runtimes;
  if (runtime === undefined) throw new Error('no architecture to build for');
  const subject = {
    version: RELAY_VERSION,
    digest: bundle.digest,
    packages,
    used: namedByProject(packages),
    runtimes,
  };
  writeFileSync(join(out, 'slipway-relay.cdx.json'), `${JSON.stringify(writeBom(subject), null, 2)}\n`);
  writeFileSync(join(out, 'THIRD-PARTY-NOTICES.txt'), writeNotices(packages, runtime));
  console.log(`${packages.length} packages in slipway-relay.cdx.json and THIRD-PARTY-NOTICES.txt`);
}

/** In the form of sha256sum, of every file of the release. */
function writeSums(out: string): void {
  const lines = readdirSync(out)
    .sort()
    .map(
      (name) =>
        `${createHash('sha256')
          .update(readFileSync(join(out, name)))
          .digest('hex')}  ${name}\n`,
    );
  writeFileSync(join(out, 'SHA256SUMS'), lines.join(''));
}

function hostArch(): Arch {
  const arch = ARCHES.find((each) => each === process.arch);
  if (arch === undefined || process.platform !== 'linux')
    throw new Error(`releases are built on Linux, x64 or arm64, not on ${process.platform} ${process.arch}`);
  return arch;
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

const { values } = parseArgs({
  options: {
    out: { type: 'string', default: join(ROOT, 'dist') },
    arch: { type: 'string' },
    image: { type: 'boolean', default: false },
    severity: { type: 'string' },
    machines: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  },
});
const arches = ARCHES.filter((arch) => values.arch === undefined || values.arch === arch);
if (values.help || arches.length === 0) {
  process.stdout.write(HELP);
  process.exitCode = values.help ? 0 : 2;
} else build({ out: values.out, arches, image: values.image, release: readReleaseWords(values) });
