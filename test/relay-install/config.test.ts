// pcg.yaml, flags and secrets: what is taken, what is refused, and by which name.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { isInstallFlag, parseInstallArguments } from '../../relay/install/arguments.ts';
import { withoutPassword } from '../../relay/install/ask-console.ts';
import type { InstallProblem } from '../../relay/install/install-problem.ts';
import { overlapsOf, readCidr } from '../../relay/install/networks.ts';
import { openByPassphrase, sealByPassphrase } from '../../relay/install/passphrase.ts';
import { readPcgFile } from '../../relay/install/pcg-file.ts';
import { readConsole, readNoProxy } from '../../relay/install/read-answer.ts';
import type { Result } from '../../shared/result.ts';
import { runProgram } from './install-site.ts';

const folder = mkdtempSync(join(tmpdir(), 'slipway-pcg-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const GOOD = {
  version: 1,
  gateway: { name: 'edge-1' },
  console: { endpoint: 'https://slipway.example/', pairingCode: 'file:/run/secrets/code' },
  network: { podCidr: '10.244.0.0/16', serviceIpRange: '10.96.0.0/16' },
  maas: { endpoint: 'http://10.11.130.10:5240/MAAS/', apiKey: 'env:MAAS_KEY' },
};
const told = (read: Result<unknown, InstallProblem[]>): string[] =>
  read.ok ? [] : read.error.map(({ where, code }) => `${where} ${code}`).sort();

describe('pcg.yaml', () => {
  test('is taken with the least it needs, and normalised', () => {
    const read = readPcgFile(JSON.stringify(GOOD), {});
    expect(read).toMatchObject({
      ok: true,
      value: {
        console: { endpoint: 'https://slipway.example', pairingCode: { kind: 'file', path: '/run/secrets/code' } },
        maas: { endpoint: 'http://10.11.130.10:5240/MAAS' },
        placement: null,
      },
    });
  });

  test('may share the default account with all, or with projects by their ids', () => {
    const sharing = (value: unknown) => {
      const read = readPcgFile(JSON.stringify({ ...GOOD, account: { sharing: value } }), {});
      return read.ok ? read.value.account : told(read);
    };
    for (const good of ['tenant', 'all', { projects: ['prj_a', 'prj_b'] }])
      expect(sharing(good)).toEqual({ sharing: good });
    for (const bad of ['everybody', { projects: [] }, { projects: ['a name'] }])
      expect(sharing(bad)).toEqual([expect.stringMatching(/^account\.sharing\S* FIELD_INVALID$/)]);
  });

  test('every mistake is told at once, by path and code, without the text of a secret', () => {
    const bad = {
      version: 2,
      gateway: { name: 'Edge_1', colour: 'blue' },
      console: { endpoint: 'http://slipway.example', pairingCode: 'pcg1_canary', apiKey: 'sealed:v1:YQ:YQ:YQ' },
      proxy: { https: 'http://u:canary@proxy:3128', no: ['10.0.0.0/99', 'fine.example'] },
      network: { podCidr: '10.0.0.0/16', serviceIpRange: '10.0.128.0/20' },
      maas: { endpoint: 'ftp://maas', apiKey: 'a:b:canary' },
      placement: { flavour: 'giant', nodes: 2 },
    };
    const read = readPcgFile(JSON.stringify(bad), {});
    expect(told(read)).toEqual([
      'console.apiKey FIELD_INVALID',
      'console.endpoint CONSOLE_INVALID',
      'console.pairingCode SECRET_IN_PLAIN',
      'gateway FIELD_INVALID',
      'gateway.name GATEWAY_NAME_INVALID',
      'maas.apiKey SECRET_IN_PLAIN',
      'maas.endpoint MAAS_ENDPOINT_INVALID',
      'network.serviceIpRange CIDR_OVERLAP',
      'placement.flavour FLAVOUR_INVALID',
      'placement.nodes FIELD_INVALID',
      'proxy PROXY_PAIR_REQUIRED',
      'proxy.https SECRET_IN_PLAIN',
      'proxy.no.0 NO_PROXY_INVALID',
      'version FIELD_INVALID',
    ]);
    expect(JSON.stringify(read)).not.toContain('canary');
  });

  test('text that is no YAML, or no settings, is told as such', () => {
    expect(told(readPcgFile('a: [', {}))).toEqual(['pcg.yaml CONFIG_UNREADABLE']);
    expect(told(readPcgFile('just text', {}))).toEqual(['pcg.yaml CONFIG_UNREADABLE']);
  });

  test('the seed’s flags win over the file, and may hold a password', () => {
    const read = readPcgFile(JSON.stringify({ ...GOOD, proxy: { https: 'http://old:1', http: 'http://old:1' } }), {
      'proxy.https': 'http://user:pass@new:3128',
      'proxy.no': ['10.10.0.0/16'],
      'network.podCidr': '10.245.0.0/16',
    });
    expect(read).toMatchObject({
      ok: true,
      value: {
        proxy: { https: { url: 'http://user:pass@new:3128' }, http: { url: 'http://old:1' }, no: [['10.10.0.0/16']] },
        network: { podCidr: '10.245.0.0/16', serviceIpRange: '10.96.0.0/16' },
      },
    });
    expect(told(readPcgFile(JSON.stringify(GOOD), { 'network.podCidr': '10.96.0.0/20' }))).toEqual([
      'network.serviceIpRange CIDR_OVERLAP',
    ]);
  });
});

describe('answers', () => {
  test.each([
    ['https://slipway.example///', 'https://slipway.example'],
    ['http://127.0.0.1:8787/', 'http://127.0.0.1:8787'],
    ['http://slipway.example', null],
    ['https://slipway.example/console', null],
    ['https://me@slipway.example', null],
    ['slipway.example', null],
  ])('console %s', (typed, taken) => {
    const read = readConsole(typed);
    expect(read.ok ? read.value : null).toBe(taken);
  });

  test.each([
    ['maas.company.com,10.10.0.0/16', ['maas.company.com', '10.10.0.0/16']],
    [' .corp.example , 10.0.0.1, [x]', null],
    ['fd00::/8, ::1, host:8080, *', ['fd00::/8', '::1', 'host:8080', '*']],
    ['10.0.0.0/33', null],
    ['10.0.0.256', null],
    ['http://proxy', null],
    ['', []],
  ])('no proxy %s', (typed, taken) => {
    const read = readNoProxy(typed);
    expect(read.ok ? read.value : null).toEqual(taken);
  });

  test.each([
    ['10.244.0.0/16', null],
    ['100.64.0.0/10', null],
    ['192.168.0.0/16', null],
    ['172.0.0.0/8', 'CIDR_NOT_PRIVATE'],
    ['11.0.0.0/16', 'CIDR_NOT_PRIVATE'],
    ['10.244.1.0/16', 'CIDR_INVALID'],
    ['10.244.0.0/25', 'CIDR_INVALID'],
    ['10.0.0.0/7', 'CIDR_INVALID'],
    ['10.244.0.0', 'CIDR_INVALID'],
    ['fd00::/48', 'IPV6_UNSUPPORTED'],
  ])('network %s', (typed, code) => {
    const read = readCidr(typed);
    expect(read.ok ? null : read.error.code).toBe(code);
  });

  test('an overlap is found whichever of the two is the larger, and names the subnet', () => {
    const networks = { podCidr: '10.244.0.0/16', serviceIpRange: '10.96.0.0/16' };
    const subnets = [
      { name: 'inside', cidr: '10.244.7.0/24' },
      { name: 'around', cidr: '10.0.0.0/8' },
      { name: 'beside', cidr: '10.245.0.0/16' },
      { name: 'six', cidr: 'fd00::/64' },
    ];
    expect(overlapsOf(networks, subnets).map(({ where, detail }) => `${where} ${detail}`)).toEqual([
      'network.podCidr 10.244.0.0/16 overlaps MAAS subnet inside (10.244.7.0/24)',
      'network.podCidr 10.244.0.0/16 overlaps MAAS subnet around (10.0.0.0/8)',
      'network.serviceIpRange 10.96.0.0/16 overlaps MAAS subnet around (10.0.0.0/8)',
    ]);
  });

  test('a proxy’s password is not shown, not even half of it', () => {
    const url = 'http://user:s3cr3t@proxy.example:3128';
    const shown = Array.from(url, (_, at) => withoutPassword(url.slice(0, at + 1), false));
    for (const each of shown) expect(each).not.toMatch(/s3c/);
    expect(withoutPassword(url, true)).toBe('http://user:***@proxy.example:3128');
    expect(withoutPassword('http://proxy.example:3128', true)).toBe('http://proxy.example:3128');
  });
});

test('a sealed secret opens by its passphrase in its own field only, and not when altered', async () => {
  const random = (count: number) => crypto.getRandomValues(new Uint8Array(count));
  const sealed = await sealByPassphrase('a:b:c', 'correct horse battery', 'maas.apiKey', random);
  expect(sealed).not.toContain('a:b:c');
  const open = (text: string, passphrase: string, field: string) => openByPassphrase(text, passphrase, field);
  expect(await open(sealed, 'correct horse battery', 'maas.apiKey')).toEqual({ ok: true, value: 'a:b:c' });
  const altered = `${sealed.slice(0, -2)}${sealed.endsWith('AA') ? 'BB' : 'AA'}`;
  for (const [text, passphrase, field] of [
    [sealed, 'another passphrase', 'maas.apiKey'],
    [sealed, 'correct horse battery', 'proxy.https'],
    [altered, 'correct horse battery', 'maas.apiKey'],
  ] as const)
    expect(await open(text, passphrase, field)).toMatchObject({ ok: false, error: { code: 'PASSPHRASE_WRONG' } });
});

describe('the command line', () => {
  /** What follows the image's name in the seed. */
  const SEED = { interactive: ['-o', 'true'], silent: ['-s', 'true', '-c', '//opt/spectrocloud/pcg.yaml'] };

  test('the seed’s own lines are understood, with and without the command’s name', () => {
    expect([isInstallFlag(SEED.interactive[0]), isInstallFlag(SEED.silent[0])]).toEqual([true, true]);
    expect(parseInstallArguments(SEED.interactive)).toMatchObject({ ok: true, value: { mode: 'interactive' } });
    expect(parseInstallArguments(SEED.silent)).toMatchObject({
      ok: true,
      value: { mode: 'install', configFile: '/opt/spectrocloud/pcg.yaml', host: false },
    });
  });

  test('the seed’s lines reach the installer in the real program', async () => {
    const silent = await runProgram(SEED.silent);
    expect([silent.status, silent.stderr]).toEqual([1, expect.stringContaining('/opt/spectrocloud/pcg.yaml can')]);
    const interactive = await runProgram(SEED.interactive);
    expect([interactive.status, interactive.stderr]).toEqual([2, expect.stringContaining('give -it')]);
    const path = join(folder, 'pcg.yaml');
    writeFileSync(path, JSON.stringify(GOOD));
    const flags = ['--https_proxy', 'http://p:1', '--pod_cidr', '10.96.0.0/20', '--no_proxy', 'a b'];
    const wrong = await runProgram(['-s', 'true', '-c', `/${path}`, ...flags]);
    for (const code of ['PROXY_PAIR_REQUIRED', 'CIDR_OVERLAP', 'NO_PROXY_INVALID'])
      expect(wrong.stderr).toContain(code);
    const missing = await runProgram(['-s', 'true', '-c', `/${path}`]);
    for (const part of ['MAAS_KEY is not set', '/run/secrets/code can']) expect(missing.stderr).toContain(part);
    expect([wrong.status, missing.status]).toEqual([1, 1]);
  });

  test.each([
    [['--out', 'x'], 'say what to do'],
    [['-o', 'true', '-s', 'true'], 'neither'],
    [['-o', 'false', '-s', 'true'], '-c pcg.yaml is missing'],
    [['-s', 'true', '-c', 'f', '--prefix', '/x'], 'go with --host'],
    [['-s', 'true', '-c', 'f', '--host', '--json'], '--json goes with --check'],
    [['--node', '/d', '--host'], '--node takes no --host'],
    [['-s', 'true', '-c', 'f', '--host', '--prefix', 'x'], 'absolute'],
    [['-s', 'true', '-c', 'f', 'more'], 'more'],
  ])('%j is wrong use', (args, why) => {
    const parsed = parseInstallArguments(args);
    expect(parsed.ok ? '' : parsed.error).toContain(why);
  });
});
