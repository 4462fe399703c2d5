// The key material of a gateway (what its secrets are sealed to, what proves machines, what they pin) belongs to the gateway,
// not to a relay. The node that pairs first makes it; every further one gets it from a node that has it, wrapped (HPKE, base
// mode, as in sealed-secret.ts) to the key-agreement key that node paired with. The edge carries the bundle and can't open
// it. Rules N1… in PROTOCOL.md.
import { z } from 'zod';
import { type GatewayId, RelayNodeId, type Scope } from './ids.ts';

const base64url = z.string().regex(/^[A-Za-z0-9_-]+$/);

/** Raw X25519 public key, base64url. */
export const AgreementKey = base64url.length(43);

/**
 * `paired`: known, never connected. `waiting-for-key`: it can't act yet. `active`: it holds the gateway's key, and leads or
 * stands by.
 */
export const NodeState = z.enum(['paired', 'waiting-for-key', 'active']);
export type NodeState = z.infer<typeof NodeState>;

export const WrappedGatewayKey = z.strictObject({
  v: z.literal(1),
  /** For whom. */
  nodeId: RelayNodeId,
  /** Of the gateway's key: rises when a gateway that lost its key gets another. */
  keyVersion: z.int().min(1),
  encapsulatedKey: base64url.max(128),
  ciphertext: base64url.max(65_536),
});
export type WrappedGatewayKey = z.infer<typeof WrappedGatewayKey>;

/** HPKE `info` and `aad`: a bundle moved to another tenant, gateway, node or version can't be opened. */
export function wrapContext(
  scope: Scope,
  gatewayId: GatewayId,
  bundle: Pick<WrappedGatewayKey, 'nodeId' | 'keyVersion'>,
): { info: Uint8Array; aad: Uint8Array } {
  const encode = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));
  return {
    info: encode(`slipway/wrap/1|${scope.jurisdiction}|${scope.tenantId}|${scope.projectId}|${gatewayId}`),
    aad: encode(`${bundle.nodeId}|${bundle.keyVersion}`),
  };
}
