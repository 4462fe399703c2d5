// ensure-certificate: a user's kubeconfig is a client certificate of at most 8 hours, for a key that never leaves the asker
// (architecture ruling 13.7). There is no revocation in Kubernetes, hence the bound.
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import { KUBECONFIG_MS_MAX } from '../../shared/limits.ts';
import type { Result } from '../../shared/result.ts';
import { err, ok } from '../../shared/result.ts';
import { issueFor } from '../bootstrap/certificate-authority.ts';
import { CLOCK_LAG_MS } from '../bootstrap/cluster-identity.ts';
import type { Handler } from './handler.ts';
import { openIdentity } from './identity.ts';

const RSA_BITS_MIN = 2_048;
const CURVES = ['P-256', 'P-384', 'P-521'];

/**
 * Signs the request's public key under the given names; what the request itself asks for is not looked at. Refuses
 * (SITE_FORBIDS) a request that its key did not sign, a weak key, and names of Kubernetes' own (`system:…`):
 * `system:masters` passes by every rule and could not be taken back.
 */
export const ensureCertificate: Handler<'ensure-certificate'> = async (body, context) => {
  const reserved = [body.user, ...body.groups].find((name) => name.startsWith('system:') || name.trim() === '');
  if (reserved !== undefined) return refusal(`"${reserved}" is no name to give to a user`);
  const key = await provenKey(body.requestPem);
  if (!key.ok) return refusal(key.error);
  const identity = await openIdentity(context, body.identity);
  if (!identity.ok) return identity;
  const { ca } = identity.value;
  const now = context.ports.clock.now();
  // X.509 counts whole seconds.
  const notAfter = Math.floor((now + Math.min(body.ttlSeconds * 1_000, KUBECONFIG_MS_MAX)) / 1_000) * 1_000;
  const certificatePem = await issueFor(ca, key.value, {
    subject: { commonName: body.user, organizations: body.groups },
    usage: 'client',
    dnsNames: [],
    validity: { from: now - CLOCK_LAG_MS, until: notAfter },
  });
  return ok({ verb: 'ensure-certificate', certificatePem, caCertPem: ca.certPem, notAfter });
};

const refusal = (detail: string) => err({ code: 'SITE_FORBIDS' as const, detail });

async function provenKey(requestPem: string): Promise<Result<x509.PublicKey, string>> {
  try {
    const request = new x509.Pkcs10CertificateRequest(requestPem);
    if (!(await request.verify())) return err('the request is not signed by the key it names');
    const key = await request.publicKey.export();
    const weakness = weaknessOf(key.algorithm);
    return weakness === null ? ok(request.publicKey) : err(weakness);
  } catch (error) {
    return err(`not a certificate request: ${error instanceof Error ? error.message : String(error)}`.slice(0, 500));
  }
}

function weaknessOf(algorithm: { name: string }): string | null {
  if ('modulusLength' in algorithm && typeof algorithm.modulusLength === 'number') {
    return algorithm.modulusLength >= RSA_BITS_MIN ? null : `an RSA key of ${algorithm.modulusLength} bits is too weak`;
  }
  if ('namedCurve' in algorithm && typeof algorithm.namedCurve === 'string') {
    return CURVES.includes(algorithm.namedCurve) ? null : `curve ${algorithm.namedCurve} is not taken`;
  }
  return algorithm.name === 'Ed25519' ? null : `keys of ${algorithm.name} are not taken`;
}
