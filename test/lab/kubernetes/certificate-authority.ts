// The cluster's CA as the stand-in uses it: loaded from PEM, signs serving and client certificates.
import 'reflect-metadata';
import { createPrivateKey, createPublicKey, webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';

x509.cryptoProvider.set(webcrypto);

export type CertificateAuthority = {
  readonly certPem: string;
  readonly certificate: x509.X509Certificate;
  readonly key: webcrypto.CryptoKey;
  readonly signing: webcrypto.Algorithm | webcrypto.EcdsaParams;
  readonly notAfterMs: number;
};

export type Issue = {
  readonly subject: x509.Name;
  readonly publicKey: webcrypto.CryptoKey;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly usage: 'client' | 'server';
  /** Addresses and host names of a serving certificate. */
  readonly names: readonly string[];
};

const CURVES: Readonly<Record<string, string>> = { prime256v1: 'P-256', secp384r1: 'P-384', secp521r1: 'P-521' };

/** Reads a CA from PEM: RSA or ECDSA, PKCS#1, SEC1 or PKCS#8. Throws on a key that is neither, since the caller made it. */
export async function loadAuthority(ca: {
  readonly certPem: string;
  readonly keyPem: string;
}): Promise<CertificateAuthority> {
  const key = createPrivateKey(ca.keyPem);
  const pkcs8 = key.export({ type: 'pkcs8', format: 'der' });
  const certificate = new x509.X509Certificate(ca.certPem);
  const common = { certPem: ca.certPem, certificate, notAfterMs: certificate.notAfter.getTime() };
  if (key.asymmetricKeyType === 'rsa') {
    const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };
    return {
      ...common,
      key: await webcrypto.subtle.importKey('pkcs8', pkcs8, algorithm, false, ['sign']),
      signing: algorithm,
    };
  }
  if (key.asymmetricKeyType !== 'ec')
    throw new Error(`a CA key of type ${key.asymmetricKeyType ?? 'unknown'} is not played`);
  const namedCurve = CURVES[createPublicKey(ca.keyPem).asymmetricKeyDetails?.namedCurve ?? ''] ?? 'P-256';
  const imported = await webcrypto.subtle.importKey('pkcs8', pkcs8, { name: 'ECDSA', namedCurve }, false, ['sign']);
  return { ...common, key: imported, signing: { name: 'ECDSA', hash: 'SHA-256' } };
}

const isAddress = (name: string): boolean => /^[\d.]+$/.test(name) || name.includes(':');

/** Signs one certificate and returns it as PEM. */
export async function issueCertificate(authority: CertificateAuthority, issue: Issue): Promise<string> {
  const { clientAuth, serverAuth } = x509.ExtendedKeyUsage;
  const extensions: x509.Extension[] = [
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature | x509.KeyUsageFlags.keyEncipherment, true),
    new x509.ExtendedKeyUsageExtension([issue.usage === 'client' ? clientAuth : serverAuth]),
    new x509.BasicConstraintsExtension(false, undefined, true),
    await x509.AuthorityKeyIdentifierExtension.create(authority.certificate.publicKey),
  ];
  if (issue.names.length > 0) {
    const names = issue.names.map(
      (name): x509.JsonGeneralName => ({ type: isAddress(name) ? 'ip' : 'dns', value: name }),
    );
    extensions.push(new x509.SubjectAlternativeNameExtension(names));
  }
  const certificate = await x509.X509CertificateGenerator.create({
    subject: issue.subject.toString(),
    issuer: authority.certificate.subject,
    notBefore: new Date(issue.notBeforeMs),
    notAfter: new Date(issue.notAfterMs),
    publicKey: issue.publicKey,
    signingKey: authority.key,
    signingAlgorithm: authority.signing,
    extensions,
  });
  return certificate.toString('pem');
}

/** A key and a certificate of the CA. `organisations` become the groups of a client. Valid for a year from 5 minutes ago. */
export async function issueKeyPair(
  authority: CertificateAuthority,
  who: {
    readonly commonName: string;
    readonly organisations?: readonly string[];
    readonly usage: 'client' | 'server';
    readonly names?: readonly string[];
  },
): Promise<{ certPem: string; keyPem: string }> {
  const pair = await webcrypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']);
  const subject = new x509.Name([
    ...(who.organisations ?? []).map((organisation) => ({ O: [organisation] })),
    { CN: [who.commonName] },
  ]);
  const from = Date.now() - 5 * 60_000;
  const certPem = await issueCertificate(authority, {
    subject,
    publicKey: pair.publicKey,
    notBeforeMs: from,
    notAfterMs: Math.min(from + 365 * 86_400_000, authority.notAfterMs),
    usage: who.usage,
    names: who.names ?? [],
  });
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', pair.privateKey)).toString('base64');
  const keyPem = `-----BEGIN PRIVATE KEY-----\n${pkcs8.match(/.{1,64}/g)?.join('\n') ?? ''}\n-----END PRIVATE KEY-----\n`;
  return { certPem, keyPem };
}

/** A fresh self-signed CA, for tests and for a lab that was given none. ECDSA P-256, ten years. */
export async function createAuthorityPems(commonName = 'kubernetes'): Promise<{ certPem: string; keyPem: string }> {
  const pair = await webcrypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: `CN=${commonName}`,
    notBefore: new Date(Date.now() - 5 * 60_000),
    notAfter: new Date(Date.now() + 3650 * 86_400_000),
    keys: pair,
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign | x509.KeyUsageFlags.digitalSignature,
        true,
      ),
      await x509.SubjectKeyIdentifierExtension.create(pair.publicKey),
    ],
  });
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', pair.privateKey)).toString('base64');
  return {
    certPem: certificate.toString('pem'),
    keyPem: `-----BEGIN PRIVATE KEY-----\n${pkcs8.match(/.{1,64}/g)?.join('\n') ?? ''}\n-----END PRIVATE KEY-----\n`,
  };
}
