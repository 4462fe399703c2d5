// Three real etcds (Debian's 3.5) with certificates of a cluster identity, as kubeadm configures them: what the relay asks of
// their JSON gateway, and that a dead member goes.
import 'reflect-metadata';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { privateKeyPem } from '../../relay/bootstrap/certificate-authority.ts';
import { ensureMemberRemoved } from '../../relay/commands/members.ts';
import { createEtcdApi, type EtcdMember } from '../../relay/kubernetes/etcd-members.ts';
import type { BodyOf } from '../../shared/command.ts';
import { contextFor, realPorts } from '../relay-bootstrap/bench.ts';
import { ensureTrixieRoot, trixieSkipReason } from '../support/trixie-root.ts';
import { until } from '../support/until.ts';
import { accessTo, identity } from './cluster-bench.ts';

const skip = trixieSkipReason();
const ADDRESSES = ['127.0.0.41', '127.0.0.42', '127.0.0.43'];

/** As kubeadm's: a server certificate that is a client's too, since the gateway calls its own etcd with it. */
async function servingPair(address: string): Promise<{ certPem: string; keyPem: string }> {
  const ec = { name: 'ECDSA', namedCurve: 'P-256' } as const;
  const keys = await crypto.subtle.generateKey(ec, true, ['sign', 'verify']);
  const ca = new x509.X509Certificate(identity.etcdCa.certPem);
  const signingKey = await crypto.subtle.importKey(
    'pkcs8',
    x509.PemConverter.decodeFirst(identity.etcdCa.keyPem),
    ec,
    false,
    ['sign'],
  );
  const certificate = await x509.X509CertificateGenerator.create({
    subject: `CN=${address}`,
    issuer: ca.subjectName,
    publicKey: keys.publicKey,
    signingKey,
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    notBefore: new Date(Date.now() - 60_000),
    notAfter: new Date(Date.now() + 3_600_000),
    extensions: [
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth]),
      new x509.SubjectAlternativeNameExtension([{ type: 'ip', value: address }]),
    ],
  });
  return { certPem: certificate.toString('pem'), keyPem: await privateKeyPem(keys.privateKey) };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, ADDRESSES[0], resolve));
  const bound = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof bound === 'object' && bound !== null ? bound.port : 0;
}

describe.skipIf(skip !== undefined)(`real etcd${skip === undefined ? '' : ` (skipped: ${skip})`}`, () => {
  const members: ChildProcess[] = [];
  let folder = '';
  let port = 0;

  beforeAll(async () => {
    const root = await ensureTrixieRoot(['etcd-server']);
    if (!root.ok) throw new Error(root.error.detail);
    folder = mkdtempSync(join(root.value, 'tmp/slipway-etcd-'));
    const inside = folder.slice(root.value.length);
    writeFileSync(join(folder, 'ca.pem'), identity.etcdCa.certPem);
    port = await freePort();
    const peerPort = await freePort();
    const peers = ADDRESSES.map((address, index) => `cp-${index}=http://${address}:${peerPort}`).join(',');
    for (const [index, address] of ADDRESSES.entries()) {
      const pair = await servingPair(address);
      writeFileSync(join(folder, `${index}.pem`), pair.certPem);
      writeFileSync(join(folder, `${index}.key`), pair.keyPem, { mode: 0o600 });
      const flags = {
        name: `cp-${index}`,
        'data-dir': `${inside}/data-${index}`,
        'listen-client-urls': `https://${address}:${port}`,
        'advertise-client-urls': `https://${address}:${port}`,
        'listen-peer-urls': `http://${address}:${peerPort}`,
        'initial-advertise-peer-urls': `http://${address}:${peerPort}`,
        'initial-cluster': peers,
        'trusted-ca-file': `${inside}/ca.pem`,
        'cert-file': `${inside}/${index}.pem`,
        'key-file': `${inside}/${index}.key`,
        'client-cert-auth': 'true',
      };
      const args = Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
      members.push(spawn('chroot', [root.value, '/usr/bin/etcd', ...args], { stdio: 'ignore' }));
    }
  }, 900_000);

  afterAll(async () => {
    for (const member of members) {
      const isRunning = member.exitCode === null && member.signalCode === null;
      if (!isRunning) continue;
      const gone = new Promise((resolve) => member.once('exit', resolve));
      member.kill('SIGKILL');
      await gone;
    }
    if (folder !== '') rmSync(folder, { recursive: true, force: true });
  });

  test('tells its members, and loses a dead one while it has a quorum, but not the next', {
    timeout: 60_000,
  }, async () => {
    const etcd = createEtcdApi(identity, realPorts().clock, port);
    const healthyIs = (count: number) =>
      until(30_000, `${count} healthy members`, async (): Promise<readonly EtcdMember[] | null> => {
        const listed = await etcd.listMembers(ADDRESSES);
        return listed.ok && listed.value.filter((one) => one.healthy).length === count ? listed.value : null;
      });
    const all = await healthyIs(3);
    expect(all.map((member) => member.name).toSorted()).toEqual(['cp-0', 'cp-1', 'cp-2']);
    expect(all.every((member) => /^\d{15,20}$/.test(member.id) && !member.learner)).toBe(true);

    const remove = (memberName: string) => {
      const body: BodyOf<'ensure-member-removed'> = {
        verb: 'ensure-member-removed',
        access: accessTo('https://127.0.0.1:6443'),
        memberName,
        peers: ADDRESSES.slice(0, 2),
      };
      const dial = { etcd: () => createEtcdApi(identity, realPorts().clock, port) };
      return ensureMemberRemoved(dial)(body, contextFor(body, realPorts()));
    };
    members[2]?.kill('SIGKILL');
    await healthyIs(2);
    expect(await remove('cp-2')).toEqual({ ok: true, value: { verb: 'ensure-member-removed', existed: true } });
    expect((await healthyIs(2)).map((member) => member.name).toSorted()).toEqual(['cp-0', 'cp-1']);
    expect(await remove('cp-2')).toMatchObject({ ok: true, value: { existed: false } });
    members[1]?.kill('SIGKILL');
    await healthyIs(0);
    expect(await remove('cp-1')).toMatchObject({ ok: false, error: { code: 'NO_QUORUM' } });
    await etcd.close();
  });
});
