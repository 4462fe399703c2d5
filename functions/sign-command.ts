// The edge's command key (Ed25519). It signs every deliver frame (T6); pairing codes pin it, so whoever later controls the
// server's name still can't command a relay.
import { z } from 'zod';

export type CommandSigner = {
  /** Raw public key, base64url. */
  readonly publicKey: string;
  /** The first 10 bytes of SHA-256 of the raw public key, as a pairing code carries them. */
  readonly fingerprint: Uint8Array;
  /** Over the UTF-8 bytes of `text`; base64url. */
  sign(text: string): Promise<string>;
};

const PrivateJwk = z.object({ kty: z.literal('OKP'), crv: z.literal('Ed25519'), x: z.string(), d: z.string() });

let loaded: { readonly text: string; readonly signer: Promise<CommandSigner> } | null = null;

/**
 * The signer of `COMMAND_KEY`, read once an isolate.
 * Rejects with what to do when the key is missing or is none: without it no gateway can be made or commanded.
 */
export function commandSigner(env: { readonly COMMAND_KEY?: string }): Promise<CommandSigner> {
  const text = env.COMMAND_KEY ?? '';
  if (loaded?.text !== text) loaded = { text, signer: load(text) };
  return loaded.signer;
}

async function load(text: string): Promise<CommandSigner> {
  const jwk = await readKey(text);
  const key = await crypto.subtle.importKey('jwk', jwk, 'Ed25519', false, ['sign']);
  const raw = fromBase64url(jwk.x);
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', raw));
  return {
    publicKey: jwk.x,
    fingerprint: hash.slice(0, 10),
    sign: async (message) =>
      toBase64url(new Uint8Array(await crypto.subtle.sign('Ed25519', key, new TextEncoder().encode(message)))),
  };
}

async function readKey(text: string): Promise<z.infer<typeof PrivateJwk>> {
  if (text === '')
    throw new Error(
      'COMMAND_KEY is not set: make one with `openssl genpkey -algorithm ed25519 -outform DER | base64 -w0`',
    );
  try {
    if (text.startsWith('{')) return PrivateJwk.parse(JSON.parse(text));
    const der = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
    const key = await crypto.subtle.importKey('pkcs8', der, 'Ed25519', true, ['sign']);
    return PrivateJwk.parse(await crypto.subtle.exportKey('jwk', key));
  } catch {
    // The cause may quote the key, so it is not passed on.
    throw new Error('COMMAND_KEY is neither PKCS#8 in base64 nor a JWK of an Ed25519 private key');
  }
}

/** Ed25519. @param key raw public key, base64url. False for anything that is not a key, not a signature, or does not fit. */
export async function verifyText(key: string, text: string, signature: string): Promise<boolean> {
  try {
    const imported = await crypto.subtle.importKey('raw', fromBase64url(key), 'Ed25519', false, ['verify']);
    return await crypto.subtle.verify('Ed25519', imported, fromBase64url(signature), new TextEncoder().encode(text));
  } catch {
    // WebCrypto throws for what can't be a key at all; to us that is a signature that does not fit.
    return false;
  }
}

export function toBase64url(bytes: Uint8Array): string {
  let binary = '';
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
}

/** Throws when `text` is not base64url. */
export function fromBase64url(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}
