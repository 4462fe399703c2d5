// A cluster as the API shows it. Made by functions/plan/describe-cluster.ts; read by the console, the client and the demo.
import { z } from 'zod';
import { ClusterSpec } from './cluster-spec.ts';
import { StepOutcome } from './enrolment.ts';
import { AccountId, ClusterId, EpochMs, GatewayId, SystemId } from './ids.ts';
import { MachineStatus } from './machine.ts';

export const CLUSTER_PHASES = [
  'queued',
  'pending',
  'provisioning',
  'running',
  'updating',
  'degraded',
  'aborting',
  'deleting',
  'deleted',
  'failed',
] as const;
export const ClusterPhase = z.enum(CLUSTER_PHASES);
export type ClusterPhase = z.infer<typeof ClusterPhase>;

/** Where a slot's machine is on its way. Ours; MAAS's status stands beside it. */
export const SLOT_PHASES = [
  'planned',
  'claiming',
  'allocated',
  'deploying',
  'enrolled',
  'bootstrapping',
  'joining',
  'ready',
  'not-ready',
  'draining',
  'releasing',
  'released',
  'failed',
] as const;
export const SlotPhase = z.enum(SLOT_PHASES);
export type SlotPhase = z.infer<typeof SlotPhase>;

/** One thing the cluster waits for, as a sentence with its deadline. A plan that does nothing must have one. */
export const WaitingOnView = z.strictObject({
  code: z.string().max(64),
  /** The slot it is about; null for the whole cluster. */
  slot: z.string().nullable(),
  sentence: z.string().max(1_000),
  since: EpochMs,
  deadlineAt: EpochMs.nullable(),
});
export type WaitingOnView = z.infer<typeof WaitingOnView>;

export const MachineView = z.strictObject({
  slot: z.string(),
  pool: z.string(),
  role: z.enum(['control-plane', 'worker']),
  attempt: z.int(),
  phase: SlotPhase,
  phaseSince: EpochMs,
  systemId: SystemId.nullable(),
  hostname: z.string().nullable(),
  zone: z.string().nullable(),
  address: z.string().nullable(),
  maasStatus: MachineStatus.nullable(),
  nodeName: z.string().nullable(),
  /** The bootstrap steps as the machine reported them. */
  steps: z.array(
    z.strictObject({
      name: z.string(),
      outcome: StepOutcome,
      attempt: z.int(),
      startedAt: EpochMs,
      endedAt: EpochMs.nullable(),
      log: z.string(),
    }),
  ),
});
export type MachineView = z.infer<typeof MachineView>;

export const Condition = z.strictObject({
  type: z.string(),
  status: z.enum(['True', 'False', 'Unknown']),
  reason: z.string(),
  message: z.string(),
  lastTransition: EpochMs,
});
export type Condition = z.infer<typeof Condition>;

export const ClusterView = z.strictObject({
  id: ClusterId,
  name: z.string(),
  description: z.string(),
  tags: z.array(z.string()),
  phase: ClusterPhase,
  /** Why it failed, with what to do; null unless failed. */
  failure: z.strictObject({ code: z.string(), message: z.string() }).nullable(),
  gatewayId: GatewayId,
  accountId: AccountId,
  generation: z.int(),
  createdAt: EpochMs,
  provisionedAt: EpochMs.nullable(),
  deletedAt: EpochMs.nullable(),
  endpoint: z.strictObject({ host: z.string(), ip: z.string(), port: z.int() }).nullable(),
  kubernetesVersion: z.string(),
  spec: ClusterSpec,
  machines: z.array(MachineView),
  waitingOn: z.array(WaitingOnView),
  conditions: z.array(Condition),
});
export type ClusterView = z.infer<typeof ClusterView>;

/** One row of a list: what the catalogue holds. */
export const ClusterSummary = z.strictObject({
  id: ClusterId,
  name: z.string(),
  description: z.string(),
  tags: z.array(z.string()),
  phase: ClusterPhase,
  gatewayId: GatewayId,
  accountId: AccountId,
  machinesReady: z.int(),
  machinesWanted: z.int(),
  createdAt: EpochMs,
  provisionedAt: EpochMs.nullable(),
  updatedAt: EpochMs,
});
export type ClusterSummary = z.infer<typeof ClusterSummary>;

/** One line of the timeline: what the user reads, and what stays after a failure. */
export const TimelineEntry = z.strictObject({
  /** Rises by one; `after` of the API continues from it. */
  seq: z.int().nonnegative(),
  at: EpochMs,
  kind: z.string().max(64),
  slot: z.string().nullable(),
  message: z.string().max(2_000),
  /** The last lines of a step's log, when it is about one. */
  log: z.string().max(16_384).nullable(),
});
export type TimelineEntry = z.infer<typeof TimelineEntry>;
