// The enrolment endpoint's authority and certificate. Machines pin the authority (it stands in their user-data) and check a
// fixed name (E1), so the certificate can be renewed and the relay can move. The authority is part of the gateway's key: every
// relay of a gateway serves under the same one, each with a certificate of its own. An authority near its end is renewed with
// the key it has, so who pinned it before sees no difference.
import { z } from 'zod';
import type { EpochMs } from '../../shared/ids.ts';
import type { Result } from '../../shared/result.ts';
import { ok } from '../../shared/result.ts';
import {
  issueWithNewKey,
  KeyAndCertificate,
  makeAuthority,
  notAfterOf,
  renewAuthority,
  type Validity,
} from '../bootstrap/certificate-authority.ts';
import type { Disk, DiskFailure } from '../ports.ts';
import { parseOwnFile } from './own-file.ts';

const EndpointTls = z.strictObject({ v: z.literal(1), authority: KeyAndCertificate, endpoint: KeyAndCertificate });
type EndpointTls = z.infer<typeof EndpointTls>;

export type EndpointCertificate = {
  /** For user-data. */
  readonly authorityPem: string;
  readonly endpoint: KeyAndCertificate;
  readonly authorityEndsAt: EpochMs;
  readonly endpointEndsAt: EpochMs;
  /** From then on it is to be made anew; long before it ends. */
  readonly renewAt: EpochMs;
};

const DAY_MS = 24 * 3_600_000;
const AUTHORITY_MS = 10 * 365 * DAY_MS;
/** An authority with less than this left is renewed: a machine being deployed pins it for hours, not months. */
const AUTHORITY_REST_MS = 365 * DAY_MS;
const ENDPOINT_MS = 397 * DAY_MS;
const ENDPOINT_REST_MS = 90 * DAY_MS;
/** Both hold from 1970: a machine whose clock was never set enrols too. The pin is what protects, not the date. */
const FROM: EpochMs = 0;

export const validityOfAuthority = (now: EpochMs): Validity => ({ from: FROM, until: now + AUTHORITY_MS });

/** A new authority, as a gateway gets one with its key. */
export const makeEnrolmentAuthority = (now: EpochMs): Promise<KeyAndCertificate> =>
  makeAuthority('slipway-enrolment-ca', validityOfAuthority(now));

const fileOf = (number: number): string => (number === 0 ? 'enrolment-tls.json' : `enrolment-tls-${number}.json`);

/** The authority of a folder of before, when each relay had its own; null when there is none. */
export async function formerAuthority(disk: Disk): Promise<Result<KeyAndCertificate | null, DiskFailure>> {
  const read = await readTls(disk, 0);
  return read.ok ? ok(read.value?.authority ?? null) : read;
}

/** As it stands on disk; null when it has not been made. */
export async function keptCertificate(
  disk: Disk,
  number: number,
): Promise<Result<EndpointCertificate | null, DiskFailure>> {
  const read = await readTls(disk, number);
  return read.ok ? ok(read.value === null ? null : certificateOf(read.value)) : read;
}

/** What one is made for: `given` is the gateway's authority of this number, and `serverName` what machines that pin it check. */
export type CertificateOrder = {
  readonly given: KeyAndCertificate;
  readonly number: number;
  readonly serverName: string;
};

/** Reads, makes or renews, as needed. Serve what it answers. May be repeated. */
export async function ensureEndpointCertificate(
  disk: Disk,
  now: EpochMs,
  order: CertificateOrder,
): Promise<Result<EndpointCertificate, DiskFailure>> {
  const read = await readTls(disk, order.number);
  if (!read.ok) return read;
  const kept = read.value !== null && read.value.authority.keyPem === order.given.keyPem ? read.value : null;
  if (kept !== null && certificateOf(kept).renewAt > now) return ok(certificateOf(kept));
  const made = await makeTls(now, { ...order, given: kept?.authority ?? order.given });
  const written = await disk.replace(fileOf(order.number), Buffer.from(JSON.stringify(made)));
  return written.ok ? ok(certificateOf(made)) : written;
}

/** One that is not kept: it serves as well, until the process ends. */
export async function makeEndpointCertificate(now: EpochMs, order: CertificateOrder): Promise<EndpointCertificate> {
  return certificateOf(await makeTls(now, order));
}

async function readTls(disk: Disk, number: number): Promise<Result<EndpointTls | null, DiskFailure>> {
  const read = await disk.read(fileOf(number));
  return read.ok ? ok(read.value === null ? null : parseOwnFile(EndpointTls, read.value)) : read;
}

async function makeTls(now: EpochMs, { given, serverName }: CertificateOrder): Promise<EndpointTls> {
  const isNearItsEnd = notAfterOf(given.certPem) - now <= AUTHORITY_REST_MS;
  const authority = isNearItsEnd ? await renewAuthority(given, validityOfAuthority(now)) : given;
  const endpoint = await issueWithNewKey(authority, {
    subject: { commonName: serverName, organizations: [] },
    usage: 'server',
    dnsNames: [serverName],
    validity: { from: FROM, until: now + ENDPOINT_MS },
  });
  return { v: 1, authority, endpoint };
}

function certificateOf({ authority, endpoint }: EndpointTls): EndpointCertificate {
  const [authorityEndsAt, endpointEndsAt] = [notAfterOf(authority.certPem), notAfterOf(endpoint.certPem)];
  const renewAt = Math.min(authorityEndsAt - AUTHORITY_REST_MS, endpointEndsAt - ENDPOINT_REST_MS);
  return { authorityPem: authority.certPem, endpoint, authorityEndsAt, endpointEndsAt, renewAt };
}
