import 'reflect-metadata';
import { X509Certificate } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { describe, expect, test } from 'vitest';
import { makeClusterIdentity, parseIdentity, serialiseIdentity } from '../../relay/bootstrap/cluster-identity.ts';
import { ensureCertificate } from '../../relay/commands/certificates.ts';
import { ensureIdentity } from '../../relay/commands/identity.ts';
import type { BodyOf } from '../../shared/command.ts';
import { contextFor, realPorts, sealedFor } from './bench.ts';

const about = { purpose: 'cluster-identity', recordId: 'clu_1', version: 1 } as const;

describe('ensure-identity', () => {
  const fresh: BodyOf<'ensure-identity'> = { verb: 'ensure-identity', clusterName: 'berlin', existing: null };

  test('makes one, sealed for its cluster', async () => {
    const context = contextFor(fresh, realPorts());
    const made = await ensureIdentity(fresh, context);
    if (!made.ok) throw new Error(made.error.code);
    expect(made.value.identity).toMatchObject(about);
    const identity = parseIdentity(Buffer.from(made.value.identity.ciphertext, 'base64url'));
    expect(identity.ok && identity.value.ca.certPem).toBe(made.value.caCertPem);
    expect(JSON.stringify(made.value)).not.toContain('PRIVATE KEY');
  });

  test('answers an existing one unchanged', async () => {
    const identity = await makeClusterIdentity('berlin', Date.now());
    const existing = sealedFor(serialiseIdentity(identity), about);
    const body = { ...fresh, existing };
    const answered = await ensureIdentity(body, contextFor(body, realPorts()));
    expect(answered).toEqual({
      ok: true,
      value: { verb: 'ensure-identity', identity: existing, caCertPem: identity.ca.certPem },
    });
  });

  test('never replaces one that it cannot open', async () => {
    for (const ciphertext of ['another-gateways', 'bm9uc2Vuc2U']) {
      const body = { ...fresh, existing: { ...sealedFor(Buffer.from(''), about), ciphertext } };
      const answered = await ensureIdentity(body, contextFor(body, realPorts()));
      expect(answered).toMatchObject({ ok: false, error: { code: 'SECRET_UNREADABLE' } });
    }
  });
});

describe('ensure-certificate', () => {
  async function ask(given: { requestPem?: string; user?: string; groups?: string[]; ttlSeconds?: number }) {
    const identity = await makeClusterIdentity('berlin', Date.now());
    const body: BodyOf<'ensure-certificate'> = {
      verb: 'ensure-certificate',
      identity: sealedFor(serialiseIdentity(identity), about),
      requestPem: given.requestPem ?? (await requestFor('ada', 'P-256')),
      user: given.user ?? 'ada@example.org',
      groups: given.groups ?? ['slipway:admins', 'team, berlin'],
      ttlSeconds: given.ttlSeconds ?? 3_600,
    };
    return { identity, answered: await ensureCertificate(body, contextFor(body, realPorts())) };
  }

  async function requestFor(name: string, curve: string): Promise<string> {
    const keys = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: curve }, true, ['sign', 'verify']);
    const request = await x509.Pkcs10CertificateRequestGenerator.create({
      name: [{ CN: [name] }, { O: ['system:masters'] }],
      keys,
      signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    });
    return request.toString('pem');
  }

  test("signs the asker's key under the names of the command, not of the request", async () => {
    const requestPem = await requestFor('root', 'P-256');
    const { identity, answered } = await ask({ requestPem });
    if (!answered.ok) throw new Error(answered.error.code);
    const certificate = new X509Certificate(answered.value.certificatePem);
    expect(certificate.subject.split('\n').toSorted()).toEqual(
      ['CN=ada@example.org', 'O=slipway:admins', 'O=team\\, berlin'].toSorted(),
    );
    expect(certificate.verify(new X509Certificate(identity.ca.certPem).publicKey)).toBe(true);
    const asked = new x509.Pkcs10CertificateRequest(requestPem).publicKey.rawData;
    expect(certificate.publicKey.export({ type: 'spki', format: 'der' }).equals(Buffer.from(asked))).toBe(true);
    expect(answered.value.notAfter).toBe(Date.parse(certificate.validTo));
    expect(answered.value.notAfter - Date.now()).toBeLessThanOrEqual(3_600_000);
    expect(answered.value.caCertPem).toBe(identity.ca.certPem);
  });

  test('refuses names of Kubernetes itself', async () => {
    for (const names of [
      { groups: ['system:masters'] },
      { user: 'system:admin' },
      { groups: ['ok', 'system:nodes'] },
      { user: ' ' },
    ]) {
      const { answered } = await ask(names);
      expect(answered).toMatchObject({ ok: false, error: { code: 'SITE_FORBIDS' } });
    }
  });

  test('refuses a request that its key did not sign, a weak key and nonsense', async () => {
    const good = new x509.Pkcs10CertificateRequest(await requestFor('ada', 'P-256'));
    const bytes = Buffer.from(good.rawData);
    const last = bytes.length - 1;
    bytes[last] = (bytes[last] ?? 0) ^ 1;
    const forged = new x509.Pkcs10CertificateRequest(bytes).toString('pem');
    const weakKeys = await crypto.subtle.generateKey(
      { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', modulusLength: 1_024, publicExponent: new Uint8Array([1, 0, 1]) },
      true,
      ['sign', 'verify'],
    );
    const weak = await x509.Pkcs10CertificateRequestGenerator.create({
      name: 'CN=ada',
      keys: weakKeys,
      signingAlgorithm: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
    });
    for (const requestPem of [forged, weak.toString('pem'), 'nonsense', '']) {
      const { answered } = await ask({ requestPem });
      expect(answered).toMatchObject({ ok: false, error: { code: 'SITE_FORBIDS' } });
    }
  });
});
