// Commands: what the edge asks of a relay. Each is `ensure-…` (look, act if needed, look again) or `observe-…` (look), so any
// of them may be sent, delivered and run again. Ids are derived: planning twice makes the same id, and everything on the way
// deduplicates by it. Rules C1… in PROTOCOL.md.
import { z } from 'zod';
import { BootstrapDocument } from './bootstrap.ts';
import { Claim } from './claim.ts';
import { KubernetesLayer } from './cluster-profile.ts';
import { ERASE_MODES } from './cluster-spec.ts';
import { AgreementKey, WrappedGatewayKey } from './gateway-key.ts';
import { AccountId, ClusterId, EpochMs, GatewayId, RelayNodeId, Scope, SystemId } from './ids.ts';
import { AccountFacts, InventoryFacts } from './inventory.ts';
import { CANDIDATES_MAX } from './limits.ts';
import { MaasFailure } from './maas-failure.ts';
import { MachineFacts, MachineRequirements } from './machine.ts';
import { CHECKED_ACCOUNTS_MAX, NODE_CHECKS_MAX, NodeCheck } from './node-check.ts';
import { RecoveryCopy } from './recovery.ts';
import { ReleaseVersion, SignedRelease } from './release.ts';
import { SealedSecret } from './sealed-secret.ts';

/** A cloud account as a command carries it: the key is ciphertext for this gateway. */
export const AccountAccess = z.strictObject({
  accountId: AccountId,
  endpoint: z.url(),
  sealedKey: SealedSecret,
  caBundlePem: z.string().max(65_536).nullable(),
});
export type AccountAccess = z.infer<typeof AccountAccess>;

/** The Kubernetes API of a cluster, and what opens it. */
export const ClusterAccess = z.strictObject({
  /** `https://<virtual ip>:6443` */
  server: z.url(),
  identity: SealedSecret,
});
export type ClusterAccess = z.infer<typeof ClusterAccess>;

/** A machine as a member of its cluster's etcd. */
export const EtcdSeat = z.strictObject({
  access: ClusterAccess,
  memberName: z.string().max(253),
  /** Addresses of the other members, to ask one of them. */
  peers: z.array(z.ipv4()).min(1).max(7),
});
export type EtcdSeat = z.infer<typeof EtcdSeat>;

const ClaimedMachine = z.strictObject({ claim: Claim, systemId: SystemId });

const tagged = <V extends string, A extends z.ZodRawShape>(verb: V, shape: A) =>
  z.strictObject({ verb: z.literal(verb), ...shape });

export const CommandBody = z.discriminatedUnion('verb', [
  tagged('observe-account', { account: AccountAccess }),
  tagged('observe-inventory', { account: AccountAccess }),
  /** A node looks at itself and around itself, and whether it can use these accounts (N8). */
  tagged('observe-node', { accounts: z.array(AccountAccess).max(CHECKED_ACCOUNTS_MAX) }),
  /** Stands until superseded: the relay watches these and pushes observations. Never settles by itself. */
  tagged('observe-cluster', {
    account: AccountAccess,
    /** Null until the cluster has an identity and an endpoint. */
    access: ClusterAccess.nullable(),
    machines: z.array(ClaimedMachine).max(2_000),
    /** Also say when the set of Ready machines changes. */
    inventory: z.boolean(),
  }),
  /** Makes the cluster's CAs and keys, sealed. Given one, answers it unchanged. */
  tagged('ensure-identity', { clusterName: z.string(), existing: SealedSecret.nullable() }),
  /** Reserves the first candidate that can be had, named `fqdn` in MAAS's DNS: the name proves whose it is. */
  tagged('ensure-address', {
    account: AccountAccess,
    fqdn: z.string().max(253),
    candidates: z.array(z.ipv4()).min(1).max(CANDIDATES_MAX),
  }),
  tagged('ensure-address-released', { account: AccountAccess, fqdn: z.string().max(253) }),
  /** Takes the first candidate that can be had, under this claim; never more than one. */
  tagged('ensure-allocated', {
    account: AccountAccess,
    claim: Claim,
    candidates: z.array(SystemId).min(1).max(CANDIDATES_MAX),
    requirements: MachineRequirements,
  }),
  /** Deploys with user-data that lets the machine enrol until `enrolUntil`. */
  tagged('ensure-deployed', {
    account: AccountAccess,
    claim: Claim,
    systemId: SystemId,
    image: z.string().max(128),
    hweKernel: z.string().max(64).nullable(),
    enrolUntil: EpochMs,
  }),
  /** Holds the document ready. Settles when the machine has fetched it, so it is redelivered until then. */
  tagged('ensure-bootstrap', {
    claim: Claim,
    systemId: SystemId,
    access: ClusterAccess,
    document: BootstrapDocument,
  }),
  /** Asks MAAS to take back whatever stands under the claim: by the claim, and by the system id if it is still ours. */
  tagged('ensure-released', {
    account: AccountAccess,
    claim: Claim,
    systemId: SystemId.nullable(),
    erase: z.enum(ERASE_MODES),
    /** It may have joined etcd since it was last found not to be a member: with this it is given back only if etcd, asked then, has none such. */
    seat: EtcdSeat.optional(),
  }),
  tagged('ensure-applied', { access: ClusterAccess, name: z.string().max(64), manifests: z.string().max(786_432) }),
  /** Cordon, drain (if asked), delete the Node object. */
  tagged('ensure-node-removed', { access: ClusterAccess, nodeName: z.string().max(253), drain: z.boolean() }),
  /** Removes a control plane's etcd member while quorum holds. */
  tagged('ensure-member-removed', {
    ...EtcdSeat.shape,
    /** Of a member that serves: those that have to carry on without it, which MAAS must hold for us when it goes. */
    staying: z.strictObject({ account: AccountAccess, machines: z.array(ClaimedMachine).max(7) }).optional(),
  }),
  /**
   * The cluster's own record (ConfigMap `kubeadm-config`) says this version, so that machines that join from here on get the
   * static pods of it. Nothing else of Kubernetes is changed. A lower version than it says is refused.
   */
  tagged('ensure-kubernetes-version', { access: ClusterAccess, version: KubernetesLayer.shape.version }),
  /** Signs a client certificate for a key that never leaves the asker. */
  tagged('ensure-certificate', {
    identity: SealedSecret,
    requestPem: z.string().max(8_192),
    user: z.string().max(253),
    groups: z.array(z.string().max(253)).max(16),
    ttlSeconds: z.int().min(60).max(28_800),
  }),
  /** Wraps the gateway's key for a further node; run by one that holds it (N3). */
  tagged('ensure-node-key', {
    nodeId: RelayNodeId,
    keyAgreementKey: AgreementKey,
    /** SHA-256 of the node's identity key, hex: for the people of the site to compare. */
    identityFingerprint: z.string().regex(/^[0-9a-f]{64}$/),
    keyVersion: z.int().min(1),
  }),
  /** Hands a node the gateway's key (N4). */
  tagged('ensure-gateway-key', { wrapped: WrappedGatewayKey, sealingKey: AgreementKey }),
  /**
   * This node runs the release's program (U1). Settles ok when a process of that version serves; it comes to the new process
   * again, which says so. The old one settles it when it took the place of the new one again.
   */
  tagged('ensure-relay-program', { release: SignedRelease }),
  /** Seals a copy of the gateway's key to its recovery key; run by a node that holds it (N9). */
  tagged('ensure-recovery-bundle', { recoveryKey: AgreementKey, keyVersion: z.int().min(1) }),
]);
export type CommandBody = z.infer<typeof CommandBody>;
export type Verb = CommandBody['verb'];
export type BodyOf<V extends Verb> = Extract<CommandBody, { verb: V }>;

export const CommandId = z
  .string()
  .max(200)
  .regex(/^[a-z0-9_]+(\/[a-z0-9_.-]+){4}$/)
  .brand<'command'>();
export type CommandId = z.infer<typeof CommandId>;

export const Command = z.strictObject({
  commandId: CommandId,
  scope: Scope,
  gatewayId: GatewayId,
  /** The cluster it is for; null for a command of an account or gateway. */
  clusterId: ClusterId.nullable(),
  /** What it is about: `<slot>.<attempt>` for the machine under one claim, `layer-<n>`, or `cluster`. */
  subject: z.string().max(64),
  /** Fences: a relay refuses a generation lower than the highest it has seen of the cluster. */
  generation: z.int().nonnegative(),
  /** Rises with each try of the same thing. */
  attempt: z.int().nonnegative(),
  /** Past it the command is not run, and is planned anew. */
  deadlineAt: EpochMs,
  body: CommandBody,
});
export type Command = z.infer<typeof Command>;

/** `<owner>/<subject>/<verb>/<generation>/<attempt>`. The owner is a cluster, a gateway or a request. */
export function commandIdOf(
  owner: string,
  subject: string,
  verb: Verb,
  generation: number,
  attempt: number,
): CommandId {
  return CommandId.parse(`${owner}/${subject}/${verb}/${generation}/${attempt}`);
}

const NO_MUTATIONS: ReadonlySet<Verb> = new Set<Verb>([
  'ensure-identity',
  'ensure-certificate',
  'ensure-bootstrap',
  'ensure-node-key',
  'ensure-gateway-key',
  'ensure-relay-program',
  'ensure-recovery-bundle',
]);

/** Verbs that change MAAS or Kubernetes: they need the lease, and their outcome is journalled before it is told. */
export function isMutation(verb: Verb): boolean {
  return !NO_MUTATIONS.has(verb) && !verb.startsWith('observe-');
}

export const CommandResult = z.discriminatedUnion('verb', [
  tagged('observe-account', { account: AccountFacts }),
  tagged('observe-inventory', { inventory: InventoryFacts }),
  tagged('observe-node', { checks: z.array(NodeCheck).max(NODE_CHECKS_MAX) }),
  /** Told when it is superseded. */
  tagged('observe-cluster', {}),
  tagged('ensure-identity', { identity: SealedSecret, caCertPem: z.string() }),
  tagged('ensure-address', { ip: z.ipv4() }),
  tagged('ensure-address-released', { released: z.array(z.string()) }),
  tagged('ensure-allocated', { machine: MachineFacts }),
  tagged('ensure-deployed', { machine: MachineFacts }),
  tagged('ensure-bootstrap', { fetchedAt: EpochMs }),
  /** The machines found under the claim, each asked to be released or already on its way; empty: nothing there. */
  tagged('ensure-released', {
    machines: z.array(z.strictObject({ systemId: SystemId, status: MachineFacts.shape.status })),
  }),
  tagged('ensure-applied', { applied: z.array(z.string()) }),
  tagged('ensure-node-removed', { existed: z.boolean() }),
  tagged('ensure-member-removed', { existed: z.boolean() }),
  tagged('ensure-kubernetes-version', { version: KubernetesLayer.shape.version }),
  tagged('ensure-certificate', { certificatePem: z.string(), caCertPem: z.string(), notAfter: EpochMs }),
  tagged('ensure-node-key', { wrapped: WrappedGatewayKey }),
  /** The public half of what the node holds now. */
  tagged('ensure-gateway-key', { sealingKey: AgreementKey }),
  tagged('ensure-relay-program', { version: ReleaseVersion }),
  tagged('ensure-recovery-bundle', { copy: RecoveryCopy }),
]);
export type CommandResult = z.infer<typeof CommandResult>;

const detail = z.string().max(2_000);
const failure = <C extends string, A extends z.ZodRawShape>(code: C, shape: A) =>
  z.strictObject({ code: z.literal(code), detail, ...shape });

export const CommandFailure = z.discriminatedUnion('code', [
  ...MaasFailure.options,
  failure('STALE_GENERATION', { highest: z.int() }),
  failure('CONFIGURATION_CHANGED', {}),
  failure('DEADLINE_PASSED', {}),
  failure('SECRET_UNREADABLE', {}),
  /** The site's own settings do not allow it (another MAAS than the pinned one, say). */
  failure('SITE_FORBIDS', {}),
  /** The claim on the machine isn't this one: it is not touched. */
  failure('NOT_OURS', {}),
  failure('NO_CANDIDATE_LEFT', { refused: z.record(z.string(), z.string()) }),
  /** Allocated, then found not to be what was asked; it has been given back. */
  failure('FACTS_MISMATCH', { systemId: SystemId, missed: z.string() }),
  failure('ADDRESS_TAKEN', { refused: z.record(z.string(), z.string()) }),
  failure('KUBERNETES_UNREACHABLE', {}),
  failure('KUBERNETES_REFUSED', { status: z.int(), reason: z.string() }),
  failure('DRAIN_BLOCKED', { pods: z.array(z.string()).max(100) }),
  failure('NO_QUORUM', {}),
  /** The machine to be given back is a member of its cluster's etcd: it was left as it is. */
  failure('STILL_MEMBER', {}),
  /** The relay's disk is full or broken, so it can't journal: nothing was begun. */
  failure('RELAY_STORAGE', {}),
  /** Not signed by the release key this relay pins, or other bytes than it names: nothing was run. */
  failure('RELEASE_UNTRUSTED', {}),
  /** Older than what runs; never taken, whoever signs it. */
  failure('RELEASE_OLDER', {}),
  /** Nothing in it for this relay's platform, or the console does not give it out. */
  failure('RELEASE_UNAVAILABLE', {}),
  /** The new program did not connect, or had no heartbeat for 120 s: the former serves again. */
  failure('RELEASE_ROLLED_BACK', {}),
  /** Of a later release than the relay's (C14). */
  failure('COMMAND_UNKNOWN', {}),
  failure('RELAY_BUG', {}),
]);
export type CommandFailure = z.infer<typeof CommandFailure>;

export const CommandOutcome = z.discriminatedUnion('ok', [
  z.strictObject({ ok: z.literal(true), value: CommandResult }),
  z.strictObject({ ok: z.literal(false), error: CommandFailure }),
]);
export type CommandOutcome = z.infer<typeof CommandOutcome>;
