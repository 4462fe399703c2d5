// OAuth 1.0a PLAINTEXT as MAAS takes it: an empty consumer secret, and a nonce that MAAS accepts once only.
import OAuth from 'oauth-1.0a';
import type { EpochMs } from '../../shared/ids.ts';
import type { ApiKey } from './api-key.ts';

/** 26 characters of 32: 130 bits of `random`, far below MAAS's 255 characters. */
const NONCE_LENGTH = 26;
const NONCE_ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';

/**
 * The Authorization header of one request. Call it again for every retry: MAAS answers a used nonce with 401, and a time
 * stamp older than 300 s too. `random` gives numbers in [0, 1).
 */
export function signRequest(
  key: ApiKey,
  request: { readonly method: string; readonly url: string },
  at: EpochMs,
  random: () => number,
): string {
  const oauth = new OAuth({
    consumer: { key: key.consumer, secret: '' },
    signature_method: 'PLAINTEXT',
    hash_function: (_base, signingKey) => signingKey,
  });
  const nonce = Array.from({ length: NONCE_LENGTH }, () => NONCE_ALPHABET[Math.floor(random() * 32)]).join('');
  oauth.getNonce = () => nonce;
  // PLAINTEXT signs nothing of the request, and what it does not sign need not be put together.
  oauth.getBaseString = () => '';
  oauth.getTimeStamp = () => Math.floor(at / 1000);
  return oauth.toHeader(oauth.authorize(request, { key: key.token, secret: key.secret })).Authorization;
}
