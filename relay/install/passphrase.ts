// Secrets sealed to a passphrase, as pcg.yaml keeps them: PBKDF2 (SHA-256) makes the key, AES-256-GCM seals, and the field's
// name is bound in, so that a sealed text can't be moved to another field.
import { err, ok, type Result } from '../../shared/result.ts';
import { type Refusal, refusal } from './install-problem.ts';

export const PASSPHRASE_LENGTH_MIN = 12;
/** OWASP Password Storage Cheat Sheet (2023) for PBKDF2-HMAC-SHA256; a third of a second on a small host. */
const ITERATIONS = 600_000;
const SALT_BYTES = 16;
const IV_BYTES = 12;

/** `sealed:v1:<salt>:<iv>:<ciphertext>`, base64url. */
const SEALED = /^sealed:v1:([A-Za-z0-9_-]+):([A-Za-z0-9_-]+):([A-Za-z0-9_-]+)$/;

export const isSealed = (text: string): boolean => SEALED.test(text);

/** @param field the path in pcg.yaml, such as `maas.apiKey`  @param random bytes good enough for keys */
export async function sealByPassphrase(
  plain: string,
  passphrase: string,
  field: string,
  random: (count: number) => Uint8Array,
): Promise<string> {
  const salt = new Uint8Array(random(SALT_BYTES));
  const iv = new Uint8Array(random(IV_BYTES));
  const key = await keyOf(passphrase, salt);
  const sealed = await crypto.subtle.encrypt(boundTo(iv, field), key, Buffer.from(plain));
  return ['sealed', 'v1', ...[salt, iv, new Uint8Array(sealed)].map(encode)].join(':');
}

/** PASSPHRASE_WRONG also when the text was altered or moved: the two can't be told apart. */
export async function openByPassphrase(
  sealed: string,
  passphrase: string,
  field: string,
): Promise<Result<string, Refusal>> {
  const [, salt = '', iv = '', text = ''] = SEALED.exec(sealed) ?? [];
  const key = await keyOf(passphrase, decode(salt));
  try {
    return ok(Buffer.from(await crypto.subtle.decrypt(boundTo(decode(iv), field), key, decode(text))).toString('utf8'));
  } catch (error) {
    // WebCrypto says no more than this: wrong key, or altered.
    if (error instanceof DOMException && error.name === 'OperationError')
      return err(refusal('PASSPHRASE_WRONG', 'the passphrase does not open it, or it was altered'));
    throw error;
  }
}

async function keyOf(passphrase: string, salt: Uint8Array<ArrayBuffer>) {
  const typed = await crypto.subtle.importKey('raw', Buffer.from(passphrase.normalize('NFC')), 'PBKDF2', false, [
    'deriveKey',
  ]);
  const how = { name: 'PBKDF2', hash: 'SHA-256', salt, iterations: ITERATIONS };
  return crypto.subtle.deriveKey(how, typed, { name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']);
}

const boundTo = (iv: Uint8Array<ArrayBuffer>, field: string) => ({
  name: 'AES-GCM',
  iv,
  additionalData: Buffer.from(`slipway/pcg/1/${field}`),
});
const encode = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url');
const decode = (text: string): Uint8Array<ArrayBuffer> => Uint8Array.from(Buffer.from(text, 'base64url'));
