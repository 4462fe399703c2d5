// Everything that makes a cluster itself: its three authorities and the service-account key. Made once on-prem and kept at
// the edge as ciphertext (architecture §12.5); each control plane gets it with its bootstrap document, so that they may come
// up in any order and no certificate key of kubeadm's is needed (kubernetes.md §4).
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import { z } from 'zod';
import type { EpochMs } from '../../shared/ids.ts';
import type { Result } from '../../shared/result.ts';
import { err, ok } from '../../shared/result.ts';
import { KeyAndCertificate, makeAuthority, privateKeyPem } from './certificate-authority.ts';

export const ClusterIdentity = z.strictObject({
  v: z.literal(1),
  clusterName: z.string(),
  ca: KeyAndCertificate,
  frontProxyCa: KeyAndCertificate,
  etcdCa: KeyAndCertificate,
  serviceAccount: z.strictObject({ privateKeyPem: z.string(), publicKeyPem: z.string() }),
});
export type ClusterIdentity = z.infer<typeof ClusterIdentity>;

/** Ten years, as kubeadm's own; there is no rotation of authorities by itself (kubernetes.md §4). */
const AUTHORITY_MS = 10 * 365 * 24 * 3_600_000;
/** A node whose clock lags so much still accepts what was signed now. Kubernetes' own signer uses the same. */
export const CLOCK_LAG_MS = 5 * 60_000;

/** A new identity. The names are kubeadm's, so that its tools show what people expect. */
export async function makeClusterIdentity(clusterName: string, now: EpochMs): Promise<ClusterIdentity> {
  const validity = { from: Math.max(0, now - CLOCK_LAG_MS), until: now + AUTHORITY_MS };
  const [ca, frontProxyCa, etcdCa, serviceAccount] = await Promise.all([
    makeAuthority('kubernetes', validity),
    makeAuthority('front-proxy-ca', validity),
    makeAuthority('etcd-ca', validity),
    makeServiceAccountKey(),
  ]);
  return { v: 1, clusterName, ca, frontProxyCa, etcdCa, serviceAccount };
}

export function serialiseIdentity(identity: ClusterIdentity): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(identity));
}

/** What `serialiseIdentity` wrote. Anything else is an error, and its text is not repeated in it. */
export function parseIdentity(bytes: Uint8Array): Result<ClusterIdentity, 'not a cluster identity'> {
  try {
    const parsed = ClusterIdentity.safeParse(JSON.parse(new TextDecoder().decode(bytes)));
    return parsed.success ? ok(parsed.data) : err('not a cluster identity');
  } catch {
    return err('not a cluster identity');
  }
}

/** RSA-2048, since that is what signs tokens in every kubeadm cluster and so what verifiers of tokens are used to. */
async function makeServiceAccountKey(): Promise<ClusterIdentity['serviceAccount']> {
  const keys = await crypto.subtle.generateKey(
    { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', modulusLength: 2_048, publicExponent: new Uint8Array([1, 0, 1]) },
    true,
    ['sign', 'verify'],
  );
  const publicKey = await crypto.subtle.exportKey('spki', keys.publicKey);
  return {
    privateKeyPem: await privateKeyPem(keys.privateKey),
    publicKeyPem: `${x509.PemConverter.encode(publicKey, 'PUBLIC KEY')}\n`,
  };
}
