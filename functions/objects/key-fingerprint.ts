// A relay node's identity key, as people compare it.
import { fromBase64url } from '../sign-command.ts';

/** SHA-256 of the raw key, base64url-free hex, as `slipway-relay doctor` prints it. */
export async function keyFingerprint(key: string): Promise<string> {
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', fromBase64url(key)));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
