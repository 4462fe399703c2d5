// The software bill of materials: CycloneDX 1.6 JSON. It names no time and no random id, so that the same sources give the same file.
import type { BundledPackage } from './bundled-packages.ts';
import type { NodeRuntime } from './node-runtime.ts';

type Component = {
  readonly type: 'application' | 'library' | 'platform';
  readonly 'bom-ref': string;
  readonly group?: string;
  readonly name: string;
  readonly version: string;
  readonly purl?: string;
  readonly licenses?: readonly { readonly expression: string }[];
  readonly hashes: readonly { readonly alg: 'SHA-256' | 'SHA-512'; readonly content: string }[];
};

export type Bom = {
  readonly bomFormat: 'CycloneDX';
  readonly specVersion: '1.6';
  readonly serialNumber: string;
  readonly version: 1;
  readonly metadata: {
    readonly lifecycles: readonly { readonly phase: 'build' }[];
    readonly component: Component;
  };
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
};

export type BomSubject = {
  readonly version: string;
  /** SHA-256 of the bundle in hex. */
  readonly digest: string;
  readonly packages: readonly BundledPackage[];
  /** Folders of those the relay itself uses. */
  readonly used: readonly string[];
  readonly runtimes: readonly NodeRuntime[];
};

export function writeBom({ version, digest, packages, used, runtimes }: BomSubject): Bom {
  const root = 'slipway-relay';
  return {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    serialNumber: `urn:uuid:${uuidOf(digest)}`,
    version: 1,
    metadata: {
      lifecycles: [{ phase: 'build' }],
      component: {
        type: 'application',
        'bom-ref': root,
        name: root,
        version,
        hashes: [{ alg: 'SHA-256', content: digest }],
      },
    },
    components: [...packages.map(libraryOf), ...runtimes.map(platformOf)],
    dependencies: [
      { ref: root, dependsOn: [...used, ...runtimes.map(({ package: name }) => name)] },
      ...packages.map(({ folder, dependsOn }) => ({ ref: folder, dependsOn })),
      ...runtimes.map(({ package: name }) => ({ ref: name, dependsOn: [] })),
    ],
  };
}

function libraryOf(one: BundledPackage): Component {
  const [, group, name] = /^(?:(@[^/]+)\/)?(.+)$/.exec(one.name) ?? [];
  return {
    type: 'library',
    'bom-ref': one.folder,
    ...(group === undefined ? {} : { group }),
    name: name ?? one.name,
    version: one.version,
    purl: purlOf(one.name, one.version),
    licenses: [{ expression: one.licence }],
    hashes: [{ alg: 'SHA-512', content: hexOf(one.integrity) }],
  };
}

function platformOf({ package: name, version, integrity }: NodeRuntime): Component {
  return {
    type: 'platform',
    'bom-ref': name,
    name,
    version,
    purl: purlOf(name, version),
    licenses: [{ expression: 'MIT' }],
    hashes: [{ alg: 'SHA-512', content: hexOf(integrity) }],
  };
}

const purlOf = (name: string, version: string): string => `pkg:npm/${name.replace('@', '%40')}@${version}`;

const hexOf = (integrity: string): string =>
  Buffer.from(integrity.slice(integrity.indexOf('-') + 1), 'base64').toString('hex');

/** Version 8 of RFC 9562: made of bits of our own choice. */
function uuidOf(digest: string): string {
  const [a, b, c, d, e] = [
    digest.slice(0, 8),
    digest.slice(8, 12),
    digest.slice(13, 16),
    digest.slice(17, 20),
    digest.slice(20, 32),
  ];
  return `${a}-${b}-8${c}-8${d}-${e}`;
}
