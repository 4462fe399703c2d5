// Pure. Everything a cluster knows: what was asked (spec, intent), what was seen (facts with the time they were learned) and
// what was decided (which machine fills which slot, what is being given back). Phases are derived from it, never stored, so
// they can't contradict it. Map of the folder:
//   apply-event.ts folds facts in;  plan-cluster.ts decides, in order;  step.ts does both;  command-for.ts asks once;
//   plan-*.ts one concern each;     choose-*.ts pick machines and address;  waiting-on.ts says why nothing happens;
//   describe-cluster.ts and timeline.ts tell the user;  check-state.ts and check-gateway.ts find what may never be;
//   gateway-relays.ts, gateway-growth.ts and gateway-rollout.ts are about a gateway's own machines.
import { z } from 'zod';
import { Claim } from '../../shared/claim.ts';
import { ClusterProfile } from '../../shared/cluster-profile.ts';
import { ClusterKind, ClusterSpec } from '../../shared/cluster-spec.ts';
import { MachineView } from '../../shared/cluster-view.ts';
import { AccountAccess, CommandId } from '../../shared/command.ts';
import { ClusterId, EpochMs, GatewayId, Scope, SlotId, SystemId } from '../../shared/ids.ts';
import { RelayOfMachine } from '../../shared/installation.ts';
import { InventoryFacts } from '../../shared/inventory.ts';
import { MachineStatus } from '../../shared/machine.ts';
import { MaasFailureSeen } from '../../shared/observation.ts';
import { MachinesRelease } from '../../shared/release.ts';
import { SealedSecret } from '../../shared/sealed-secret.ts';

const Moment = EpochMs.nullable();

/** Something may still appear in MAAS that no outcome has told of: looked up until a while after `at` (ruling 13.2 d, e). */
export const Doubt = z.strictObject({ kind: z.enum(['unknown-outcome', 'withdrawn']), at: EpochMs });
export type Doubt = z.infer<typeof Doubt>;

/** Why and how far a machine is on its way back. Gone: MAAS has it as nobody's, or it was never there. */
export const Leaving = z.strictObject({
  since: EpochMs,
  code: z.string(),
  reason: z.string(),
  /** Times MAAS was asked and did not give it back. */
  tries: z.int(),
  /** The last release that MAAS accepted; null before the first. */
  askedAt: Moment,
  memberRemoved: z.boolean(),
  nodeRemoved: z.boolean(),
  goneAt: Moment,
  /** It serves and goes as planned: drained first, so that what runs on it finds another place. */
  drain: z.boolean().default(false),
});
export type Leaving = z.infer<typeof Leaving>;

/** `missing`: it has not the gateway's key (not yet, or not any more). `away`: it has, and is not connected. */
export const MachineRelay = z.strictObject({
  status: z.enum(['missing', 'away', 'here']),
  since: EpochMs,
  /** When it first had the key. */
  activeAt: Moment,
});
export type MachineRelay = z.infer<typeof MachineRelay>;

/** One machine under one claim, from the moment its allocate is sent. A slot has at most one that is not leaving (I2), but see [RO4]. */
export const MachineRecord = z.strictObject({
  claim: Claim,
  slot: SlotId,
  pool: z.string(),
  role: z.enum(['control-plane', 'worker']),
  attempt: z.int(),
  candidates: z.array(SystemId),
  chosenAt: EpochMs,
  doubt: Doubt.nullable(),
  held: z.strictObject({ systemId: SystemId, hostname: z.string(), zone: z.string(), at: EpochMs }).nullable(),
  deploy: z.strictObject({ sentAt: EpochMs, acceptedAt: Moment, enrolUntil: EpochMs }).nullable(),
  /** As MAAS shows it. `since` is when status and ours became what they are. */
  maas: z
    .strictObject({
      status: MachineStatus.nullable(),
      ours: z.boolean(),
      unowned: z.boolean(),
      detail: z.string(),
      since: EpochMs,
      at: EpochMs,
    })
    .nullable(),
  enrolled: z.strictObject({ address: z.string(), at: EpochMs }).nullable(),
  document: z.strictObject({ kind: z.enum(['init', 'join']), sentAt: EpochMs, fetchedAt: Moment }).nullable(),
  steps: MachineView.shape.steps,
  /** When Kubernetes first called its node Ready. */
  readyAt: Moment,
  /** The relay on it, as the gateway tells: null before it was heard of. Of a gateway's own machines only. */
  relay: MachineRelay.nullable().default(null),
  /** What it was deployed to run, as a hash: of a gateway's own machines only. Null too in what was stored before there was such a thing. */
  revision: z.string().nullable().default(null),
  leaving: Leaving.nullable(),
});
export type MachineRecord = z.infer<typeof MachineRecord>;

export const NodeState = z.strictObject({
  present: z.boolean(),
  ready: z.boolean(),
  since: EpochMs,
  internalIp: z.string().nullable(),
  reason: z.string(),
});
export type NodeState = z.infer<typeof NodeState>;

/** A command that was sent and whose outcome is not known. Keyed by `<subject>/<verb>`: one at a time (C5). */
export const Pending = z.strictObject({
  commandId: CommandId,
  generation: z.int(),
  sentAt: EpochMs,
  deadlineAt: EpochMs,
  /** Why the relay tries it again, as long as it does. States from before there was such a fact have none. */
  tryingAgain: MaasFailureSeen.extend({ since: EpochMs }).nullable().default(null),
});
export type Pending = z.infer<typeof Pending>;

/** Why the last try of something failed, and how often in a row. */
export const Trouble = z.strictObject({
  code: z.string(),
  detail: z.string(),
  failures: z.int(),
  since: EpochMs,
  at: EpochMs,
  retryAfterMs: z.int(),
  /** The machine it is about, where the failure names one. */
  systemId: SystemId.nullable(),
});
export type Trouble = z.infer<typeof Trouble>;

const Absence = z.strictObject({ from: EpochMs, to: EpochMs });
export type Absence = z.infer<typeof Absence>;

/** A gateway's machines on their way to another image or Kubernetes. */
export const Rolling = z.strictObject({
  /** What they ran when it began: the oldest that may still be among them. */
  from: MachinesRelease,
  at: EpochMs,
  /** When Kubernetes was told the version that machines join with from here on; null before. */
  toldAt: Moment,
});
export type Rolling = z.infer<typeof Rolling>;

export const SlotMemory = z.strictObject({
  lastAttempt: z.int(),
  /** When a machine of this slot failed. */
  failedAt: z.array(EpochMs),
  /** Lost races in a row: candidates that others took first. */
  races: z.int(),
});
export type SlotMemory = z.infer<typeof SlotMemory>;

export const ClusterState = z.strictObject({
  version: z.literal(1),
  scope: Scope,
  clusterId: ClusterId,
  gatewayId: GatewayId,
  /** Of the gateway, when it is of another project: what its relays are told is in that one (C13). */
  gatewayScope: Scope.nullable().default(null),
  /** `gateway`: its machines carry the relays that plan's commands go through. */
  kind: ClusterKind.default('workload'),
  /** The highest number of a letter that told what was observed. */
  letter: z.int().nonnegative().default(0),
  /** Of a gateway's own machines: its relays as last told. */
  relays: z.array(RelayOfMachine).default([]),
  /** The number of the notice that named them. */
  relaysNotice: z.int().nonnegative().default(0),
  /** Claims whose relays the gateway was told to shut out, and that it has not named since. */
  relaysRevoked: z.array(Claim).default([]),
  /** A provisioned control plane on its way to a larger size; null before and when it is there. */
  growing: z.strictObject({ from: z.int(), to: z.int(), at: EpochMs }).nullable().default(null),
  /** Null before, and when every machine runs what is asked. */
  rolling: Rolling.nullable().default(null),
  account: AccountAccess,
  spec: ClusterSpec,
  profile: ClusterProfile,
  /** Rises with every change of what the cluster should be (G1). */
  generation: z.int(),
  createdAt: EpochMs,
  intent: z.strictObject({ kind: z.enum(['present', 'aborted', 'deleted']), at: EpochMs, actor: z.string() }),
  provisionedAt: Moment,
  deletedAt: Moment,
  failure: z.strictObject({ code: z.string(), message: z.string(), at: EpochMs }).nullable(),
  /** `awayFrom`: when its last absence began, once that is over. `earlier`: those before, the oldest first. */
  gateway: z
    .strictObject({
      connected: z.boolean(),
      since: EpochMs,
      awayFrom: Moment.default(null),
      earlier: z.array(Absence).default([]),
    })
    .nullable(),
  /** Stands in line until the upgrade of its gateway has ended; null otherwise. */
  queued: z.strictObject({ ahead: z.int().nonnegative(), since: EpochMs }).nullable().default(null),
  identity: z.strictObject({ sealed: SealedSecret, caCertPem: z.string() }).nullable(),
  /** The virtual address: asked for, and had when `ip` is not null. */
  address: z
    .strictObject({
      fqdn: z.string(),
      subnetCidr: z.string(),
      candidates: z.array(z.ipv4()),
      chosenAt: EpochMs,
      ip: z.ipv4().nullable(),
      doubt: Doubt.nullable(),
      releasedAt: Moment,
    })
    .nullable(),
  /** Kept only while machines or an address have to be chosen. `stale` asks for a new one. */
  inventory: z.strictObject({ facts: InventoryFacts, at: EpochMs, stale: z.boolean() }).nullable(),
  /** Too few machines matched: since when, and the funnel as a sentence. Holds nothing. */
  shortage: z.strictObject({ since: EpochMs, code: z.string(), sentence: z.string() }).nullable(),
  /** When all slots had a machine for the first time: from then on slots are filled one by one. */
  filledAt: Moment,
  machines: z.array(MachineRecord),
  /** Hostnames of machines that were told to join and are forgotten, the newest last: they may join yet ([CP13]). */
  departed: z.array(z.string()).default([]),
  slots: z.record(z.string(), SlotMemory),
  quarantine: z.record(z.string(), z.strictObject({ until: EpochMs, times: z.int(), reason: z.string() })),
  nodes: z.record(z.string(), NodeState),
  /** `firstReadyAt`: when the cluster had begun, its API answering with a control-plane node of ours. */
  api: z.strictObject({ ready: z.boolean(), since: EpochMs, detail: z.string(), firstReadyAt: Moment }).nullable(),
  etcd: z
    .strictObject({
      members: z.array(z.strictObject({ name: z.string(), healthy: z.boolean(), learner: z.boolean() })),
      at: EpochMs,
    })
    .nullable(),
  /** Subjects of the layers that are applied. */
  layersApplied: z.array(z.string()),
  /** Whether the poll behind the standing `observe-cluster` gets on, and since when; null: never said. */
  maas: z.strictObject({ failure: MaasFailureSeen.nullable(), since: EpochMs }).nullable().default(null),
  /** What the standing `observe-cluster` was last asked to watch, as a hash; null before. */
  watching: z.string().nullable(),
  pending: z.record(z.string(), Pending),
  /** Highest attempt ever used, by `<subject>/<verb>`. */
  attempts: z.record(z.string(), z.int()),
  troubles: z.record(z.string(), Trouble),
  /** What the catalogue was last told, as a hash. */
  projected: z.string().nullable(),
  /** Facts that were stale, unknown or repeated. */
  ignored: z.int(),
});
export type ClusterState = z.infer<typeof ClusterState>;

export type PlannedSlot = { readonly slot: SlotId; readonly pool: ClusterSpec['pools'][number] };

/** A spec never changes, and every planning asks several times. */
const slotsOfSpecs = new WeakMap<ClusterSpec, readonly PlannedSlot[]>();

/** Every slot the spec asks for: the control plane first, then the workers in their order. */
export function slotsOf(spec: ClusterSpec): readonly PlannedSlot[] {
  const slots = slotsOfSpecs.get(spec) ?? listSlots(spec);
  slotsOfSpecs.set(spec, slots);
  return slots;
}

function listSlots(spec: ClusterSpec): PlannedSlot[] {
  const inOrder = [...spec.pools].sort((a, b) => Number(a.role === 'worker') - Number(b.role === 'worker'));
  return inOrder.flatMap((pool) =>
    Array.from({ length: pool.size }, (_, index) => ({ slot: SlotId.parse(`${pool.name}-${index}`), pool })),
  );
}

/** The machines that fill slots now; those on their way back are not among them. */
export function currentMachines(state: ClusterState): MachineRecord[] {
  return state.machines.filter((machine) => machine.leaving === null);
}

export function machineOfSlot(state: ClusterState, slot: string): MachineRecord | null {
  return state.machines.find((machine) => machine.slot === slot && machine.leaving === null) ?? null;
}

export function nodeOf(state: ClusterState, machine: MachineRecord): NodeState | null {
  return machine.held === null ? null : (state.nodes[machine.held.hostname] ?? null);
}

/** Kubernetes calls its node Ready (never MAAS, ruling 12.7). */
export function isReady(state: ClusterState, machine: MachineRecord): boolean {
  const node = nodeOf(state, machine);
  return node?.present === true && node.ready;
}

/** The API answers and knows a control-plane node of ours: others may join. */
export function isOpen(state: ClusterState): boolean {
  if (state.api?.ready !== true) return false;
  return currentMachines(state).some((machine) => {
    return machine.role === 'control-plane' && nodeOf(state, machine)?.present === true;
  });
}

/** `<slot>.<attempt>`: the subject of every command about one claim. Its own subject, so that giving back attempt 1 is not superseded by giving back attempt 2 (C5). */
export function subjectOf(machine: Pick<MachineRecord, 'slot' | 'attempt'>): string {
  return `${machine.slot}.${machine.attempt}`;
}

export function withMachine(state: ClusterState, machine: MachineRecord): ClusterState {
  return {
    ...state,
    machines: state.machines.map((other) => (other.claim === machine.claim ? machine : other)),
  };
}
