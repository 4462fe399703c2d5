// User-data as MAAS will keep it: its form, what it may never hold, and what the real cloud-init makes of it.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { load } from 'js-yaml';
import { beforeAll, describe, expect, test } from 'vitest';
import { makeClusterIdentity } from '../../relay/bootstrap/cluster-identity.ts';
import { renderBootstrapScript } from '../../relay/bootstrap/render-bootstrap-script.ts';
import { renderUserData } from '../../relay/bootstrap/render-user-data.ts';
import { ensureBootstrap } from '../../relay/commands/bootstrap.ts';
import { createClusterDial } from '../../relay/kubernetes/connect.ts';
import { claimOf } from '../../shared/claim.ts';
import { ClusterId, GatewayId, SlotId, SystemId } from '../../shared/ids.ts';
import { USER_DATA_BYTES_MAX } from '../../shared/limits.ts';
import { runCloudInit } from '../support/run-cloud-init.ts';
import { ensureTrixieRoot, trixieSkipReason } from '../support/trixie-root.ts';
import { CLAIM, contextFor, KEY, realPorts, SYSTEM_ID, startBench } from './bench.ts';
import { aDocument, bootstrapBody } from './documents.ts';
import { CloudConfig } from './machine.ts';

const order = {
  claim: CLAIM,
  systemId: SYSTEM_ID,
  relayAddresses: [
    { host: '10.0.0.2', port: 8_443 },
    { host: 'relay.example', port: 443 },
  ],
  enrolmentCaPem: '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n',
  serverName: 'enrolment.slipway.internal',
  token: 'c2xpcHdheQ.mfrggzdfmztwq2lk',
  enrolUntil: 1_800_000_000_000,
};

describe('user-data', () => {
  test('is a cloud-config of ours only, small, and the same each time', () => {
    const text = renderUserData(order);
    expect(text.startsWith('#cloud-config\n')).toBe(true);
    expect(Buffer.byteLength(text)).toBeLessThan(USER_DATA_BYTES_MAX / 4);
    expect(renderUserData(order)).toBe(text);
    const config = CloudConfig.parse(load(text));
    const modes = Object.fromEntries(config.write_files.map((file) => [file.path, file.permissions]));
    expect(modes).toEqual({
      '/var/lib/slipway/enrolment.env': '0600',
      '/var/lib/slipway/enrolment-ca.pem': '0600',
      '/var/lib/slipway/authorization': '0600',
      '/var/lib/slipway/enrol': '0700',
      '/etc/systemd/system/slipway-enrol.service': '0644',
    });
    expect(config.write_files[0]?.content).toBe(
      [
        "CLAIM='slipway/gw_1/clu_1/workers-0/1'",
        "SYSTEM_ID='abc123'",
        "SERVER_NAME='enrolment.slipway.internal'",
        "RELAYS='10.0.0.2:8443 relay.example:443'",
        "ENROL_UNTIL='1800000000'\n",
      ].join('\n'),
    );
    // The token stands in one file and on no command line.
    expect(text.split(order.token).length).toBe(2);
    expect(JSON.stringify(config.runcmd)).not.toContain(order.token);
  });

  test('refuses what bash could read as its own', () => {
    expect(() => renderUserData({ ...order, relayAddresses: [{ host: "x'; reboot '", port: 1 }] })).toThrow();
  });

  test('of 300 machines holds no long-lived secret', async () => {
    const bench = await startBench();
    const identity = await makeClusterIdentity('berlin', Date.now());
    const canaries = [
      KEY.toString('utf8'),
      KEY.toString('hex'),
      KEY.toString('base64'),
      'PRIVATE KEY',
      ...[identity.ca, identity.etcdCa, identity.frontProxyCa].map((pair) => pair.keyPem.split('\n')[1] ?? ''),
    ];
    for (let index = 0; index < 300; index += 1) {
      const claim = claimOf({
        gatewayId: GatewayId.parse('gw_1'),
        clusterId: ClusterId.parse('clu_1'),
        slot: SlotId.parse(`workers-${index}`),
        attempt: 1,
      });
      const made = { claim, systemId: SystemId.parse(`m${index}xx`), enrolUntil: Date.now() };
      const text = bench.userDataFor(made);
      expect(canaries.filter((canary) => text.includes(canary))).toEqual([]);
    }
    await bench.close();
  });

  test('and the bootstrap script are bash without a mistake in form', () => {
    const folder = mkdtempSync(join(tmpdir(), 'slipway-form-'));
    const enrol = CloudConfig.parse(load(renderUserData(order))).write_files[3]?.content ?? '';
    const bootstrap = renderBootstrapScript({
      v: 1,
      nodeName: 'n',
      files: [{ path: "/etc/it's", mode: '0600', content: 'EOF\n$(reboot)\n' }],
      steps: [
        { name: 's', script: "echo 'EOF'\nEOF\n", timeoutSeconds: 1, attempts: 1, pauseSeconds: 0, beforeRetry: 'x' },
      ],
    });
    for (const [name, text] of Object.entries({ enrol, bootstrap })) {
      writeFileSync(join(folder, name), text);
      execFileSync('bash', ['-n', join(folder, name)]);
    }
    expect(bootstrap).not.toContain('reboot');
    rmSync(folder, { recursive: true });
  });
});

const skip = trixieSkipReason();
describe.skipIf(skip !== undefined)(`real cloud-init${skip === undefined ? '' : ` (skipped: ${skip})`}`, () => {
  let root = '';
  beforeAll(async () => {
    const made = await ensureTrixieRoot(['cloud-init', 'curl', 'iproute2']);
    if (!made.ok) throw new Error(made.error.detail);
    root = made.value;
  }, 900_000);

  test('finds nothing to object to in it', () => {
    const folder = mkdtempSync(join(root, 'tmp/slipway-schema-'));
    writeFileSync(join(folder, 'user-data'), renderUserData(order));
    const inRoot = join(folder, 'user-data').slice(root.length);
    const said = execFileSync('chroot', [root, 'cloud-init', 'schema', '--config-file', inRoot], { encoding: 'utf8' });
    expect(said).toContain('Valid schema');
    rmSync(folder, { recursive: true });
  });

  test('runs it: the machine enrols, does its steps and reports', { timeout: 120_000 }, async () => {
    const bench = await startBench();
    const identity = await makeClusterIdentity('berlin', Date.now());
    const document = aDocument({
      files: [{ path: '/etc/kubernetes/pki/ca.crt', mode: '0644', content: '{{secret:ca-cert}}' }],
      steps: [{ name: 'kubeadm-join', script: 'kubeadm join --config /x', timeoutSeconds: 20 }],
    });
    const body = bootstrapBody(identity, document);
    const dial = createClusterDial(realPorts().clock);
    const held = ensureBootstrap({ turns: bench.turns, ledger: bench.ledger, dial })(
      body,
      contextFor(body, realPorts()),
    );
    const userData = bench.userDataFor({
      claim: CLAIM,
      systemId: SYSTEM_ID,
      enrolUntil: Date.now() + 3_600_000,
    });
    const machine = await runCloudInit(root, userData, {
      // cloud-init asks `ip` too, and must get the truth.
      ip: '[ "$*" = "-o -4 address show scope global" ] || exec /usr/sbin/ip "$@"; echo "2: eth0    inet 127.0.0.1/24"',
      kubeadm:
        'echo "kubeadm $*" >>/root/calls; env >/root/environment; ps -eo args >/root/processes 2>/dev/null || true',
      systemctl: 'echo "systemctl $*" >>/root/calls',
    });
    await bench.close();
    expect(machine.output).toContain('status: done');
    expect((await held).ok).toBe(true);
    expect(bench.facts.flatMap((fact) => (fact.kind === 'step' ? [`${fact.step} ${fact.outcome}`] : []))).toEqual([
      'bootstrap started',
      'kubeadm-join started',
      'kubeadm-join succeeded',
      'bootstrap succeeded',
    ]);
    expect(await machine.read('etc/kubernetes/pki/ca.crt')).toBe(identity.ca.certPem);
    // Without systemd as PID 1 nothing is asked of it.
    expect(await machine.read('root/calls')).toBe('kubeadm join --config /x\n');
    expect(await machine.read('var/lib/slipway/finished')).toBe('0\n');
    const left = ['var/lib/slipway/authorization', 'var/lib/slipway/bootstrap'];
    for (const path of left) expect(await machine.read(path)).toBeNull();
    const seen = `${machine.output}${await machine.read('root/environment')}${await machine.read('root/processes')}`;
    expect(seen).not.toContain('PRIVATE KEY');
    expect(seen).not.toContain('Bearer');
    await machine.remove();
  });
});
