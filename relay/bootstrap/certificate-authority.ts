// X.509 as a cluster and the enrolment endpoint need it: authorities, and certificates signed by them. ECDSA P-256 with
// SHA-256 throughout: kubeadm, etcd, curl and Node accept it, and a new key costs nothing.
import { createECDH, createHash, createPrivateKey, createPublicKey, type webcrypto } from 'node:crypto';
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import { z } from 'zod';
import type { EpochMs } from '../../shared/ids.ts';

/** A certificate with its private key, both PEM (PKCS #8). */
export const KeyAndCertificate = z.strictObject({ certPem: z.string(), keyPem: z.string() });
export type KeyAndCertificate = z.infer<typeof KeyAndCertificate>;

export type Validity = { readonly from: EpochMs; readonly until: EpochMs };

export type Subject = { readonly commonName: string; readonly organizations: readonly string[] };

export type CertificateOrder = {
  readonly subject: Subject;
  readonly validity: Validity;
  readonly usage: 'client' | 'server';
  /** Server names; addresses are not offered, since nothing here is verified by one. */
  readonly dnsNames: readonly string[];
};

const EC_KEY = { name: 'ECDSA', namedCurve: 'P-256' } as const;
const EC_SIGNATURE = { name: 'ECDSA', hash: 'SHA-256' } as const;

/** A new self-signed authority: CA:TRUE, may sign certificates and revocation lists. */
export async function makeAuthority(commonName: string, validity: Validity): Promise<KeyAndCertificate> {
  return signAuthority(commonName, validity, await crypto.subtle.generateKey(EC_KEY, true, ['sign', 'verify']));
}

/** The order of P-256. */
const EC_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

/** An authority whose key is made of `seed`: 48 bytes, so that no key is likelier than another. */
export function makeAuthorityFrom(
  seed: Uint8Array,
  commonName: string,
  validity: Validity,
): Promise<KeyAndCertificate> {
  if (seed.byteLength !== 48) throw new Error(`a seed of ${seed.byteLength} bytes`);
  const number = (BigInt(`0x${Buffer.from(seed).toString('hex')}`) % (EC_ORDER - 1n)) + 1n;
  const secret = Buffer.from(number.toString(16).padStart(64, '0'), 'hex');
  const point = createECDH('prime256v1');
  point.setPrivateKey(secret);
  const [x, y] = [point.getPublicKey().subarray(1, 33), point.getPublicKey().subarray(33)];
  const parts = { x: x.toString('base64url'), y: y.toString('base64url') };
  return keysOf({ kty: 'EC', crv: 'P-256', ...parts, d: secret.toString('base64url') }).then((keys) =>
    signAuthority(commonName, validity, keys),
  );
}

/** The same authority for longer: what it signed and will sign is good under either certificate, as long as that holds. */
export async function renewAuthority({ certPem, keyPem }: KeyAndCertificate, validity: Validity) {
  const [commonName = ''] = new x509.X509Certificate(certPem).subjectName.getField('CN');
  const key = createPrivateKey(keyPem);
  const keys = await keysOf({ ...createPublicKey(key).export({ format: 'jwk' }), ...key.export({ format: 'jwk' }) });
  return signAuthority(commonName, validity, keys);
}

async function keysOf(jwk: webcrypto.JsonWebKey): Promise<webcrypto.CryptoKeyPair> {
  const { d: _secret, ...open } = jwk;
  const [privateKey, publicKey] = await Promise.all([
    crypto.subtle.importKey('jwk', jwk, EC_KEY, true, ['sign']),
    crypto.subtle.importKey('jwk', open, EC_KEY, true, ['verify']),
  ]);
  return { privateKey, publicKey };
}

async function signAuthority(
  commonName: string,
  validity: Validity,
  keys: webcrypto.CryptoKeyPair,
): Promise<KeyAndCertificate> {
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: nameOf({ commonName, organizations: [] }),
    keys,
    signingAlgorithm: EC_SIGNATURE,
    serialNumber: newSerialNumber(),
    notBefore: new Date(validity.from),
    notAfter: new Date(validity.until),
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.digitalSignature | x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign,
        true,
      ),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: commonName }]),
    ],
  });
  return { certPem: pemOf(certificate), keyPem: await privateKeyPem(keys.privateKey) };
}

/** A new key with a certificate that `authority` signed. */
export async function issueWithNewKey(
  authority: KeyAndCertificate,
  order: CertificateOrder,
): Promise<KeyAndCertificate> {
  const keys = await crypto.subtle.generateKey(EC_KEY, true, ['sign', 'verify']);
  return { certPem: await issueFor(authority, keys.publicKey, order), keyPem: await privateKeyPem(keys.privateKey) };
}

/** A certificate for a key whose private half stays where it is. */
export async function issueFor(
  authority: KeyAndCertificate,
  publicKey: webcrypto.CryptoKey | x509.PublicKey,
  order: CertificateOrder,
): Promise<string> {
  const issuer = new x509.X509Certificate(authority.certPem);
  const usage = order.usage === 'client' ? x509.ExtendedKeyUsage.clientAuth : x509.ExtendedKeyUsage.serverAuth;
  const certificate = await x509.X509CertificateGenerator.create({
    subject: nameOf(order.subject),
    issuer: issuer.subjectName,
    publicKey,
    signingKey: await signingKeyOf(authority.keyPem),
    signingAlgorithm: EC_SIGNATURE,
    serialNumber: newSerialNumber(),
    notBefore: new Date(order.validity.from),
    notAfter: new Date(order.validity.until),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([usage]),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
      ...(order.dnsNames.length === 0
        ? []
        : [new x509.SubjectAlternativeNameExtension(order.dnsNames.map((value) => ({ type: 'dns', value })))]),
    ],
  });
  return pemOf(certificate);
}

/** `sha256:` and the hash of the certificate's public key (DER SubjectPublicKeyInfo), as `kubeadm join` pins a cluster. */
export function publicKeyHash(certPem: string): string {
  const known = publicKeyHashes.get(certPem);
  if (known !== undefined) return known;
  const { publicKey } = new x509.X509Certificate(certPem);
  const hash = `sha256:${createHash('sha256').update(Buffer.from(publicKey.rawData)).digest('hex')}`;
  if (publicKeyHashes.size >= PUBLIC_KEY_HASHES_MAX) publicKeyHashes.clear();
  publicKeyHashes.set(certPem, hash);
  return hash;
}

/** All machines of a cluster ask for that of one authority, and reading it takes longer than the rest of their document. */
const publicKeyHashes = new Map<string, string>();
const PUBLIC_KEY_HASHES_MAX = 100;

/** Until when a certificate holds. */
export function notAfterOf(certPem: string): EpochMs {
  return new x509.X509Certificate(certPem).notAfter.getTime();
}

/** Given as parts, never as one text: a name with a comma must not become two. */
function nameOf(subject: Subject): x509.Name {
  return new x509.Name([
    ...subject.organizations.map((organization) => ({ O: [organization] })),
    { CN: [subject.commonName] },
  ]);
}

async function signingKeyOf(keyPem: string): Promise<webcrypto.CryptoKey> {
  const der = x509.PemConverter.decodeFirst(keyPem);
  return crypto.subtle.importKey('pkcs8', der, EC_KEY, false, ['sign']);
}

export async function privateKeyPem(key: webcrypto.CryptoKey): Promise<string> {
  return `${x509.PemConverter.encode(await crypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY')}\n`;
}

/** 127 random bits, positive, as RFC 5280 §4.1.2.2 asks. */
function newSerialNumber(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return Buffer.from(bytes).toString('hex');
}

const pemOf = (certificate: x509.X509Certificate): string => `${certificate.toString('pem')}\n`;
