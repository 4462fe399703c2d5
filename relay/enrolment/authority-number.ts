// Which enrolment authority a machine pins (E3). Number 0 came with the gateway's key; a later one is made of that key and its
// number, so every relay that holds the key can serve under any of them, and nothing has to be carried between relays. The name
// in a machine's user-data says which one it pins.
import { hkdfSync } from 'node:crypto';
import type { EpochMs } from '../../shared/ids.ts';
import { type KeyAndCertificate, makeAuthorityFrom } from '../bootstrap/certificate-authority.ts';
import type { GatewayKey } from '../gateway-key.ts';
import { validityOfAuthority } from './endpoint-certificate.ts';

/** Not in any DNS. */
const SERVER_NAME = 'enrolment.slipway.internal';
const SEED_BYTES = 48;

/** The name in the endpoint's certificate under this authority, whatever address it is reached at. */
export const serverNameOf = (number: number): string => (number === 0 ? SERVER_NAME : `a${number}.${SERVER_NAME}`);

/** Null for a name that is none of ours: a stranger's handshake may make a relay make 99 authorities, each once. */
export function authorityNumberOf(serverName: string): number | null {
  if (serverName === SERVER_NAME) return 0;
  const [, digits] = /^a([1-9]\d?)\.(.*)$/.exec(serverName) ?? [];
  return digits !== undefined && serverName === serverNameOf(Number(digits)) ? Number(digits) : null;
}

/** Always the same key for the same number. */
export async function authorityOf(
  { authority, enrolmentKey }: Pick<GatewayKey, 'authority' | 'enrolmentKey'>,
  number: number,
  now: EpochMs,
): Promise<KeyAndCertificate> {
  if (number === 0) return authority;
  const seed = hkdfSync('sha256', enrolmentKey, '', `slipway/enrolment-authority/1|${number}`, SEED_BYTES);
  return makeAuthorityFrom(new Uint8Array(seed), `slipway-enrolment-ca-${number}`, validityOfAuthority(now));
}
