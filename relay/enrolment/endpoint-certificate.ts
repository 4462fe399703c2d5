// The enrolment endpoint's authority and certificate. Machines pin the authority (it stands in their user-data) and check a
// fixed name, so the certificate can be renewed and the relay can move. The authority is part of the gateway's key: every
// relay of a gateway serves under the same one, each with a certificate of its own.
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

/** A new authority, as a gateway gets one with its key. */
export const makeEnrolmentAuthority = (now: EpochMs): Promise<KeyAndCertificate> =>
  makeAuthority('slipway-enrolment-ca', { from: FROM, until: now + AUTHORITY_MS });

/** The authority of a folder of before, when each relay had its own; null when there is none. */
export async function formerAuthority(disk: Disk): Promise<Result<KeyAndCertificate | null, DiskFailure>> {
  const read = await disk.read(TLS_FILE);
  if (!read.ok) return read;
  return ok(read.value === null ? null : (parseOwnFile(EndpointTls, read.value)?.authority ?? null));
}

/**
 * Reads, makes or renews, as needed. Call it at start and once a day; serve what it answers.
 * @param given the gateway's authority; without it the folder keeps one of its own
 */
export async function ensureEndpointCertificate(
  disk: Disk,
  now: EpochMs,
  given: KeyAndCertificate | null = null,
): Promise<Result<EndpointCertificate, DiskFailure>> {
  const read = await disk.read(TLS_FILE);
  if (!read.ok) return read;
  const kept = read.value === null ? null : parseOwnFile(EndpointTls, read.value);
  const own = kept !== null && notAfterOf(kept.authority.certPem) - now > AUTHORITY_REST_MS ? kept.authority : null;
  const authority = given ?? own ?? (await makeEnrolmentAuthority(now));
  const isFresh =
    kept !== null &&
    kept.authority.certPem === authority.certPem &&
    notAfterOf(kept.endpoint.certPem) - now > ENDPOINT_REST_MS;
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
