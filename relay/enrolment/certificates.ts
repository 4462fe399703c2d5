// The certificates of a relay that serves, one for each authority that a machine may pin (E3). Each is looked at in every
// handshake, by the wall clock, and made anew in time: a relay that slept or whose clock was set serves a good one at once, and
// no connection is cut for it.
import type { KeyAndCertificate } from '../bootstrap/certificate-authority.ts';
import type { GatewayKey } from '../gateway-key.ts';
import type { Log } from '../log.ts';
import type { Clock, Disk } from '../ports.ts';
import { authorityNumberOf, authorityOf, serverNameOf } from './authority-number.ts';
import {
  type EndpointCertificate,
  ensureEndpointCertificate,
  makeEndpointCertificate,
} from './endpoint-certificate.ts';

export type Certificates = {
  /** The one under this authority, made or renewed if need be. */
  readonly under: (number: number) => Promise<EndpointCertificate>;
  /** For a handshake; null for a name that is none of ours. */
  readonly named: (serverName: string) => Promise<KeyAndCertificate | null>;
};

export type CertificateParts = {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly log: Log;
  readonly key: Pick<GatewayKey, 'authority' | 'enrolmentKey'>;
  /** The authority that new machines pin here. Its certificate is kept, since user-data must come out the same each time. */
  readonly number: number;
};

export function createCertificates({ disk, clock, log, key, number: own }: CertificateParts): Certificates {
  const held = new Map<number, EndpointCertificate>();
  const making = new Map<number, Promise<EndpointCertificate>>();

  async function make(number: number): Promise<EndpointCertificate> {
    const now = clock.now();
    const order = { given: await authorityOf(key, number, now), number, serverName: serverNameOf(number) };
    if (number !== own && number !== 0) return makeEndpointCertificate(now, order);
    const kept = await ensureEndpointCertificate(disk, now, order);
    if (kept.ok) return kept.value;
    log.error('certificate-not-kept', { detail: kept.error.detail, todo: 'check the disk of the state folder' });
    return makeEndpointCertificate(now, order);
  }

  async function under(number: number): Promise<EndpointCertificate> {
    const now = held.get(number);
    if (now !== undefined && now.renewAt > clock.now()) return now;
    const begun = making.get(number) ?? make(number).finally(() => making.delete(number));
    making.set(number, begun);
    const made = await begun;
    held.set(number, made);
    return made;
  }

  return {
    under,
    named: async (serverName) => {
      const number = authorityNumberOf(serverName);
      return number === null ? null : (await under(number)).endpoint;
    },
  };
}
