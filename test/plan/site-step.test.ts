// The step `site-settings` as bash runs it, in a folder for a root, with the values a relay would fill in.
import { execFileSync, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { directlyReached } from '../../functions/plan/site-step.ts';
import { makeAuthority } from '../../relay/bootstrap/certificate-authority.ts';
import { NO_SITE_SLOTS, type SiteSlots, siteSlots } from '../../relay/enrolment/site-slots.ts';
import { fillTemplate } from '../../shared/bootstrap.ts';
import { documentsOf } from './documents-of-kind.ts';

const folder = mkdtempSync(join(tmpdir(), 'slipway-site-step-'));
afterAll(() => rmSync(folder, { recursive: true }));

const validity = { from: Date.now(), until: Date.now() + 3_600_000 };
const [FIRST, SECOND] = [await makeAuthority('first', validity), await makeAuthority('second', validity)];
const PASSWORD = 'pa%24ss%27word';
const PROXY = {
  https: "http://user:pa$ss'word@proxy.test:3129",
  http: 'http://user:pa%24ss%27word@proxy.test',
  no: ['10.20.0.0/16', '.corp.test', 'maas.test', 'with "quotes"', 'registry.test'],
};
const PROXIED = siteSlots({ config: { proxy: PROXY }, siteAuthorities: null });
const WHOLE = siteSlots({
  config: { proxy: PROXY },
  siteAuthorities: `# ours\r\n${FIRST.certPem}${FIRST.keyPem}${SECOND.certPem}`,
});

const STAND_IN = (calls: string, name: string) => `#!/bin/bash\necho "${name} $*" >>${calls}\n`;

type Machine = { readonly home: string; readonly run: (slots: SiteSlots) => ReturnType<typeof spawnSync> };

/** A machine before its first step: its files are placed by `run`, as often as that is called. */
function machine(name: string, document = documentsOf('workload')[0]): Machine {
  const home = join(folder, name);
  mkdirSync(join(home, 'etc'), { recursive: true });
  mkdirSync(join(home, 'stand-ins'));
  writeFileSync(join(home, 'etc/environment'), 'PATH="/usr/bin"\n');
  for (const tool of ['systemctl', 'update-ca-certificates'])
    writeFileSync(join(home, 'stand-ins', tool), STAND_IN(join(home, 'calls'), tool), { mode: 0o755 });
  const script = (document?.steps.find((step) => step.name === 'site-settings')?.script ?? 'exit 9').replaceAll(
    /\/(etc|usr\/local|var\/lib)\//g,
    (path) => `${home}${path}`,
  );
  const env = { PATH: `${join(home, 'stand-ins')}:${process.env.PATH ?? ''}` };
  const run = (slots: SiteSlots) => {
    const values: Record<string, string> = slots;
    for (const { path, content } of document?.files.filter(({ path }) => path.includes('/slipway/site/')) ?? []) {
      mkdirSync(dirname(home + path), { recursive: true });
      writeFileSync(
        home + path,
        fillTemplate(content, (_kind, slot) => values[slot] ?? ''),
      );
    }
    // As the bootstrap script runs its steps.
    const strict = `umask 077; exec bash -euo pipefail "$0"`;
    writeFileSync(join(home, 'step'), script);
    const stdio: ('ignore' | 'pipe')[] = ['ignore', 'pipe', 'pipe'];
    return spawnSync('bash', ['-c', strict, join(home, 'step')], { env, stdio, encoding: 'utf8', timeout: 10_000 });
  };
  return { home, run };
}

/** Every file there is, with mode and content, but for our own and what the step was given. */
function filesOf({ home }: Machine): Record<string, string> {
  const names = readdirSync(home, { recursive: true, encoding: 'utf8' }).sort();
  const files = names.filter((name) => statSync(join(home, name)).isFile() && /^(etc|usr|var)\//.test(name));
  const own = files.filter((name) => !name.startsWith('var/lib/slipway/site/'));
  return Object.fromEntries(
    own.map((name) => {
      const path = join(home, name);
      return [`0${(statSync(path).mode & 0o777).toString(8)} /${name}`, readFileSync(path, 'utf8')];
    }),
  );
}

const callsOf = ({ home }: Machine): string[] =>
  existsSync(join(home, 'calls')) ? readFileSync(join(home, 'calls'), 'utf8').trim().split('\n') : [];

describe('settings of the site', () => {
  test('[SI1] every machine has the step before all that reaches out, its values in files for root, and in no script', () => {
    for (const document of [...documentsOf('workload'), ...documentsOf('gateway')]) {
      expect(document.steps[0]?.name).toBe('site-settings');
      const files = document.files.filter(({ content }) => content.includes('{{secret:site-'));
      expect(files.map(({ mode }) => mode)).toEqual(['0600', '0600', '0600', '0600']);
      expect(document.steps.filter(({ script }) => script.includes('{{secret:'))).toEqual([]);
      expect(document.steps.at(-1)?.script).toContain('rm -rf /var/lib/slipway/site\n');
    }
  });

  test('[SI2] without proxy and authorities nothing is done and nothing left, however often', () => {
    const plain = machine('plain');
    for (const slots of [NO_SITE_SLOTS, { ...NO_SITE_SLOTS, 'site-no-proxy': '10.0.0.0/8' }]) {
      expect(plain.run(slots)).toMatchObject({ status: 0, stderr: '' });
      expect(filesOf(plain)).toEqual({ '0644 /etc/environment': 'PATH="/usr/bin"\n' });
      expect(existsSync(join(plain.home, 'var/lib/slipway/site'))).toBe(false);
      expect(callsOf(plain)).toEqual([]);
    }
  });

  test('[SI3] with a proxy, apt, units and sessions have it, the password is root’s but in /etc/environment', () => {
    const proxied = machine('proxied');
    expect(proxied.run(PROXIED)).toMatchObject({ status: 0, stderr: '' });
    const files = filesOf(proxied);
    expect(Object.keys(files)).toEqual([
      '0600 /etc/apt/apt.conf.d/90slipway-proxy',
      '0600 /etc/default/slipway-site-proxy',
      '0644 /etc/environment',
      '0644 /etc/systemd/system/containerd.service.d/90-slipway-proxy.conf',
      '0644 /etc/systemd/system/kubelet.service.d/90-slipway-proxy.conf',
    ]);
    const withPassword = Object.keys(files).filter((name) => files[name]?.includes(PASSWORD));
    expect(withPassword).toEqual(Object.keys(files).slice(0, 3));
    const variables = files['0600 /etc/default/slipway-site-proxy'] ?? '';
    expect(variables).toContain(`HTTPS_PROXY="http://user:${PASSWORD}@proxy.test:3129"\n`);
    expect(variables).toContain(`http_proxy="http://user:${PASSWORD}@proxy.test:80"\n`);
    expect(files['0644 /etc/environment']).toBe(
      `PATH="/usr/bin"\n# slipway site: begin\n${variables}# slipway site: end\n`,
    );
    expect(files['0644 /etc/systemd/system/kubelet.service.d/90-slipway-proxy.conf']).toBe(
      `[Service]\nEnvironmentFile=-${proxied.home}/etc/default/slipway-site-proxy\n`,
    );
    const apt = files['0600 /etc/apt/apt.conf.d/90slipway-proxy'] ?? '';
    expect(apt).toContain(`Acquire::http::Proxy "http://user:${PASSWORD}@proxy.test:80";\n`);
    expect(apt).toContain('Acquire::http::Proxy::maas.test "DIRECT";\n');
    expect(apt).not.toMatch(/Proxy::[^ ]*(\/|::\.)/);
    expect(callsOf(proxied)).toEqual([
      'systemctl daemon-reload',
      'systemctl is-active --quiet containerd',
      'systemctl restart containerd',
    ]);
  });

  test('[SI3] what downloads uses the proxy, and kubeadm does not see it', () => {
    for (const { steps } of documentsOf('workload')) {
      const users = steps.filter(({ script }) => script.includes('. /etc/default/slipway-site-proxy'));
      expect(users.map(({ name }) => name)).toEqual(['install-kubernetes']);
    }
  });

  test('[SI3] the authorities are trusted, one a file, and nothing else of what stood beside them', () => {
    const trusting = machine('trusting');
    expect(
      trusting.run(siteSlots({ config: { proxy: { https: null, http: null, no: [] } }, siteAuthorities: '' })),
    ).toMatchObject({ status: 0 });
    expect(trusting.run({ ...NO_SITE_SLOTS, 'site-authorities': WHOLE['site-authorities'] })).toMatchObject({
      ...{ status: 0, stderr: '' },
      stdout: 'Authorities of the site trusted: 2\n',
    });
    const { '0644 /etc/environment': _, ...files } = filesOf(trusting);
    expect(Object.keys(files)).toEqual([
      '0644 /usr/local/share/ca-certificates/slipway-site-2.crt',
      '0644 /usr/local/share/ca-certificates/slipway-site.crt',
    ]);
    expect(Object.values(files).map((text) => text.trim())).toEqual([SECOND.certPem.trim(), FIRST.certPem.trim()]);
    expect(callsOf(trusting)[0]).toBe('update-ca-certificates ');
  });

  test('[SI2] run again, also for another machine’s beginning, it leaves the same', () => {
    const again = machine('again', documentsOf('gateway')[1]);
    expect(again.run(WHOLE)).toMatchObject({ status: 0, stderr: '' });
    const first = filesOf(again);
    expect(again.run(WHOLE)).toMatchObject({ status: 0, stderr: '' });
    expect(filesOf(again)).toEqual(first);
  });

  test('[SI4] what is reached directly: ours, then the site’s, each once; printed without a password', () => {
    const shown = machine('shown');
    const { stdout } = shown.run(PROXIED);
    const direct = /^Reached directly: (.*)$/m.exec(String(stdout))?.[1] ?? '';
    const [ip, ...rest] = direct.split(',').slice(5);
    expect(direct.split(',').slice(0, 5)).toEqual([
      'localhost',
      '127.0.0.0/8',
      '10.244.0.0/16',
      '10.96.0.0/16',
      '10.10.0.0/24',
    ]);
    expect(ip).toMatch(/^10\.10\.0\.\d+$/);
    expect(rest[0]).toMatch(/^demo-\w{8}\.maas$/);
    expect(rest.slice(1)).toEqual([
      ...['maas.test', '.svc', '.cluster.local', '.maas'],
      ...['10.20.0.0/16', '.corp.test', 'registry.test'],
    ]);
    expect(stdout).toContain('HTTPS proxy: http://<redacted>@proxy.test:3129\n');
    expect(stdout).not.toContain(PASSWORD);
    const variables = join(shown.home, 'etc/default/slipway-site-proxy');
    const seen = execFileSync('bash', ['-c', `. ${variables}; echo "$NO_PROXY"`], { encoding: 'utf8' });
    expect(seen.trim()).toBe(direct);
  });

  test('[SI4] MAAS is taken out of its URL, and a cluster’s own domain stands beside cluster.local', () => {
    const given = { podSubnet: 'p', serviceSubnet: 's', nodeSubnet: 'n', endpoint: { ip: 'i', fqdn: 'a.b.c' } };
    const list = (maas: string) => directlyReached({ ...given, dnsDomain: 'k8s.test', maas });
    expect(list('https://user@maas.b.c:5443/MAAS')).toEqual([
      ...['localhost', '127.0.0.0/8', 'p', 's', 'n', 'i', 'a.b.c', 'maas.b.c'],
      ...['.svc', '.cluster.local', '.k8s.test', '.b.c'],
    ]);
    expect(list('http://[fd00::1]:5240/MAAS')).toContain('fd00::1');
  });
});
