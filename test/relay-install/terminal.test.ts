// `install -o true` as a person sees it: at a terminal, against a live console and MAAS, with wrong answers on the way.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { load } from 'js-yaml';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { PROMPTS } from '../../relay/install/prompts.ts';
import { filesWith, type InstallSite, PASSPHRASE, runProgram, startInstallSite } from './install-site.ts';
import { CTRL_C, DOWN, ENTER, noTerminal, openTerminal, type Terminal } from './terminal.ts';

const skip = noTerminal();
const PROXY_PASSWORD = 'pr0xy-canary-7';
const TEST_MS_MAX = 90_000;
const GatewayNames = z.object({ items: z.array(z.object({ name: z.string() })) });

describe.skipIf(skip !== undefined)(`at a terminal${skip === undefined ? '' : ` (skipped: ${skip})`}`, () => {
  let site: InstallSite;
  let open: Terminal | null = null;
  beforeAll(async () => {
    site = await startInstallSite();
  }, TEST_MS_MAX);
  afterAll(() => site.close());
  afterEach(() => open?.kill());

  const start = (args: readonly string[], environment: Readonly<Record<string, string>> = {}): Terminal => {
    open = openTerminal(args, environment);
    return open;
  };
  const onlyFile = (out: string): string => {
    const [folder = ''] = readdirSync(out);
    return join(out, folder, 'pcg.yaml');
  };

  test(
    'the seed’s `-o true`: each wrong answer is named and asked again; the file holds no secret in plain',
    async () => {
      const out = join(site.folder, 'out');
      const gateway = await site.api.createGateway('by-code');
      const mistyped = `${gateway.pairingCode.slice(0, -1)}${gateway.pairingCode.endsWith('a') ? 'b' : 'a'}`;
      const [consumer = '', token = '', secret = ''] = site.lab.userKey.split(':');
      const secrets = [gateway.pairingCode, site.lab.userKey, secret, PROXY_PASSWORD, PASSPHRASE];
      const erase = '\x15';
      const at = start(['-o', 'true', '--out', out], { SLIPWAY_HOST_DIR: '/tmp/mounted' });
      await at.answer(
        [PROMPTS.console, 'http://slipway.example'],
        [
          'must be https: plain http is taken for loopback only (CONSOLE_INVALID)',
          `${erase}${site.controlPlane.url}//`,
        ],
        [PROMPTS.joining, ''],
        [PROMPTS.pairingCode, mistyped],
        ['is mistyped or cut (PAIRING_CODE_MISTYPED)', `${erase}${gateway.pairingCode}`],
        [PROMPTS.httpsProxy, 'proxy:3128'],
        ['PROXY_INVALID', `${erase}http://relay:${PROXY_PASSWORD}@127.0.0.1:9`],
        [PROMPTS.httpProxy, ''],
      );
      await at.shows('an HTTPS proxy is given and no HTTP proxy (PROXY_PAIR_REQUIRED)');
      await at.answer(
        [PROMPTS.httpsProxy, `http://relay:${PROXY_PASSWORD}@127.0.0.1:9`],
        [PROMPTS.httpProxy, `http://relay:${PROXY_PASSWORD}@127.0.0.1:9`],
        [PROMPTS.noProxy, '10.0.0.0/99'],
        [
          '10.0.0.0/99: neither network, address, host nor .domain (NO_PROXY_INVALID)',
          `${erase}127.0.0.0/8,.corp.example`,
        ],
        [PROMPTS.podCidr, '8.8.0.0/16'],
        ['8.8.0.0/16 is public address space (CIDR_NOT_PRIVATE)', `${erase}10.50.128.0/20`],
        [PROMPTS.serviceIpRange, '10.50.0.0/16'],
        ['overlaps the pods’ network 10.50.128.0/20 (CIDR_OVERLAP)', `${erase}10.96.0.0/16`],
        [PROMPTS.maasEndpoint, 'maas'],
        ['MAAS_ENDPOINT_INVALID', `${erase}http://127.0.0.1:9/MAAS`],
        [PROMPTS.maasKey, `${consumer}:${token}`],
        ['the token secret (third part) of the API key is missing (MAAS_KEY_FORMAT)', `${erase}${site.lab.userKey}`],
      );
      await at.shows('(MAAS_UNREACHABLE)');
      await at.answer([PROMPTS.maasEndpoint, site.lab.url], [PROMPTS.maasKey, `${consumer}:${token}:wrong`]);
      await at.shows('(MAAS_UNAUTHORIZED)');
      await at.answer([PROMPTS.maasEndpoint, ''], [PROMPTS.maasKey, site.lab.userKey]);
      await at.shows('10 machines Ready');
      await at.shows('10.50.128.0/20 overlaps MAAS subnet storage (10.50.0.0/16) (CIDR_OVERLAP)');
      await at.answer([PROMPTS.podCidr, `${erase}10.244.0.0/16`]);
      await at.shows(PROMPTS.zone);
      await at.shows('az3: 3 machines Ready');
      at.type(`${DOWN}${DOWN}${DOWN}${ENTER}`);
      await at.shows('small (4 cores, 8 GiB, 60 GB disk): 3 machines Ready');
      await at.shows('medium (8 cores, 16 GiB, 100 GB disk): 0 machines Ready');
      at.type(`\x1b[A${ENTER}`);
      await at.answer(
        [PROMPTS.nodes, DOWN],
        [PROMPTS.name, 'Edge One'],
        ['GATEWAY_NAME_INVALID', `${erase}edge-one`],
        [PROMPTS.passphrase, 'short'],
        ['PASSPHRASE_SHORT', `${erase}${PASSPHRASE}`],
        [PROMPTS.passphraseAgain, PASSPHRASE],
      );
      expect(await at.ended).toBe(0);

      const file = onlyFile(out);
      expect(file).toMatch(/\/edge-one-\d{14}\/pcg\.yaml$/);
      await at.shows(`Config created:${file}`);
      await at.shows(`On the host: /tmp/mounted/${file.split('/').at(-2)}/pcg.yaml`);
      expect([statSync(file).mode & 0o777, statSync(join(file, '..')).mode & 0o777]).toEqual([0o600, 0o700]);
      const sealed = expect.stringMatching(/^sealed:v1:/);
      expect(load(readFileSync(file, 'utf8'))).toEqual({
        version: 1,
        gateway: { name: 'edge-one' },
        console: { endpoint: site.controlPlane.url, pairingCode: sealed, caFile: null },
        proxy: { https: sealed, http: sealed, no: ['127.0.0.0/8', '.corp.example'] },
        network: { podCidr: '10.244.0.0/16', serviceIpRange: '10.96.0.0/16' },
        maas: { endpoint: site.lab.url, apiKey: sealed, caFile: null },
        placement: { zone: 'az3', flavour: 'small', nodes: 3 },
      });
      expect(filesWith(out, secrets)).toEqual([]);
      for (const each of secrets) expect(at.transcript()).not.toContain(each);

      // What was sealed opens again, and only by its passphrase.
      const opened = await runProgram(['-c', `/${file}`, '--check'], { SLIPWAY_PASSPHRASE: PASSPHRASE });
      expect([opened.status, opened.stderr]).toEqual([0, '']);
      expect(opened.stdout).toContain('Pool gateway needs 3 machines: 10 Ready → 3 in zone az3.');
      const wrong = await runProgram(['install', '--check', '-c', file, '--json'], {
        SLIPWAY_PASSPHRASE: 'another passphrase',
      });
      const codes = JSON.parse(wrong.stdout).problems.map((problem: { code: string }) => problem.code);
      expect([wrong.status, codes]).toEqual([1, Array(4).fill('PASSPHRASE_WRONG')]);
      const asked = start(['install', '--check', '-c', file]);
      await asked.answer([PROMPTS.passphrase, PASSPHRASE]);
      await asked.shows('machines: Pool gateway needs 3 machines');
      expect(await asked.ended).toBe(0);
      expect(asked.transcript()).not.toContain(PASSPHRASE);
    },
    TEST_MS_MAX,
  );

  test(
    'an API key makes the gateway and is not written; flags answer their questions; a secret may be a reference',
    async () => {
      const out = join(site.folder, 'by-key');
      const flags = [
        '--pod_cidr',
        '10.1.0.0/16',
        '--svc_ip_range',
        '10.2.0.0/16',
        '--https_proxy',
        '',
        '--http_proxy',
        '',
      ];
      const at = start(['install', '--interactive', '--out', out, ...flags], {
        SLIPWAY_CONSOLE: site.controlPlane.url,
        MAAS_KEY: site.lab.userKey,
      });
      await at.answer([PROMPTS.console, ''], [PROMPTS.joining, DOWN]);
      await at.answer(
        [PROMPTS.apiKey, `${site.apiKey.slice(0, -1)}${site.apiKey.endsWith('a') ? 'b' : 'a'}`],
        ['API_KEY_MISTYPED', `\x15${site.apiKey}`],
        [PROMPTS.maasEndpoint, site.lab.url.replace(/MAAS$/, 'MAAS/api/2.0/')],
        [PROMPTS.maasKey, 'env:MISSING_KEY'],
        ['MISSING_KEY is not set (SECRET_UNREADABLE)', '\x15env:MAAS_KEY'],
        [PROMPTS.zone, ''],
        [PROMPTS.flavour, `${DOWN}${DOWN}`],
        [PROMPTS.cpuCores, '1'],
        ['FLAVOUR_INVALID', '\x1512'],
        [PROMPTS.memoryMiB, ''],
        [PROMPTS.diskGB, ''],
        [PROMPTS.nodes, ''],
        [PROMPTS.name, 'by-code'],
        [PROMPTS.passphrase, PASSPHRASE],
        [PROMPTS.passphraseAgain, PASSPHRASE],
      );
      await at.shows('(GATEWAY_NAME_TAKEN)');
      await at.answer([PROMPTS.name, 'by-key']);
      expect(await at.ended).toBe(0);
      const gateways = (await site.api.raw(GatewayNames, 'GET', '/gateways')).items.map(({ name }) => name);
      expect(gateways).toContain('by-key');
      const file = readFileSync(onlyFile(out), 'utf8');
      expect(load(file)).toMatchObject({
        gateway: { name: 'by-key' },
        console: { pairingCode: expect.stringMatching(/^sealed:v1:/) },
        proxy: { https: null, http: null },
        network: { podCidr: '10.1.0.0/16', serviceIpRange: '10.2.0.0/16' },
        maas: { endpoint: site.lab.url, apiKey: 'env:MAAS_KEY' },
        placement: { zone: null, flavour: { cpuCores: 12, memoryMiB: 8_192, diskGB: 60 }, nodes: 1 },
      });
      for (const each of [site.apiKey, site.lab.userKey, PASSPHRASE]) {
        expect(at.transcript()).not.toContain(each);
        expect(filesWith(out, [each])).toEqual([]);
      }
    },
    TEST_MS_MAX,
  );

  test('Ctrl-C ends it and writes nothing', async () => {
    const out = join(site.folder, 'ended');
    const at = start(['-o', '--out', out]);
    await at.shows(PROMPTS.console);
    at.type(CTRL_C);
    expect(await at.ended).toBe(1);
    expect(at.transcript()).toContain('nothing was written');
    expect(readdirSync(site.folder)).not.toContain('ended');
  });
});
