// `install --host` on a host that has settings already, and with a code that was used. Apart from host.test.ts, since a console
// takes ten tries of pairing a minute.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { load } from 'js-yaml';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { freePort } from '../support/control-plane.ts';
import { fakePrograms } from './fake-systemd.ts';
import { type InstallSite, startInstallSite } from './install-site.ts';
import { targetHost } from './target-host.ts';

const SITE_MS_MAX = 60_000;
const TEST_MS_MAX = 90_000;

let site: InstallSite;
const host = (name: string, more: Record<string, unknown> = {}) => targetHost(site, name, more);
beforeAll(async () => {
  site = await startInstallSite();
}, SITE_MS_MAX);
afterAll(() => site.close());

test(
  'settings that an operator added stay; a used code is told in the console’s words',
  async () => {
    const used = await site.api.createGateway('used');
    const site4 = host('kept', { console: { endpoint: site.controlPlane.url, pairingCode: 'env:CODE' } });
    const settings = join(site4.prefix, 'etc/slipway/relay.yaml');
    mkdirSync(join(site4.prefix, 'etc/slipway'), { recursive: true });
    writeFileSync(settings, 'enrolment: { listen: "0.0.0.0:9443" }\nconsole: https://old.example\n');
    expect((await site4.install({ CODE: used.pairingCode })).status).toBe(0);
    expect(load(readFileSync(settings, 'utf8'))).toMatchObject({
      enrolment: { listen: '0.0.0.0:9443' },
      console: site.controlPlane.url,
    });
    const site5 = host('late', { console: { endpoint: site.controlPlane.url, pairingCode: 'env:CODE' } });
    const late = await site5.install({ CODE: used.pairingCode });
    expect([late.status, late.stderr]).toEqual([
      1,
      expect.stringMatching(/pairing: .*PAIRING_CODE_USED.*\n\s+→ Make a new code/),
    ]);
  },
  TEST_MS_MAX,
);

test(
  'without an API key the relay’s own log tells that it is connected, and how the account is made is said',
  async () => {
    const made = await site.api.createGateway('by-log');
    const target = host('by-log', { console: { endpoint: site.controlPlane.url, pairingCode: 'env:CODE' } });
    const programs = fakePrograms(target.prefix, await freePort());
    try {
      const environment = { CODE: made.pairingCode, PATH: `${programs.folder}:${process.env.PATH}` };
      const ran = await target.install(environment, []);
      expect([ran.status, ran.stderr]).toEqual([0, '']);
      expect(ran.stdout).toContain('Relay: connected to the console');
      expect(ran.stdout).toContain('Cloud account: not made');
      expect((await site.api.gateway(made.id)).phase).toBe('connected');
    } finally {
      await programs.stop();
    }
  },
  TEST_MS_MAX,
);
