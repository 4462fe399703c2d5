// `install --host`: files, identity, service, connection and cloud account; stopped and run again; no secret in plain.
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { load } from 'js-yaml';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { freePort } from '../support/control-plane.ts';
import { until } from '../support/until.ts';
import { fakePrograms } from './fake-systemd.ts';
import { filesWith, type InstallSite, MAIN, pcgYaml, startInstallSite } from './install-site.ts';
import { targetHost } from './target-host.ts';

const SITE_MS_MAX = 60_000;
const TEST_MS_MAX = 90_000;
const CONNECT_MS_MAX = 30_000;
const PROXY_PASSWORD = 'pr0xy-canary-8';
const Gateways = z.object({ items: z.array(z.object({ id: z.string(), name: z.string(), phase: z.string() })) });
const Accounts = z.object({
  items: z.array(z.object({ name: z.string(), gatewayId: z.string(), endpoint: z.string() })),
});

let site: InstallSite;
const running: { stop(): Promise<void> }[] = [];
beforeAll(async () => {
  site = await startInstallSite();
}, SITE_MS_MAX);
afterEach(async () => {
  for (const relay of running.splice(0)) await relay.stop();
});
afterAll(() => site.close());

const host = (name: string, more: Record<string, unknown> = {}) => targetHost(site, name, more);
const gatewayNamed = async (name: string) =>
  (await site.api.raw(Gateways, 'GET', '/gateways')).items.find((one) => one.name === name);
const accounts = async () => (await site.api.raw(Accounts, 'GET', '/cloud-accounts')).items;

test(
  'with a pairing code: files in place, paired, and `slipway-relay run` by hand connects; then a key makes the account',
  async () => {
    const made = await site.api.createGateway('made-in-console');
    const site1 = host('by-code', {
      console: { endpoint: site.controlPlane.url, pairingCode: 'env:CODE' },
      proxy: { https: 'env:PROXY', http: 'env:PROXY', no: ['127.0.0.0/8'] },
    });
    const secrets = { CODE: made.pairingCode, PROXY: `http://relay:${PROXY_PASSWORD}@127.0.0.1:9` };
    const first = await site1.install(secrets);
    expect([first.status, first.stderr]).toEqual([0, '']);
    expect(first.stdout).toContain('Gateway made-in-console is installed on this host.');
    expect(first.stdout).toMatch(/Cloud account: not made: .*\n\s+SLIPWAY_API_KEY=… slipway-relay install -s true/);
    const unit = readFileSync(join(site1.prefix, 'etc/systemd/system/slipway-relay.service'), 'utf8');
    expect(unit).toContain(`ExecStart=${process.execPath} ${MAIN} run`);
    expect(unit).toContain('NoNewPrivileges=yes');
    expect(existsSync(join(site1.prefix, 'etc/sysusers.d/slipway-relay.conf'))).toBe(true);
    const settings = join(site1.prefix, 'etc/slipway/relay.yaml');
    expect(statSync(settings).mode & 0o777).toBe(0o640);
    expect(load(readFileSync(settings, 'utf8'))).toEqual({
      stateDir: site1.state,
      console: site.controlPlane.url,
      caFile: null,
      proxy: { https: secrets.PROXY, http: secrets.PROXY, no: ['127.0.0.0/8'] },
    });
    for (const name of readdirSync(site1.state))
      expect([name, statSync(join(site1.state, name)).mode & 0o077]).toEqual([name, 0]);
    // The relay's own settings hold the proxy's password, and nothing else holds a secret.
    expect(filesWith(site1.prefix, [PROXY_PASSWORD])).toEqual([settings]);
    expect(filesWith(site1.prefix, [made.pairingCode, site.lab.userKey])).toEqual([]);
    for (const each of [made.pairingCode, site.lab.userKey, PROXY_PASSWORD]) expect(first.stdout).not.toContain(each);

    running.push(await site1.run());
    await until(
      CONNECT_MS_MAX,
      'the relay to connect',
      async () => (await gatewayNamed('made-in-console'))?.phase === 'connected',
    );
    const second = await site1.install({ ...secrets, SLIPWAY_API_KEY: site.apiKey });
    expect([second.status, second.stdout]).toEqual([
      0,
      expect.stringContaining('Cloud account: made-in-console, made'),
    ]);
    expect(second.stdout).toContain('paired already');
    expect(second.stdout).toContain('Relay: connected to the console');
    expect(await accounts()).toContainEqual({ name: 'made-in-console', gatewayId: made.id, endpoint: site.lab.url });
    const third = await site1.install({ ...secrets, SLIPWAY_API_KEY: site.apiKey });
    expect(third.stdout).toContain('made-in-console, there already');
    expect(filesWith(site1.prefix, [site.apiKey])).toEqual([]);
  },
  TEST_MS_MAX,
);

test(
  'with an API key: the service is started, waited for, and brings the default account; arguments of programs hold no secret',
  async () => {
    const site2 = host('by-key');
    const programs = fakePrograms(site2.prefix, await freePort());
    const ran = await site2.install(
      { SLIPWAY_API_KEY: site.apiKey, PATH: `${programs.folder}:${process.env.PATH}` },
      [],
    );
    running.push(programs);
    expect([ran.status, ran.stderr]).toEqual([0, '']);
    expect(programs.calls()).toEqual([
      'daemon-reload',
      'enable slipway-relay.service',
      'restart slipway-relay.service',
    ]);
    expect(ran.stdout).toContain('Relay: connected to the console');
    expect(ran.stdout).toContain('Cloud account: by-key, made');
    const gateway = await gatewayNamed('by-key');
    expect(gateway?.phase).toBe('connected');
    expect((await accounts()).filter(({ gatewayId }) => gatewayId === gateway?.id)).toHaveLength(1);
    const again = await site2.install(
      { SLIPWAY_API_KEY: site.apiKey, PATH: `${programs.folder}:${process.env.PATH}` },
      [],
    );
    expect([again.status, programs.calls().at(-1)]).toEqual([0, 'start slipway-relay.service']);
    const secrets = [site.apiKey, site.lab.userKey];
    expect(programs.processes()).toContain('--host --prefix');
    for (const each of secrets) expect(programs.processes()).not.toContain(each);
    expect(filesWith(site2.prefix, secrets)).toEqual([]);
    for (const each of secrets) expect(ran.stdout).not.toContain(each);
  },
  TEST_MS_MAX,
);

test(
  'stopped after the gateway was made, it makes no second one; a file edited to another gateway is refused',
  async () => {
    const site3 = host('half-way');
    // As a run leaves it that was killed between the console's answer and the pairing.
    const lost = await site.api.createGateway('half-way');
    const ran = await site3.install({ SLIPWAY_API_KEY: site.apiKey });
    expect([ran.status, ran.stdout]).toEqual([0, expect.stringContaining(`paired: gateway half-way (${lost.id})`)]);
    writeFileSync(site3.file, pcgYaml(site, 'renamed'));
    const renamed = await site3.install({ SLIPWAY_API_KEY: site.apiKey });
    expect([renamed.status, renamed.stderr]).toEqual([1, expect.stringContaining('HOST_PAIRED_ELSEWHERE')]);
    expect(await gatewayNamed('renamed')).toBeUndefined();
    // A gateway of that name which is in use is not taken over by another host.
    const other = host('other');
    writeFileSync(other.file, pcgYaml(site, 'half-way'));
    const taken = await other.install({ SLIPWAY_API_KEY: site.apiKey });
    expect([taken.status, taken.stderr]).toEqual([1, expect.stringContaining('GATEWAY_NAME_TAKEN')]);
    // Corrected, it carries on in the same folder.
    writeFileSync(other.file, pcgYaml(site, 'other'));
    expect((await other.install({ SLIPWAY_API_KEY: site.apiKey })).status).toBe(0);
  },
  TEST_MS_MAX,
);
