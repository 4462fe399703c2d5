import { createHash, createPrivateKey, createPublicKey, sign, verify, X509Certificate } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { publicKeyHash } from '../../relay/bootstrap/certificate-authority.ts';
import { makeApiCredential, makeEtcdCredential } from '../../relay/bootstrap/client-credential.ts';
import { makeClusterIdentity, parseIdentity, serialiseIdentity } from '../../relay/bootstrap/cluster-identity.ts';

const NOW = Date.parse('2026-11-22T12:00:00Z');
const DAY_MS = 24 * 3_600_000;

describe('a cluster identity', () => {
  test('has three authorities of ten years whose keys fit', async () => {
    const identity = await makeClusterIdentity('berlin', NOW);
    const names = { ca: 'CN=kubernetes', frontProxyCa: 'CN=front-proxy-ca', etcdCa: 'CN=etcd-ca' };
    for (const part of ['ca', 'frontProxyCa', 'etcdCa'] as const) {
      const certificate = new X509Certificate(identity[part].certPem);
      expect(certificate.subject).toBe(names[part]);
      expect(certificate.ca).toBe(true);
      expect(certificate.verify(certificate.publicKey)).toBe(true);
      expect(certificate.checkPrivateKey(createPrivateKey(identity[part].keyPem))).toBe(true);
      expect(Date.parse(certificate.validFrom)).toBe(NOW - 300_000);
      expect(Math.round((Date.parse(certificate.validTo) - NOW) / DAY_MS)).toBe(3_650);
      // kubeadm refuses an authority without keyCertSign; Node tells key usage only in the raw form: bit 5 of OID 2.5.29.15.
      expect(keyUsageBits(certificate.raw) & 0b0000_0100).toBe(0b0000_0100);
    }
  });

  test('has a service-account key pair whose halves fit', async () => {
    const { serviceAccount } = await makeClusterIdentity('berlin', NOW);
    const privateKey = createPrivateKey(serviceAccount.privateKeyPem);
    expect(privateKey.asymmetricKeyDetails?.modulusLength).toBe(2_048);
    const signature = sign('sha256', Buffer.from('token'), privateKey);
    expect(verify('sha256', Buffer.from('token'), createPublicKey(serviceAccount.publicKeyPem), signature)).toBe(true);
  });

  test('is never the same twice', async () => {
    const [one, other] = await Promise.all([makeClusterIdentity('a', NOW), makeClusterIdentity('a', NOW)]);
    expect(new X509Certificate(one.ca.certPem).serialNumber).not.toBe(
      new X509Certificate(other.ca.certPem).serialNumber,
    );
    expect(one.ca.keyPem).not.toBe(other.ca.keyPem);
  });

  test('survives its serial form, and nothing else passes for one', async () => {
    const identity = await makeClusterIdentity('berlin', NOW);
    expect(parseIdentity(serialiseIdentity(identity))).toEqual({ ok: true, value: identity });
    expect(parseIdentity(Buffer.from('{"v":1}')).ok).toBe(false);
    expect(parseIdentity(Buffer.from('nonsense')).ok).toBe(false);
    expect(parseIdentity(serialiseIdentity({ ...identity, ...{ extra: 1 } })).ok).toBe(false);
  });

  test('is pinned by the hash of its public key, as kubeadm counts it', async () => {
    const { ca } = await makeClusterIdentity('berlin', NOW);
    const der = new X509Certificate(ca.certPem).publicKey.export({ type: 'spki', format: 'der' });
    expect(publicKeyHash(ca.certPem)).toBe(`sha256:${createHash('sha256').update(der).digest('hex')}`);
  });
});

describe("the relay's own certificate", () => {
  test('is signed by the right authority, for minutes, as a client only', async () => {
    const identity = await makeClusterIdentity('berlin', NOW);
    const [forApi, forEtcd] = await Promise.all([makeApiCredential(identity, NOW), makeEtcdCredential(identity, NOW)]);
    const api = new X509Certificate(forApi.certPem);
    const etcd = new X509Certificate(forEtcd.certPem);
    expect(api.subject.split('\n').toSorted()).toEqual(['CN=slipway-relay', 'O=system:masters']);
    expect(etcd.subject).toBe('CN=slipway-relay');
    expect(api.verify(new X509Certificate(identity.ca.certPem).publicKey)).toBe(true);
    expect(etcd.verify(new X509Certificate(identity.etcdCa.certPem).publicKey)).toBe(true);
    expect(api.checkIssued(new X509Certificate(identity.ca.certPem))).toBe(true);
    expect(api.ca).toBe(false);
    expect(api.keyUsage).toEqual(['1.3.6.1.5.5.7.3.2']);
    expect(Date.parse(api.validTo) - NOW).toBe(600_000);
    expect(forApi.notAfter).toBe(Date.parse(api.validTo));
  });
});

/** The first byte of the KeyUsage bit string: digitalSignature is 0x80, keyCertSign 0x04, cRLSign 0x02. */
function keyUsageBits(der: Buffer): number {
  const oid = der.indexOf(Buffer.from([0x06, 0x03, 0x55, 0x1d, 0x0f]));
  const bitString = der.indexOf(0x03, oid + 5 + 3);
  return der[bitString + 3] ?? 0;
}
