// README.md and --help name every prompt, flag, check and error of the installer, and nothing that is not there.
import { readFileSync } from 'node:fs';
import { load } from 'js-yaml';
import { expect, test } from 'vitest';
import { SETTING_NAMES } from '../../relay/config.ts';
import { DOCTOR_HELP, HELP, INSTALL_HELP, UNINSTALL_HELP } from '../../relay/help.ts';
import { INSTALL_OPTIONS, UNINSTALL_OPTIONS } from '../../relay/install/arguments.ts';
import { INSTALL_PROBLEMS } from '../../relay/install/install-problem.ts';
import { readPcgFile } from '../../relay/install/pcg-file.ts';
import { PROMPTS } from '../../relay/install/prompts.ts';
import { TEMPORARY_VARIABLES } from '../../relay/install/temporary-config.ts';

const README = readFileSync(new URL('../../relay/README.md', import.meta.url), 'utf8');
const INSTALL = /^## Install\n([\s\S]*?)^## /m.exec(README)?.[1] ?? '';
const part = (title: string): string =>
  new RegExp(`^### ${title}\\n([\\s\\S]*?)(?=^### |$(?![\\s\\S]))`, 'm').exec(INSTALL)?.[1] ?? '';
const rows = (text: string): string[][] =>
  [...text.matchAll(/^\| (.+) \|$/gm)].map(([, row = '']) =>
    row.split(' | ').map((cell) => cell.replace(/ \|$/, '').trim()),
  );

test('every prompt, in the order in which it is asked', () => {
  const documented = rows(part('What is asked')).map(([prompt]) => prompt);
  expect(documented.slice(1)).toEqual(Object.values(PROMPTS));
});

test('every error with what to do', () => {
  const documented = Object.fromEntries(
    rows(part('What can be wrong'))
      .slice(1)
      .map(([code = '', todo]) => [code.replaceAll('`', ''), todo]),
  );
  expect(documented).toEqual(INSTALL_PROBLEMS);
});

test('every flag, in README.md and in --help', () => {
  const own = Object.entries(INSTALL_OPTIONS).flatMap(([name, option]) => [
    `--${name}`,
    ...('short' in option ? [`-${option.short}`] : []),
  ]);
  const flagsOf = (text: string): Set<string> =>
    new Set([...text.matchAll(/(?<![\w-])(--[a-z][a-z_-]*|-[a-z])(?![\w-])/g)].map(([, flag = '']) => flag));
  const table = /\| flag \| meaning \|\n([\s\S]*?)\n\n/.exec(INSTALL)?.[1] ?? '';
  const first = table
    .split('\n')
    .map((line) => line.split(' | ')[0] ?? '')
    .join('\n');
  expect(flagsOf(first)).toEqual(new Set(own));
  // "docker run -it" and the like are of others.
  expect(flagsOf(INSTALL_HELP)).toEqual(new Set(own));
  for (const variable of ['API_KEY', 'PASSPHRASE', 'CONSOLE', 'CA_FILE', 'HOST_DIR']) {
    expect(INSTALL_HELP).toContain(`SLIPWAY_${variable}`);
    expect(INSTALL).toContain(`SLIPWAY_${variable}`);
  }
  expect(HELP).toMatch(/^ {2}install /m);
});

test('every flag of uninstall, in --help; README.md says what it does', () => {
  const own = Object.entries(UNINSTALL_OPTIONS).flatMap(([name, option]) => [
    `--${name}`,
    ...('short' in option ? [`-${option.short}`] : []),
  ]);
  for (const flag of own) expect(UNINSTALL_HELP).toMatch(new RegExp(`(?<![\\w-])${flag}(?![\\w-])`));
  for (const word of ['--json', '--passphrase-file', 'GATEWAY_HAS_CLUSTERS', 'orphan=true'])
    expect(part('Uninstall')).toContain(word);
  expect(HELP).toMatch(/^ {2}uninstall /m);
});

test('every setting of a relay, in README.md and in --help, and every variable that an installer passes on', () => {
  const table = /^## Settings\n([\s\S]*?)^## /m.exec(README)?.[1] ?? '';
  const documented = rows(table)
    .slice(1)
    .flatMap(([names = '']) => [...names.matchAll(/`([A-Z_]+)`/g)].map(([, name = '']) => name));
  // They are none of readConfig's: `run` takes them, in tests only.
  expect(new Set(documented)).toEqual(new Set([...SETTING_NAMES, 'SLIPWAY_FAILPOINT', 'SLIPWAY_UPGRADE_WAITS']));
  for (const name of SETTING_NAMES) expect(HELP, name).toMatch(new RegExp(`\\b${name}\\b`));
  for (const name of TEMPORARY_VARIABLES) {
    expect(INSTALL_HELP, name).toMatch(new RegExp(`\\b${name}\\b`));
    expect(INSTALL, name).toContain(`\`${name}\``);
  }
});

test('every check of doctor', () => {
  const source = readFileSync(new URL('../../relay/doctor.ts', import.meta.url), 'utf8');
  const names = [...source.matchAll(/\b(?:pass|fail|skip)\(\s*'([a-z ]+)'/g)].map(([, name = '']) => name);
  const row = README.split('\n').find((line) => line.startsWith('| `slipway-relay doctor')) ?? '';
  expect(new Set(names).size).toBeGreaterThan(9);
  for (const name of new Set(names)) {
    const words = name === 'enrolment addresses' ? 'addresses machines are told' : name;
    expect(row.toLowerCase(), name).toContain(words);
    expect(DOCTOR_HELP.toLowerCase().replaceAll('\n', ' '), name).toContain(words);
  }
});

test('the example of pcg.yaml is one', () => {
  const text = /<!-- example: pcg.yaml -->\s*```yaml\n([\s\S]*?)```/.exec(INSTALL)?.[1] ?? '';
  expect(readPcgFile(text, {})).toMatchObject({ ok: true });
  expect(load(text)).toMatchObject({ console: { apiKey: 'env:SLIPWAY_API_KEY' } });
});

test('every check is named', () => {
  const named = [...part('What is checked').matchAll(/`([a-z ]+)`/g)].map(([, name]) => name);
  const checks = [
    'dns',
    'proxy',
    'console',
    'clock',
    'credential',
    'maas',
    'maas clock',
    'image',
    'machines',
    'addresses',
  ];
  expect(new Set(named)).toEqual(new Set([...checks, 'networks', 'host', 'enrolment port', 'state folder']));
});
