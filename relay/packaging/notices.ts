// THIRD-PARTY-NOTICES.txt: whose work is in the executables, with every licence in full.
import type { BundledPackage } from './bundled-packages.ts';
import type { NodeRuntime } from './node-runtime.ts';

const RULE = '='.repeat(100);

export function writeNotices(packages: readonly BundledPackage[], runtime: NodeRuntime): string {
  const parts = packages.map(({ name, version, licence, licenceTexts }) =>
    [RULE, `${name} ${version} (${licence})`, '', ...licenceTexts, ''].join('\n'),
  );
  return [
    'slipway-relay contains the following third-party software.',
    '',
    ...packages.map(({ name, version, licence }) => `  ${name} ${version} (${licence})`),
    `  Node.js ${runtime.version} and what it contains, as its own licence at the end lists`,
    '',
    ...parts,
    RULE,
    `Node.js ${runtime.version}`,
    '',
    runtime.licenceText.trim(),
    '',
  ].join('\n');
}
