// A gateway on machines of MAAS. An installer pairs as a temporary relay, registers what it knows (the default cloud account,
// and which machines shall carry the gateway) through its tunnel, and serves until the relays of those machines take over.
// What is registered may be sent again and again: the same is answered with how far it is. Rules I1… in PROTOCOL.md.
import { z } from 'zod';
import { Claim } from './claim.ts';
import { Label } from './cluster-spec.ts';
import { ClusterPhase, SlotPhase } from './cluster-view.ts';
import { AccountAccess } from './command.ts';
import { NodeState } from './gateway-key.ts';
import { ClusterId, RelayNodeId } from './ids.ts';
import { AccountFacts } from './inventory.ts';
import { AccountSharing } from './project.ts';

/** One, or three of which one may be lost (features G7, G8). */
export const GatewaySize = z.union([z.literal(1), z.literal(3)]);
export type GatewaySize = z.infer<typeof GatewaySize>;

/** What the machines of a gateway must be, and the networks of the Kubernetes on them. */
export const GatewayMachines = z.strictObject({
  size: GatewaySize,
  minimums: z.strictObject({
    cpuCores: z.int().min(2).max(4_096),
    memoryMiB: z.int().min(4_096).max(67_108_864),
    diskGB: z.int().min(40).max(1_000_000),
  }),
  zones: z.array(z.string().min(1).max(256)).max(64),
  podCidr: z.cidrv4(),
  serviceCidr: z.cidrv4(),
});
export type GatewayMachines = z.infer<typeof GatewayMachines>;

/** The relay seals the MAAS key itself; what MAAS said of the account comes with it. */
export const DefaultAccount = z.strictObject({
  name: Label.max(63),
  access: AccountAccess,
  facts: AccountFacts,
  /** As `tenant` when left out, by relays that know of no sharing too. */
  sharing: AccountSharing.optional(),
});
export type DefaultAccount = z.infer<typeof DefaultAccount>;

export const Installation = z.strictObject({
  account: DefaultAccount,
  /** Null: the gateway is the host that registers, and takes no machine. */
  machines: GatewayMachines.nullable(),
});
export type Installation = z.infer<typeof Installation>;

/** How far it is, for the person at the installer. */
export const InstallationState = z.strictObject({
  /** Why it was not taken; null when it stands. */
  refused: z.strictObject({ code: z.string().max(64), detail: z.string().max(1_000) }).nullable(),
  clusterId: ClusterId.nullable(),
  /** Of the gateway's machines; null without any. */
  phase: ClusterPhase.nullable(),
  /** Why it failed; left out or null unless it has. */
  failure: z
    .strictObject({ code: z.string().max(64), message: z.string().max(2_000) })
    .nullable()
    .optional(),
  waitingOn: z.array(z.string().max(1_000)).max(20),
  machines: z
    .array(
      z.strictObject({
        slot: z.string(),
        hostname: z.string().nullable(),
        phase: SlotPhase,
        /** Its relay; null until it has paired. */
        relay: z.strictObject({ nodeId: RelayNodeId, state: NodeState, connected: z.boolean() }).nullable(),
      }),
    )
    .max(16),
});
export type InstallationState = z.infer<typeof InstallationState>;

/** A relay node as the gateway's machines know it: by the claim its pairing code was made for. */
export const RelayOfMachine = z.strictObject({
  /** Null for a relay on a host that is none of the gateway's machines. */
  claim: Claim.nullable(),
  nodeId: RelayNodeId,
  state: NodeState,
  connected: z.boolean(),
});
export type RelayOfMachine = z.infer<typeof RelayOfMachine>;
