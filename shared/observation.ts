// Facts the relay pushes up while an `observe-cluster` command stands. Level-triggered: each says how one subject is now, so
// the newest of a subject replaces older ones, and a new session starts with all of them.
import { z } from 'zod';
import { Claim } from './claim.ts';
import { CommandId } from './command.ts';
import { StepOutcome } from './enrolment.ts';
import { ClusterId, EpochMs, SystemId } from './ids.ts';
import { REPORT_LOG_BYTES_MAX } from './limits.ts';
import { MachineFacts } from './machine.ts';

/** A failure of MAAS as a relay meets it: one of the codes of maas-failure.ts. `detail` holds no secret (relay/maas blots them out). */
export const MaasFailureSeen = z.strictObject({ code: z.string().max(64), detail: z.string().max(500) });
export type MaasFailureSeen = z.infer<typeof MaasFailureSeen>;

export const ClusterFact = z.discriminatedUnion('kind', [
  /** The machine of a claim as MAAS shows it. `facts` null: MAAS shows it to us no longer (gone, or somebody else's). */
  z.strictObject({
    kind: z.literal('machine'),
    claim: Claim,
    systemId: SystemId,
    /** Whether the machine is (still) ours by the claim (architecture ruling 13.2). */
    ours: z.boolean(),
    facts: MachineFacts.nullable(),
  }),
  z.strictObject({ kind: z.literal('enrolled'), claim: Claim, systemId: SystemId, address: z.string() }),
  /** The machine has its bootstrap document. */
  z.strictObject({ kind: z.literal('document-fetched'), claim: Claim, systemId: SystemId }),
  z.strictObject({
    kind: z.literal('step'),
    claim: Claim,
    systemId: SystemId,
    step: z.string(),
    outcome: StepOutcome,
    attempt: z.int(),
    exitCode: z.int().nullable(),
    log: z.string().max(REPORT_LOG_BYTES_MAX),
  }),
  /** The Kubernetes API at the cluster's endpoint answers `/readyz` (or why it does not). */
  z.strictObject({ kind: z.literal('api-server'), ready: z.boolean(), detail: z.string().max(500) }),
  z.strictObject({
    kind: z.literal('node'),
    name: z.string(),
    present: z.boolean(),
    ready: z.boolean(),
    role: z.enum(['control-plane', 'worker']),
    providerId: z.string().nullable(),
    internalIp: z.string().nullable(),
    kubeletVersion: z.string(),
    reason: z.string().max(500),
  }),
  /** The etcd members by name, read through a healthy one. */
  z.strictObject({
    kind: z.literal('etcd-members'),
    members: z.array(z.strictObject({ id: z.string(), name: z.string(), healthy: z.boolean(), learner: z.boolean() })),
  }),
  /** Which machines are Ready changed: a plan that found too few may look again. */
  z.strictObject({ kind: z.literal('inventory-changed') }),
  /** Whether the relay's poll of the cluster's MAAS gets on; `failure` null: it does (C10). */
  z.strictObject({ kind: z.literal('maas'), failure: MaasFailureSeen.nullable() }),
  /** A command under way finds MAAS failing and tries again until its deadline; `failure` null: it gets on (C11). */
  z.strictObject({ kind: z.literal('trying-again'), commandId: CommandId, failure: MaasFailureSeen.nullable() }),
]);
export type ClusterFact = z.infer<typeof ClusterFact>;

export const Observation = z.strictObject({ clusterId: ClusterId, at: EpochMs, fact: ClusterFact });
export type Observation = z.infer<typeof Observation>;

/** Whether it comes of the standing `observe-cluster`, which one relay has at a time (L7); else of a machine or of a command. */
export function isWatched(fact: ClusterFact): boolean {
  switch (fact.kind) {
    case 'machine':
    case 'node':
    case 'api-server':
    case 'etcd-members':
    case 'inventory-changed':
    case 'maas':
      return true;
    case 'enrolled':
    case 'document-fetched':
    case 'step':
    case 'trying-again':
      return false;
  }
}

/** What a fact is about: a newer fact of the same subject replaces an older one. */
export function factSubject(fact: ClusterFact): string {
  switch (fact.kind) {
    case 'machine':
    case 'enrolled':
    case 'document-fetched':
      return `${fact.kind}/${fact.claim}`;
    case 'step':
      return `step/${fact.claim}/${fact.step}`;
    case 'node':
      return `node/${fact.name}`;
    case 'api-server':
    case 'etcd-members':
    case 'inventory-changed':
    case 'maas':
      return fact.kind;
    case 'trying-again':
      return `trying-again/${fact.commandId}`;
  }
}
