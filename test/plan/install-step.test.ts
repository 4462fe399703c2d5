// The step `install-kubernetes` as bash runs it on a machine, in a folder for a root, with stand-ins for what reaches out.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { bootstrapSteps } from '../../functions/plan/bootstrap-steps.ts';
import { resolveProfile } from '../../functions/plan/resolve-profile.ts';
import { BUILTIN_PROFILE } from '../../shared/builtin-profile.ts';

const home = mkdtempSync(join(tmpdir(), 'slipway-install-step-'));
afterAll(() => rmSync(home, { recursive: true }));

const STAND_INS: Record<string, string> = {
  curl: `echo "curl through \${https_proxy:-nothing}" >>${home}/calls; echo key`,
  gpg: 'while [ "$1" != -o ]; do shift; done; cat >"$2"',
  'apt-get': `echo "apt-get $1" >>${home}/calls`,
  'apt-mark': ':',
  containerd: 'echo "SystemdCgroup = false"',
  systemctl: ':',
};

function installScript(): string {
  const profile = resolveProfile(BUILTIN_PROFILE, {});
  if (!profile.ok) throw new Error(profile.error.detail);
  const { kubernetes } = profile.value;
  const hooks = { pre: [], post: [] };
  const input = { endpoint: '10.0.0.9', direct: [], hooks, userFiles: [], carriesRelay: false, kubernetes };
  const step = bootstrapSteps('init', input).find(({ name }) => name === 'install-kubernetes');
  return (step?.script ?? 'exit 9').replaceAll('/etc/', `${home}/etc/`);
}

test('[WK4] [SI3] apt’s own user can read the keyring, though steps run with umask 077; the key comes through the proxy', () => {
  mkdirSync(join(home, 'stand-ins'));
  for (const folder of ['etc/apt/sources.list.d', 'etc/default']) mkdirSync(join(home, folder), { recursive: true });
  for (const [name, script] of Object.entries(STAND_INS))
    writeFileSync(join(home, 'stand-ins', name), `#!/bin/bash\n${script}\n`, { mode: 0o755 });
  writeFileSync(join(home, 'etc/default/slipway-site-proxy'), 'https_proxy="http://proxy.test:3128"\n');
  writeFileSync(join(home, 'step'), installScript());
  const run = spawnSync('bash', ['-c', 'umask 077; exec bash -euo pipefail "$0"', join(home, 'step')], {
    env: { PATH: `${join(home, 'stand-ins')}:/usr/bin:/bin` },
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
    timeout: 10_000,
  });
  expect([run.status, run.stderr]).toEqual([0, '']);
  for (const name of ['keyrings/kubernetes.gpg', 'sources.list.d/kubernetes.list'])
    expect([name, statSync(join(home, 'etc/apt', name)).mode & 0o777]).toEqual([name, 0o644]);
  expect(readFileSync(join(home, 'etc/containerd/config.toml'), 'utf8')).toBe('SystemdCgroup = true\n');
  expect(readFileSync(join(home, 'calls'), 'utf8')).toContain('curl through http://proxy.test:3128\n');
});
