import { expect, test } from 'vitest';
import { commandSigner, fromBase64url, toBase64url } from '../../functions/sign-command.ts';
import { edgeEnv } from './fake-relay.ts';

async function verifies(publicKey: string, text: string, signature: string): Promise<boolean> {
  const key = await crypto.subtle.importKey('raw', fromBase64url(publicKey), 'Ed25519', false, ['verify']);
  return crypto.subtle.verify('Ed25519', key, fromBase64url(signature), new TextEncoder().encode(text));
}

test('PKCS#8 and JWK of one key are one signer, and its fingerprint is that of its public key', async () => {
  const fromPkcs8 = await commandSigner(edgeEnv);
  const der = Uint8Array.from(atob(edgeEnv.COMMAND_KEY ?? ''), (character) => character.charCodeAt(0));
  const key = await crypto.subtle.importKey('pkcs8', der, 'Ed25519', true, ['sign']);
  const fromJwk = await commandSigner({ COMMAND_KEY: JSON.stringify(await crypto.subtle.exportKey('jwk', key)) });
  expect(fromJwk.publicKey).toBe(fromPkcs8.publicKey);
  expect(await verifies(fromPkcs8.publicKey, 'a payload', await fromJwk.sign('a payload'))).toBe(true);
  expect(await verifies(fromPkcs8.publicKey, 'another', await fromJwk.sign('a payload'))).toBe(false);
  const hash = await crypto.subtle.digest('SHA-256', fromBase64url(fromPkcs8.publicKey));
  expect(fromPkcs8.fingerprint).toEqual(new Uint8Array(hash).slice(0, 10));
});

test('a missing key says how to make one, and a broken one is not quoted', async () => {
  await expect(commandSigner({})).rejects.toThrow(/COMMAND_KEY is not set.*openssl/);
  for (const broken of ['c2VjcmV0LXRleHQ=', '{"kty":"OKP"}', 'not base64 ~']) {
    const refused = await commandSigner({ COMMAND_KEY: broken }).catch((error: unknown) => String(error));
    expect(refused).toContain('neither PKCS#8');
    expect(refused).not.toContain(broken);
  }
});

test('base64url takes every byte there and back', () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, index) => index);
  for (const length of [0, 1, 2, 3, 256])
    expect(fromBase64url(toBase64url(bytes.slice(0, length)))).toEqual(bytes.slice(0, length));
});
