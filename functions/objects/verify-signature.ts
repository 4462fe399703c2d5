// Ed25519 by a relay node's identity key, as the hello and the pairing carry it.
import { fromBase64url } from '../sign-command.ts';

/** @param key raw public key, base64url. False for anything that is not a key, not a signature, or does not fit. */
export async function verifySignature(key: string, text: string, signature: string): Promise<boolean> {
  try {
    const imported = await crypto.subtle.importKey('raw', fromBase64url(key), 'Ed25519', false, ['verify']);
    return await crypto.subtle.verify('Ed25519', imported, fromBase64url(signature), new TextEncoder().encode(text));
  } catch {
    // WebCrypto throws for what can't be a key at all; to us that is a signature that does not fit.
    return false;
  }
}

/** SHA-256 of the raw key, base64url-free hex, as `slipway-relay doctor` prints it. */
export async function keyFingerprint(key: string): Promise<string> {
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', fromBase64url(key)));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
