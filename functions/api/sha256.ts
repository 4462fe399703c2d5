// SHA-256 as base64url: how secrets and requests are looked up without being kept.
import { toBase64url } from '../sign-command.ts';

export async function sha256(text: string): Promise<string> {
  return toBase64url(new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))));
}

/** Whether two texts are the same, in a time that does not tell how much of them is. */
export async function sameSecret(given: string, held: string): Promise<boolean> {
  const digest = (text: string) => crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
  return crypto.subtle.timingSafeEqual(await digest(given), await digest(held));
}
