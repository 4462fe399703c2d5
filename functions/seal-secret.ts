// Seals a secret to a gateway: only its relay can open it again, the edge can't (HPKE base mode, RFC 9180). The form and the
// context both sides agree on are in shared/sealed-secret.ts.
import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256, HpkeError } from '@hpke/core';
import type { GatewayId, Scope } from '../shared/ids.ts';
import { SealedSecret, sealContext } from '../shared/sealed-secret.ts';
import { fromBase64url, toBase64url } from './sign-command.ts';

const suite = new CipherSuite({ kem: new DhkemX25519HkdfSha256(), kdf: new HkdfSha256(), aead: new Aes256Gcm() });

/** Whether something can be sealed to this key: 32 bytes in their one spelling, and no point that shares nothing. */
export async function isRecipient(publicKey: string): Promise<boolean> {
  const bytes = fromBase64url(publicKey);
  if (toBase64url(bytes) !== publicKey) return false;
  try {
    await suite.kem.encap({ recipientPublicKey: await suite.kem.deserializePublicKey(bytes) });
    return true;
  } catch (error) {
    if (error instanceof HpkeError) return false;
    throw error;
  }
}

export type SecretName = Pick<SealedSecret, 'purpose' | 'recordId' | 'version'>;

/**
 * @param sealingKey the gateway's raw X25519 public key, base64url. Throws when it is none.
 * A repeat gives another ciphertext of the same secret.
 */
export async function sealSecret(
  to: { readonly scope: Scope; readonly gatewayId: GatewayId; readonly sealingKey: string },
  name: SecretName,
  plain: Uint8Array,
): Promise<SealedSecret> {
  const { info, aad } = sealContext(to.scope, to.gatewayId, name);
  const recipientPublicKey = await suite.kem.deserializePublicKey(fromBase64url(to.sealingKey));
  const sealed = await suite.seal({ recipientPublicKey, info }, plain, aad);
  return SealedSecret.parse({
    v: 1,
    ...name,
    encapsulatedKey: toBase64url(new Uint8Array(sealed.enc)),
    ciphertext: toBase64url(new Uint8Array(sealed.ct)),
  });
}
