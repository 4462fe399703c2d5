// Pure. The facts that a cluster learns; applyEvent folds them into the state and decides nothing (SPEC.md).
import { z } from 'zod';
import { ClusterProfile } from '../../shared/cluster-profile.ts';
import { ClusterSpec } from '../../shared/cluster-spec.ts';
import { AccountAccess, CommandId, CommandOutcome } from '../../shared/command.ts';
import { ClusterId, EpochMs, GatewayId, Scope } from '../../shared/ids.ts';
import { ClusterFact } from '../../shared/observation.ts';

const event = <K extends string, A extends z.ZodRawShape>(kind: K, shape: A) =>
  z.strictObject({ kind: z.literal(kind), at: EpochMs, ...shape });

export const ClusterEvent = z.discriminatedUnion('kind', [
  /** The first event of a cluster; a repeat of the same is ignored. */
  event('spec-accepted', {
    scope: Scope,
    clusterId: ClusterId,
    gatewayId: GatewayId,
    account: AccountAccess,
    spec: ClusterSpec,
    profile: ClusterProfile,
  }),
  event('account-changed', { account: AccountAccess }),
  event('command-settled', { commandId: CommandId, outcome: CommandOutcome }),
  event('observed', { fact: ClusterFact }),
  event('gateway-connected', { connected: z.boolean() }),
  event('abort-requested', { actor: z.string().max(128) }),
  event('deletion-requested', { actor: z.string().max(128) }),
]);
export type ClusterEvent = z.infer<typeof ClusterEvent>;
