// A recovery key is the tenant's own, kept offline: a second recipient of the gateway's key, so that the loss of every node
// does not lose what is sealed to the gateway (architecture §12.4). A node that holds the key seals a copy to it (HPKE, base
// mode, as in gateway-key.ts); the edge keeps that copy and can't open it. Rules N9… in PROTOCOL.md.
import { z } from 'zod';
import { AgreementKey } from './gateway-key.ts';
import { GatewayId, Scope } from './ids.ts';

const base64url = z.string().regex(/^[A-Za-z0-9_-]+$/);

/** What a node answers: the gateway's key, sealed. */
export const RecoveryCopy = z.strictObject({
  v: z.literal(1),
  /** To whom. */
  recoveryKey: AgreementKey,
  /** Of the gateway's key. */
  keyVersion: z.int().min(1),
  encapsulatedKey: base64url.max(128),
  ciphertext: base64url.max(65_536),
});
export type RecoveryCopy = z.infer<typeof RecoveryCopy>;

/** As an admin keeps it: a copy, and whose it is. */
export const RecoveryBundle = z.strictObject({ ...RecoveryCopy.shape, scope: Scope, gatewayId: GatewayId });
export type RecoveryBundle = z.infer<typeof RecoveryBundle>;

/** Of a copy that the edge has. */
export const RecoveryView = z.strictObject({
  /** SHA-256 of the raw recovery key, hex, as `doctor` prints it. */
  fingerprint: z.string(),
  /** Of the gateway's key that is in the copy. */
  keyVersion: z.int(),
});
export type RecoveryView = z.infer<typeof RecoveryView>;

/** HPKE `info` and `aad`: neither a node's bundle nor another gateway's, key's or version's opens in its place. */
export function recoveryContext({
  scope,
  gatewayId,
  recoveryKey,
  keyVersion,
}: Omit<RecoveryBundle, 'v' | 'encapsulatedKey' | 'ciphertext'>): { info: Uint8Array; aad: Uint8Array } {
  const encode = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));
  return {
    info: encode(`slipway/recovery/1|${scope.jurisdiction}|${scope.tenantId}|${scope.projectId}|${gatewayId}`),
    aad: encode(`${recoveryKey}|${keyVersion}`),
  };
}
