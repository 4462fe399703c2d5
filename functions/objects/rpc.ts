// What the two Durable Objects promise to each other and to the API. Every method may be repeated.
import type { Claim } from '../../shared/claim.ts';
import type { ClusterPlan } from '../../shared/cluster-plan.ts';
import type { ClusterProfile } from '../../shared/cluster-profile.ts';
import type { ClusterKind, ClusterSpec } from '../../shared/cluster-spec.ts';
import type { ClusterView, TimelineEntry } from '../../shared/cluster-view.ts';
import type { AccountAccess, ClusterAccess, Command, CommandId, CommandOutcome } from '../../shared/command.ts';
import type { GatewayView, OrphanedGateway } from '../../shared/gateway-view.ts';
import type { ClusterId, EpochMs, GatewayId, ProjectId, RelayNodeId, RequestId, Scope } from '../../shared/ids.ts';
import type { RelayOfMachine } from '../../shared/installation.ts';
import type { GatewayDiagnosis } from '../../shared/node-check.ts';
import type { Observation } from '../../shared/observation.ts';
import type { PairingChallenge, PairingRequest, PairingResponse } from '../../shared/pairing.ts';
import type { ApiFailure } from '../../shared/problem.ts';
import type { RecoveryBundle } from '../../shared/recovery.ts';
import type { MachinesRelease, MaintenanceWindow } from '../../shared/release.ts';
import type { Result } from '../../shared/result.ts';
import type { ClusterPreview } from '../plan/preview-cluster.ts';
import type { PublishedRelease } from '../store/releases.ts';

export type ClusterCreation = {
  readonly scope: Scope;
  readonly clusterId: ClusterId;
  readonly gatewayId: GatewayId;
  /** Of the gateway, when it is of another project (C13). */
  readonly gatewayScope?: Scope | undefined;
  readonly account: AccountAccess;
  readonly spec: ClusterSpec;
  readonly profile: ClusterProfile;
  /** `workload` when left out. */
  readonly cluster?: ClusterKind;
};

export type ClusterRpc = {
  create(creation: ClusterCreation): Promise<ClusterView>;
  /** Null when there is no such cluster (never created, or 72 h after deletion). */
  view(): Promise<ClusterView | null>;
  /** Entries with `seq` above `after`, oldest first. */
  timeline(after: number, limit: number): Promise<TimelineEntry[]>;
  /** What opens the cluster's Kubernetes API (ciphertext); null until it has both an identity and an endpoint. */
  access(): Promise<ClusterAccess | null>;
  /** What the cluster, or one that is not there yet, would get from this inventory. Stores nothing. */
  preview(asked: ClusterPreview): Promise<Result<ClusterPlan, ApiFailure>>;
  requestDeletion(actor: string): Promise<Result<ClusterView, ApiFailure>>;
  requestAbort(actor: string): Promise<Result<ClusterView, ApiFailure>>;
  accountChanged(account: AccountAccess): Promise<void>;
  /**
   * From the gateway: outcomes and observations. Returns only after they are stored, so that the gateway may acknowledge.
   * @param letter rises with each: what a watch saw does not count from one that was overtaken on its way (L9). Left out: it is the newest
   */
  report(
    settled: readonly { commandId: CommandId; outcome: CommandOutcome }[],
    observed: readonly Observation[],
    letter?: number,
  ): Promise<void>;
  /**
   * From the gateway: whether a relay is connected, and how many clusters begin before this one; null or left out: it waits for
   * nobody (U6).
   */
  gatewayConnected(connected: boolean, ahead?: number | null): Promise<void>;
  /**
   * To the machines of a gateway: its relays as they are now. False when there is no such cluster (yet): nothing is stored.
   * @param notice rises with each: one that was overtaken on its way changes nothing. Left out: it counts as the newest
   */
  relaysChanged(relays: readonly RelayOfMachine[], notice?: number): Promise<boolean>;
  /** To the machines of a gateway: so many there shall be. Not more than there are: nothing happens. `NOT_FOUND`, `GATEWAY_NOT_HEALTHY`. */
  resize(size: number): Promise<Result<ClusterView, ApiFailure>>;
  /**
   * To the machines of a gateway: run this, one machine after another. The same again changes nothing. `updating` until every
   * machine runs it and serves. `NOT_FOUND`, `GATEWAY_WITHOUT_MACHINES`, `GATEWAY_NOT_HEALTHY`, `KUBERNETES_SKEW`.
   */
  changeMachines(release: MachinesRelease): Promise<Result<ClusterView, ApiFailure>>;
  /** What MAAS may still hold for this cluster. */
  leftovers(): Promise<OrphanedGateway>;
  /** Forgets the cluster and gives nothing back: its gateway is given up. One that is deleted stays readable. */
  abandon(): Promise<void>;
  /** Plan again though nothing happened (the cron sweep, when `wakeAt` is overdue). */
  poke(): Promise<void>;
};

export type GatewayCreation = {
  readonly scope: Scope;
  readonly gatewayId: GatewayId;
  readonly name: string;
  /** SHA-256 of the pairing code, base64url. */
  readonly codeHash: string;
  readonly codeExpiresAt: EpochMs;
  /** Raw X25519 public key, base64url: a second recipient of the gateway's key (N9). */
  readonly recoveryKey?: string | undefined;
};

export type UpgradeAsked = {
  readonly published: PublishedRelease;
  /** Null: now. */
  readonly window: MaintenanceWindow | null;
  readonly actor: string;
};

export type GatewayRpc = {
  create(creation: GatewayCreation): Promise<GatewayView>;
  view(): Promise<GatewayView | null>;
  /** A new code instead of those that nobody used: for a first relay, for one more, or to unlock a node (T3). */
  renewPairingCode(codeHash: string, codeExpiresAt: EpochMs): Promise<Result<null, ApiFailure>>;
  /**
   * The gateway is deleted: closes its sockets as revoked and forgets everything. The API has made sure that no cluster of a
   * user is left; machines of its own that still stand are abandoned.
   */
  remove(): Promise<void>;
  /**
   * The gateway's own machines are to be given back, and then the gateway ends by itself: keys and sessions revoked, its rows
   * gone. The API has made sure that no cluster of a user is left, and that none comes. `NOT_FOUND` when it has ended.
   */
  requestDeletion(actor: string): Promise<Result<GatewayView, ApiFailure>>;
  /** What would stay behind if the gateway were given up. `GATEWAY_REACHABLE` unless no relay was seen for 15 min. */
  leftovers(): Promise<Result<OrphanedGateway, ApiFailure>>;
  /**
   * The machine under this claim is given back: its relay is a node no more, and codes for it are worth nothing.
   * `CONFIRMATION_REQUIRED` while it alone holds the gateway's key: another relay has to get it first.
   */
  revokeRelayOf(claim: Claim): Promise<Result<null, ApiFailure>>;
  pairingChallenge(codeHash: string, origin: string): Promise<Result<PairingChallenge, ApiFailure>>;
  pair(request: PairingRequest, origin: string): Promise<Result<PairingResponse, ApiFailure>>;
  /**
   * The node is removed: its session closed as revoked at once, and every later one. `CONFIRMATION_REQUIRED` for the last
   * that holds the gateway's key, unless `giveUpKey`.
   */
  revokeNode(nodeId: RelayNodeId, giveUpKey: boolean): Promise<Result<null, ApiFailure>>;
  /** The gateway's key sealed to its recovery key. `NOT_FOUND` while there is none, with why. */
  recoveryBundle(): Promise<Result<RecoveryBundle, ApiFailure>>;
  /**
   * Gives the gateway's key up as lost, so that the next relay that pairs brings a new one (N6): what was sealed to the old
   * one stays unreadable. `GATEWAY_KEY_HELD` while a relay that holds it is connected.
   */
  resetKey(): Promise<Result<null, ApiFailure>>;
  /**
   * Stored before it returns; sent at once when a relay is connected. Known ids are ignored, superseded ones withdrawn.
   * `GATEWAY_UPGRADING`: nothing is stored, the cluster stands in line and is told so (U6); `UPGRADE_QUEUE_FULL`: not even that.
   * @param project of the cluster they are of; the gateway's own when left out
   */
  enqueue(commands: readonly Command[], project?: ProjectId): Promise<Result<null, ApiFailure>>;
  withdraw(commandIds: readonly CommandId[]): Promise<void>;
  /**
   * Whether a relay is heard of now (T10). When that, or whether it stands in line, is not what the cluster believes, it is told by
   * `gatewayConnected`, which keeps the order of what it is told.
   */
  link(cluster: ClusterId, believed: boolean, queued?: boolean): Promise<boolean>;
  /** The cluster needs its place in line no more. */
  leaveQueue(cluster: ClusterId): Promise<void>;
  /** A release was published; an older one than it knows changes nothing. @returns when its upgrade goes on; null without one */
  releasePublished(published: PublishedRelease): Promise<EpochMs | null>;
  /**
   * Begins the upgrade, or schedules it. The same again is simply answered. `UPGRADE_UNDER_WAY`, `UPGRADE_NOT_NEWER`,
   * `WINDOW_INVALID`, `GATEWAY_NOT_RUNNING`, and `NOT_FOUND` while it is being deleted.
   */
  requestUpgrade(asked: UpgradeAsked): Promise<Result<GatewayView, ApiFailure>>;
  /** One that waits for its window. `UPGRADE_NOT_SCHEDULED`. */
  cancelUpgrade(): Promise<Result<GatewayView, ApiFailure>>;
  /** Entries with `seq` above `after`, oldest first. */
  timeline(after: number, limit: number): Promise<TimelineEntry[]>;
  /**
   * Runs one command for somebody who waits (validation, inventory, a certificate). Not stored: an asker that is gone asks
   * again. `GATEWAY_NOT_RUNNING` when no relay is connected, `GATEWAY_NO_ANSWER` after `timeoutMs`.
   */
  ask(command: Command, timeoutMs: number): Promise<Result<CommandOutcome, ApiFailure>>;
  /**
   * Each connected relay looks around now, and whether it can use these accounts, within DIAGNOSTICS_MS_MAX. What it finds is
   * kept as evidence of the gateway's conditions. `GATEWAY_NOT_RUNNING` when no relay is connected.
   */
  diagnose(requestId: RequestId, accounts: readonly AccountAccess[]): Promise<Result<GatewayDiagnosis, ApiFailure>>;
};
