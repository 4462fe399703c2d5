// The enrolment endpoint's own authority and certificate, made once and kept in the state folder. Machines pin the authority
// (it stands in their user-data) and check a fixed name, so the certificate can be renewed and the relay can move.
import { z } from 'zod';
import type { EpochMs } from '../../shared/ids.ts';
import type { Result } from '../../shared/result.ts';
import { ok } from '../../shared/result.ts';
import { issueWithNewKey, KeyAndCertificate, makeAuthority, notAfterOf } from '../bootstrap/certificate-authority.ts';
import { ENROLMENT_SERVER_NAME } from '../bootstrap/render-user-data.ts';
import type { Disk, DiskFailure } from '../ports.ts';
import { parseOwnFile } from './own-file.ts';

const EndpointTls = z.strictObject({ v: z.literal(1), authority: KeyAndCertificate, endpoint: KeyAndCertificate });

export type EndpointCertificate = {
  /** For user-data. */
  readonly authorityPem: string;
  readonly endpoint: KeyAndCertificate;
};

const TLS_FILE = 'enrolment-tls.json';
const DAY_MS = 24 * 3_600_000;
const AUTHORITY_MS = 10 * 365 * DAY_MS;
/** An authority with less than this left signs nothing new: a machine being deployed pins it for hours, not months. */
const AUTHORITY_REST_MS = 365 * DAY_MS;
const ENDPOINT_MS = 397 * DAY_MS;
const ENDPOINT_REST_MS = 90 * DAY_MS;
/** Both hold from 1970: a machine whose clock was never set enrols too. The pin is what protects, not the date. */
const FROM: EpochMs = 0;

/** Reads, makes or renews, as needed. Call it at start and once a day; serve what it answers. */
export async function ensureEndpointCertificate(
  disk: Disk,
  now: EpochMs,
): Promise<Result<EndpointCertificate, DiskFailure>> {
  const read = await disk.read(TLS_FILE);
  if (!read.ok) return read;
  const kept = read.value === null ? null : parseOwnFile(EndpointTls, read.value);
  const authority =
    kept !== null && notAfterOf(kept.authority.certPem) - now > AUTHORITY_REST_MS
      ? kept.authority
      : await makeAuthority('slipway-enrolment-ca', { from: FROM, until: now + AUTHORITY_MS });
  const isFresh =
    kept !== null && kept.authority === authority && notAfterOf(kept.endpoint.certPem) - now > ENDPOINT_REST_MS;
  if (isFresh) return ok({ authorityPem: authority.certPem, endpoint: kept.endpoint });
  const endpoint = await issueWithNewKey(authority, {
    subject: { commonName: ENROLMENT_SERVER_NAME, organizations: [] },
    usage: 'server',
    dnsNames: [ENROLMENT_SERVER_NAME],
    validity: { from: FROM, until: now + ENDPOINT_MS },
  });
  const written = await disk.replace(TLS_FILE, Buffer.from(JSON.stringify({ v: 1, authority, endpoint })));
  return written.ok ? ok({ authorityPem: authority.certPem, endpoint }) : written;
}
