// The claim: what proves that a machine is ours (architecture ruling 13.2). It is MAAS's `agent_name` at allocate and
// deploy, and the annotation `slipway.claim` from directly after allocate until the machine is Ready again.
import { z } from 'zod';
import { ClusterId, GatewayId, SlotId } from './ids.ts';

/** Annotation keys; MAAS allows letters, digits, `_`, `.` and `-` only. */
export const CLAIM_ANNOTATION = 'slipway.claim';
/** `<jurisdiction>/<tenant>/<project>`, so that an operator who sees only MAAS knows whose machine it is. */
export const SCOPE_ANNOTATION = 'slipway.scope';

export const Claim = z
  .string()
  .max(255) // MAAS: agent_name, models/node.py
  .regex(/^slipway\/gw_[0-9a-z]{1,26}\/clu_[0-9a-z]{1,26}\/[a-z0-9-]{1,63}\/[0-9]{1,6}$/)
  .brand<'claim'>();
export type Claim = z.infer<typeof Claim>;

export type ClaimParts = { gatewayId: GatewayId; clusterId: ClusterId; slot: SlotId; attempt: number };

export function claimOf(parts: ClaimParts): Claim {
  return Claim.parse(`slipway/${parts.gatewayId}/${parts.clusterId}/${parts.slot}/${parts.attempt}`);
}

/** The parts of a claim; null for any text that is not one (a human's annotation is not an error). */
export function parseClaim(text: string): ClaimParts | null {
  const claim = Claim.safeParse(text);
  if (!claim.success) return null;
  const [, gateway, cluster, slot, attempt] = claim.data.split('/');
  return {
    gatewayId: GatewayId.parse(gateway),
    clusterId: ClusterId.parse(cluster),
    slot: SlotId.parse(slot),
    attempt: Number(attempt),
  };
}
