// What the relay itself shows to a cluster's API server and to its etcd: a certificate of minutes, made when it is needed
// and never written down. It holds the authority anyway, so a longer one would only be one more thing to lose.
import type { EpochMs } from '../../shared/ids.ts';
import { issueWithNewKey } from './certificate-authority.ts';
import { CLOCK_LAG_MS, type ClusterIdentity } from './cluster-identity.ts';

export type ClientCredential = {
  readonly caPem: string;
  readonly certPem: string;
  readonly keyPem: string;
  readonly notAfter: EpochMs;
};

const CREDENTIAL_MS = 10 * 60_000;

/** For the API server. `system:masters` because it must work before RBAC is bootstrapped and survive a broken RBAC. */
export function makeApiCredential(identity: ClusterIdentity, now: EpochMs): Promise<ClientCredential> {
  return makeCredential(identity.ca, { commonName: 'slipway-relay', organizations: ['system:masters'] }, now);
}

/** For etcd, which trusts every client certificate of its own authority. */
export function makeEtcdCredential(identity: ClusterIdentity, now: EpochMs): Promise<ClientCredential> {
  return makeCredential(identity.etcdCa, { commonName: 'slipway-relay', organizations: [] }, now);
}

async function makeCredential(
  authority: ClusterIdentity['ca'],
  subject: { commonName: string; organizations: string[] },
  now: EpochMs,
): Promise<ClientCredential> {
  const notAfter = now + CREDENTIAL_MS;
  const made = await issueWithNewKey(authority, {
    subject,
    usage: 'client',
    dnsNames: [],
    validity: { from: now - CLOCK_LAG_MS, until: notAfter },
  });
  return { caPem: authority.certPem, ...made, notAfter };
}
