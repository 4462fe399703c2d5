// `install --check` and `-s`: everything is looked at, all failures are told at once, and nothing is changed.
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { startLab } from '../lab/lab.ts';
import { machinesThatOnlySwitchOn } from '../relay-maas/lab-site.ts';
import { startConnectProxy } from './connect-proxy.ts';
import { type InstallSite, pcgYaml, runProgram, siteInventory, startInstallSite } from './install-site.ts';

const SITE_MS_MAX = 60_000;
const Check = z.object({ name: z.string(), status: z.string(), detail: z.string(), todo: z.string() });
const Checks = z.object({ checks: z.array(Check) });

let site: InstallSite;
let environment: Record<string, string>;
beforeAll(async () => {
  const inventory = await siteInventory();
  // Without the image that the built-in profile wants.
  site = await startInstallSite({
    ...inventory,
    images: inventory.images.filter(({ name }) => name !== 'ubuntu/noble'),
  });
  environment = { MAAS_KEY: site.lab.userKey, SLIPWAY_API_KEY: site.apiKey };
}, SITE_MS_MAX);
afterAll(() => site.close());

function fileOf(name: string, more: Record<string, unknown> = {}): string {
  const path = join(site.folder, `${name}.yaml`);
  writeFileSync(path, pcgYaml(site, name, more));
  return path;
}

async function check(path: string, more: readonly string[] = [], extra: Record<string, string> = {}) {
  const ran = await runProgram(['install', '--check', '-c', path, '--json', ...more], { ...environment, ...extra });
  const { checks } = Checks.parse(JSON.parse(ran.stdout));
  return { status: ran.status, of: (name: string) => checks.find((one) => one.name === name), checks };
}

test('several failures are listed at once, each with evidence and what to do', async () => {
  const path = fileOf('failing', {
    placement: { zone: 'az3', flavour: 'medium', nodes: 3 },
    network: { podCidr: '10.50.0.0/17', serviceIpRange: '10.96.0.0/16' },
  });
  const { status, of, checks } = await check(path, [], { SLIPWAY_API_KEY: await viewerKey() });
  expect(status).toBe(1);
  expect(checks.filter((one) => one.status === 'failed').map(({ name }) => name)).toEqual([
    'credential',
    'image',
    'machines',
    'networks',
  ]);
  expect(of('credential')?.detail).toContain('is of a project-viewer (API_KEY_REFUSED)');
  expect(of('image')?.detail).toMatch(/^ubuntu\/noble for amd64 is not in MAAS; there: ubuntu\/jammy \(amd64\)/);
  expect(of('machines')?.detail).toBe('Pool gateway needs 3 machines: 10 Ready → 3 in zone az3 → 0 ≥ 8 cores.');
  expect(of('networks')?.detail).toContain('network.podCidr 10.50.0.0/17 overlaps MAAS subnet storage (10.50.0.0/16)');
  for (const one of checks) expect([one.name, one.todo !== '']).toEqual([one.name, one.status === 'failed']);
  expect(of('addresses')).toMatchObject({
    status: 'ok',
    detail: expect.stringContaining('4 needed (3 for nodes, 1 virtual)'),
  });
  expect(of('maas clock')).toMatchObject({ status: 'ok', detail: expect.stringContaining('which takes 300 s') });
  // The lab's book has every call that could change something.
  expect(site.lab.history).toEqual([]);
  expect((await site.api.raw(z.object({ items: z.array(z.unknown()) }), 'GET', '/gateways')).items).toEqual([]);
});

async function viewerKey(): Promise<string> {
  const made = await site.api.raw(z.object({ key: z.string() }), 'POST', '/api-keys', {
    name: 'viewer',
    role: 'project-viewer',
  });
  return made.key;
}

test('without --json people read the same; with --host no machine is needed, and root or a prefix is', async () => {
  const path = fileOf('host', { placement: { flavour: 'large', nodes: 3 } });
  const ran = await runProgram(
    ['install', '--check', '-c', path, '--host', '--no-start', '--prefix', join(site.folder, 'p')],
    environment,
  );
  expect(ran.stdout).toMatch(/-\s+machines: none is taken with --host/);
  expect(ran.stdout).toMatch(/ok\s+host: files go below/);
  expect(ran.stdout).toMatch(/FAILED\s+image: .*\n\s+→ Select ubuntu\/noble/);
  expect([ran.status, ran.stderr]).toEqual([1, expect.stringMatching(/^1 of \d+ checks failed; nothing was changed/)]);
});

test('a console behind a proxy is reached by CONNECT, with the password, which is not shown; a dead proxy is a failure', async () => {
  const proxy = await startConnectProxy('relay', 'p@ss-canary');
  const url = `http://relay:p%40ss-canary@127.0.0.1:${proxy.port}`;
  const path = fileOf('proxied', { proxy: { https: 'env:PROXY', http: 'env:PROXY', no: [] } });
  const through = await check(path, [], { PROXY: url });
  const { host } = new URL(site.controlPlane.url);
  expect(new Set(proxy.asked)).toEqual(new Set([host]));
  expect(through.of('console')?.status).toBe('ok');
  expect(through.of('proxy')).toMatchObject({ status: 'ok', detail: `http://127.0.0.1:${proxy.port}` });
  expect(JSON.stringify(through.checks)).not.toContain('canary');
  const asked = proxy.asked.length;
  await check(path, ['--no_proxy', '127.0.0.0/8'], { PROXY: url });
  expect(proxy.asked.length).toBe(asked);
  await proxy.stop();
  const dead = await check(path, [], { PROXY: url });
  expect([dead.of('console')?.status, dead.of('clock')?.status, dead.of('credential')?.status]).toEqual([
    'failed',
    'skipped',
    'skipped',
  ]);
});

test('a MAAS that refuses the key, and one that is not there, are told with what cannot be checked then', async () => {
  const refused = await check(fileOf('revoked'), [], { MAAS_KEY: 'a:b:c' });
  expect(refused.of('maas')?.detail).toContain('(MAAS_UNAUTHORIZED)');
  expect(['image', 'machines', 'addresses', 'networks'].map((name) => refused.of(name)?.status)).toEqual(
    Array(4).fill('skipped'),
  );
  const gone = await check(fileOf('gone', { maas: { endpoint: 'http://127.0.0.1:9/MAAS', apiKey: 'env:MAAS_KEY' } }));
  expect(gone.of('maas')?.detail).toContain('(MAAS_UNREACHABLE)');
  expect(gone.of('maas clock')?.status).toBe('skipped');
});

test('addresses: a MAAS without room for nodes and virtual address is told', async () => {
  const inventory = await siteInventory();
  const subnets = inventory.subnets.map((subnet) => ({ ...subnet, managed: false }));
  const other = await startLab({ inventory: { ...inventory, subnets }, driver: machinesThatOnlySwitchOn(new Map()) });
  try {
    const path = fileOf('tight', { maas: { endpoint: other.url, apiKey: 'env:MAAS_KEY' } });
    const { status, of } = await check(path, [], { MAAS_KEY: other.userKey });
    expect([status, of('image')?.detail]).toEqual([1, 'ubuntu/noble for amd64']);
    const detail = '2 needed (1 for nodes, 1 virtual): no managed IPv4 subnet';
    expect(of('addresses')).toMatchObject({ status: 'failed', detail });
  } finally {
    await other.close();
  }
});

test('a clock that is off, by the console’s and by MAAS’s word, and a MAAS before 3.0', async () => {
  const late = createServer((_request, response) => {
    response.setHeader('date', new Date(Date.now() - 400_000).toUTCString());
    response.end(JSON.stringify({ version: '2.9.2', capabilities: [] }));
  });
  await once(late.listen(0, '127.0.0.1'), 'listening');
  const address = late.address();
  const port = typeof address === 'object' ? address?.port : 0;
  try {
    const { of } = await check(
      fileOf('late', {
        console: { endpoint: `http://127.0.0.1:${port}` },
        maas: { endpoint: `http://127.0.0.1:${port}/MAAS`, apiKey: 'env:MAAS_KEY' },
      }),
    );
    expect(of('clock')).toMatchObject({
      status: 'failed',
      detail: expect.stringMatching(/^(399|400|401) s ahead of the console/),
    });
    expect(of('maas clock')).toMatchObject({
      status: 'failed',
      detail: expect.stringContaining('ahead of MAAS (MAAS_CLOCK_SKEW)'),
    });
    expect(of('maas')?.detail).toContain('(MAAS_TOO_OLD)');
  } finally {
    late.close();
  }
});
