// A secret sealed to a gateway's public key (HPKE, RFC 9180, base mode: X25519, HKDF-SHA256, AES-256-GCM). The edge can
// make one and never open it. This file holds the form and the context both sides must agree on; sealing lives in
// functions/seal-secret.ts and opening in relay/vault.ts.
import { z } from 'zod';
import type { GatewayId, Scope } from './ids.ts';

const base64url = z.string().regex(/^[A-Za-z0-9_-]+$/);

export const SealedSecret = z.strictObject({
  v: z.literal(1),
  /** What it is and whose; checked by the opener through the authenticated data. */
  purpose: z.enum(['maas-key', 'cluster-identity', 'enrolment-key', 'profile-secret']),
  /** The record it belongs to (account or cluster id). */
  recordId: z.string().max(64),
  /** Rises with each rotation. */
  version: z.int().min(1),
  encapsulatedKey: base64url.max(128),
  ciphertext: base64url.max(262_144),
});
export type SealedSecret = z.infer<typeof SealedSecret>;

/** The HPKE `info` and `aad` of a sealed secret: a blob moved to another tenant, gateway, record or purpose can't be opened. */
export function sealContext(
  scope: Scope,
  gatewayId: GatewayId,
  secret: Pick<SealedSecret, 'purpose' | 'recordId' | 'version'>,
): { info: Uint8Array; aad: Uint8Array } {
  const encode = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));
  return {
    info: encode(`slipway/seal/1|${scope.jurisdiction}|${scope.tenantId}|${scope.projectId}|${gatewayId}`),
    aad: encode(`${secret.purpose}|${secret.recordId}|${secret.version}`),
  };
}
