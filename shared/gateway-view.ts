// Gateways and cloud accounts as the API shows them.
import { z } from 'zod';
import { Claim } from './claim.ts';
import { ClusterPhase, Condition, MachineView, WaitingOnView } from './cluster-view.ts';
import { AgreementKey, NodeState } from './gateway-key.ts';
import { AccountId, ClusterId, EpochMs, GatewayId, ProjectId, RelayNodeId, SystemId } from './ids.ts';
import { GatewaySize } from './installation.ts';
import { AccountSharing } from './project.ts';
import { RecoveryView } from './recovery.ts';
import { AvailableUpgrade, GatewayUpgradeView } from './release.ts';

export const GatewayName = z
  .string()
  .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/, 'use lower-case letters, digits and hyphens')
  .max(63);

export const GatewayCreate = z.strictObject({
  name: GatewayName,
  type: z.literal('maas').default('maas'),
  /** Raw X25519 public key, base64url: a second recipient of the gateway's key. Whoever has its private half can open all. */
  recoveryKey: AgreementKey.optional(),
});

/** unpaired: no relay yet. Computed from the tunnel at the moment of asking, never from the last write. */
export const GatewayPhase = z.enum(['unpaired', 'connected', 'disconnected', 'deleting', 'deleted']);
export type GatewayPhase = z.infer<typeof GatewayPhase>;

export const RelayNodeView = z.strictObject({
  nodeId: RelayNodeId,
  hostname: z.string(),
  relayVersion: z.string(),
  state: NodeState,
  connected: z.boolean(),
  /** Commands go to this one; the other active ones stand by. */
  leader: z.boolean(),
  lastSeenAt: EpochMs.nullable(),
  /** SHA-256 of the identity key, as `doctor` prints it. */
  keyFingerprint: z.string(),
  /** Where machines reach its enrolment endpoint, `host:port`. */
  enrolmentAddresses: z.array(z.string()),
});

/** The gateway's own machines: a cluster of kind `gateway`, not among the clusters that are listed. */
export const GatewayCluster = z.strictObject({
  clusterId: ClusterId,
  size: GatewaySize,
  phase: ClusterPhase,
  waitingOn: z.array(WaitingOnView),
  machines: z.array(MachineView),
});
export type GatewayCluster = z.infer<typeof GatewayCluster>;

/** What stays behind in MAAS when a gateway is given up that nobody can reach: for somebody to give back by hand. */
export const OrphanedGateway = z.strictObject({
  machines: z.array(
    z.strictObject({
      /** Null when MAAS was asked for one under this claim and never answered: look for the claim. */
      systemId: SystemId.nullable(),
      hostname: z.string().nullable(),
      claim: Claim,
    }),
  ),
  /** The reserved address of its Kubernetes API, and its name in MAAS's DNS; null when there is none. */
  address: z.strictObject({ ip: z.string().nullable(), fqdn: z.string() }).nullable(),
});
export type OrphanedGateway = z.infer<typeof OrphanedGateway>;

export const GatewayUpdate = z.strictObject({ size: GatewaySize });

/** What a condition was told from, and when: null when nothing has told yet. */
export const GatewayCondition = z.strictObject({
  ...Condition.shape,
  evidence: z.strictObject({ at: EpochMs, detail: z.string() }).nullable(),
});
export type GatewayCondition = z.infer<typeof GatewayCondition>;

export const GatewayView = z.strictObject({
  id: GatewayId,
  name: z.string(),
  type: z.literal('maas'),
  phase: GatewayPhase,
  createdAt: EpochMs,
  nodes: z.array(RelayNodeView),
  /** Raw X25519 public key, base64url; null until paired. Secrets are sealed to it. */
  sealingKey: z.string().nullable(),
  /** Null until a bundle for the recovery key is there: `GET /v1/gateways/{id}/recovery-bundle`. */
  recovery: RecoveryView.nullable(),
  outstandingCommands: z.int(),
  /** The machines that carry it; null for a gateway on a host of its own. */
  machines: GatewayCluster.nullable(),
  /** The oldest that any of its relays runs; null before one has paired. */
  version: z.string().nullable(),
  /** Null when there is nothing newer than what it runs. */
  availableUpgrade: AvailableUpgrade.nullable(),
  /** The last that was asked for, under way or ended. */
  upgrade: GatewayUpgradeView.nullable(),
  /** Clusters that wait for the upgrade to end (U6). */
  queuedClusters: z.int().nonnegative(),
  conditions: z.array(GatewayCondition),
});
export type GatewayView = z.infer<typeof GatewayView>;

export const AccountCreate = z.strictObject({
  name: z.string().min(1).max(64),
  gatewayId: GatewayId,
  endpoint: z.url().max(2_048),
  /** In plain over TLS: sealed on receipt, never stored in this form (architecture ruling 13.16). */
  apiKey: z.string().max(512),
  caBundlePem: z.string().max(65_536).nullable().default(null),
  sharing: AccountSharing.default('tenant'),
});

export const AccountUpdate = z.strictObject({
  name: z.string().min(1).max(64).optional(),
  endpoint: z.url().max(2_048).optional(),
  apiKey: z.string().max(512).optional(),
  caBundlePem: z.string().max(65_536).nullable().optional(),
  sharing: AccountSharing.optional(),
});

export const AccountView = z.strictObject({
  id: AccountId,
  name: z.string(),
  gatewayId: GatewayId,
  endpoint: z.string(),
  /** The MAAS user the key belongs to, and the version, when last validated. */
  maasUser: z.string(),
  maasVersion: z.string(),
  isAdmin: z.boolean(),
  permissionsMissing: z.array(z.string()),
  keyVersion: z.int(),
  validatedAt: EpochMs,
  createdAt: EpochMs,
  /** Whose it is: who may change it. */
  projectId: ProjectId,
  sharing: AccountSharing,
});
export type AccountView = z.infer<typeof AccountView>;
