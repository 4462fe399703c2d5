// Pure. The facts that a cluster learns; applyEvent folds them into the state and decides nothing (SPEC.md).
import { z } from 'zod';
import { ClusterProfile } from '../../shared/cluster-profile.ts';
import { ClusterKind, ClusterSpec } from '../../shared/cluster-spec.ts';
import { AccountAccess, CommandId, CommandOutcome } from '../../shared/command.ts';
import { ClusterId, EpochMs, GatewayId, Scope } from '../../shared/ids.ts';
import { RelayOfMachine } from '../../shared/installation.ts';
import { CONTROL_PLANE_SIZE_MAX } from '../../shared/limits.ts';
import { ClusterFact } from '../../shared/observation.ts';
import { MachinesRelease } from '../../shared/release.ts';

const event = <K extends string, A extends z.ZodRawShape>(kind: K, shape: A) =>
  z.strictObject({ kind: z.literal(kind), at: EpochMs, ...shape });

export const ClusterEvent = z.discriminatedUnion('kind', [
  /** The first event of a cluster; a repeat of the same is ignored. */
  event('spec-accepted', {
    scope: Scope,
    clusterId: ClusterId,
    gatewayId: GatewayId,
    /** Of the gateway, when it is of another project (C13). */
    gatewayScope: Scope.optional(),
    account: AccountAccess,
    spec: ClusterSpec,
    profile: ClusterProfile,
    /** Absent in what was stored before gateways had machines. */
    cluster: ClusterKind.default('workload'),
  }),
  /** The control plane grows to so many; never fewer (features G8). */
  event('resized', { size: z.int().min(1).max(CONTROL_PLANE_SIZE_MAX) }),
  /** A gateway's machines shall run this, one after another (features G9). */
  event('machines-changed', { release: MachinesRelease }),
  /** The relays of the gateway as they are now; told to the cluster that is the gateway's own machines. `notice` rises with each. */
  event('relays-changed', {
    relays: z.array(RelayOfMachine).max(64),
    notice: z.int().positive().nullable().default(null),
  }),
  event('account-changed', { account: AccountAccess }),
  event('command-settled', { commandId: CommandId, outcome: CommandOutcome }),
  /** `letter`: number of the letter that told of it, rising with each; left out: it is the newest. */
  event('observed', { fact: ClusterFact, letter: z.int().positive().optional() }),
  /** `ahead`: it stands in line until the gateway is upgraded, behind so many; null or left out: it does not. */
  event('gateway-connected', { connected: z.boolean(), ahead: z.int().nonnegative().nullable().optional() }),
  event('abort-requested', { actor: z.string().max(128) }),
  event('deletion-requested', { actor: z.string().max(128) }),
]);
export type ClusterEvent = z.infer<typeof ClusterEvent>;
