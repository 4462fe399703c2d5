// Pure. Folds the outcome of a command into the state. An outcome of a command that nobody waits for is stale, but for one:
// an allocate that was withdrawn may still tell which machine it took (SPEC.md [CL3], [DE4]).
import type { CommandFailure, CommandId, CommandOutcome, CommandResult } from '../../shared/command.ts';
import { assertNever } from '../../shared/result.ts';
import { type ClusterState, type Leaving, type MachineRecord, subjectOf, withMachine } from './cluster-state.ts';
import { type CommandName, commandNameOf, pendingKey } from './command-name.ts';
import { versionTold } from './gateway-rollout.ts';
import { withoutStrays } from './plan-strays.ts';

/** Null when nobody waits for it. */
export function applyOutcome(
  state: ClusterState,
  commandId: CommandId,
  outcome: CommandOutcome,
  at: number,
): ClusterState | null {
  const name = commandNameOf(commandId);
  if (name === null || name.owner !== state.clusterId) return null;
  const key = pendingKey(name.subject, name.verb);
  const asked = state.pending[key];
  if (asked?.commandId !== commandId) return lateOutcome(state, name, outcome, at);
  const { [key]: _settled, ...pending } = state.pending;
  // The plan takes a document back that was fetched, and with it what is pending ([CP11]).
  const isTakenBack = outcome.ok && name.verb === 'ensure-bootstrap';
  const settled = isTakenBack ? state : { ...state, pending };
  if (outcome.ok) {
    const { [key]: _over, ...troubles } = state.troubles;
    return onSuccess({ ...settled, troubles }, name, outcome.value, { at, sentAt: asked.sentAt });
  }
  return onFailure(withTrouble(settled, key, outcome.error, at), name, outcome.error, at);
}

export function withTrouble(state: ClusterState, key: string, error: CommandFailure, at: number): ClusterState {
  const before = state.troubles[key];
  const same = before !== undefined && before.code === error.code;
  const trouble = {
    code: error.code,
    detail: error.detail,
    failures: (before?.failures ?? 0) + 1,
    since: same ? before.since : at,
    at,
    retryAfterMs: error.code === 'MAAS_BUSY' ? error.retryAfterMs : 0,
    systemId: error.code === 'FACTS_MISMATCH' ? error.systemId : null,
  };
  return { ...state, troubles: { ...state.troubles, [key]: trouble } };
}

type Told = { readonly at: number; readonly sentAt: number };

function onSuccess(state: ClusterState, name: CommandName, value: CommandResult, told: Told): ClusterState {
  const { at } = told;
  const machine = state.machines.find((candidate) => subjectOf(candidate) === name.subject);
  const onMachine = (change: (machine: MachineRecord) => MachineRecord): ClusterState =>
    machine === undefined ? state : withMachine(state, change(machine));
  switch (value.verb) {
    case 'observe-inventory':
      return { ...state, inventory: { facts: onlyReady(value.inventory), at, stale: false } };
    case 'ensure-identity':
      return { ...state, identity: { sealed: value.identity, caCertPem: value.caCertPem } };
    case 'ensure-address':
      if (state.address === null) return state;
      return { ...state, address: { ...state.address, ip: value.ip, doubt: stillInDoubt(state.address.doubt) } };
    case 'ensure-address-released':
      return state.address === null ? state : { ...state, address: { ...state.address, releasedAt: at } };
    case 'ensure-allocated':
      return machine === undefined ? state : allocated(state, machine, value.machine, at);
    case 'ensure-deployed':
      return onMachine((record) => deployAccepted(record, value.machine.status, at));
    case 'ensure-bootstrap':
      return onMachine((record) =>
        record.document === null || record.document.fetchedAt !== null
          ? record
          : { ...record, document: { ...record.document, fetchedAt: at } },
      );
    case 'ensure-released':
      return onMachine((record) => released(record, value.machines, told));
    case 'ensure-applied':
      return { ...state, layersApplied: [...state.layersApplied, name.subject] };
    case 'ensure-node-removed':
      if (name.subject === 'cluster') return withoutStrays(state, value.verb);
      return onMachine((record) => leavingWith(record, { nodeRemoved: true }));
    case 'ensure-member-removed':
      if (name.subject === 'cluster') return withoutStrays(state, value.verb);
      return onMachine((record) => leavingWith(record, { memberRemoved: true }));
    case 'ensure-kubernetes-version':
      return versionTold(state, value.version, at);
    case 'observe-cluster':
      return { ...state, watching: null };
    case 'observe-account':
    case 'observe-node':
    case 'ensure-certificate':
    case 'ensure-node-key':
    case 'ensure-gateway-key':
    case 'ensure-relay-program':
    case 'ensure-recovery-bundle':
      return state;
    default:
      return assertNever(value);
  }
}

function onFailure(state: ClusterState, name: CommandName, error: CommandFailure, at: number): ClusterState {
  const unknown = error.code === 'MAAS_UNKNOWN_OUTCOME';
  if (name.verb === 'observe-cluster') return { ...state, watching: null };
  if (name.verb === 'ensure-address' && state.address !== null && unknown) {
    return { ...state, address: { ...state.address, doubt: { kind: 'unknown-outcome', at } } };
  }
  const machine = state.machines.find((candidate) => subjectOf(candidate) === name.subject);
  if (machine === undefined) return state;
  if ((name.verb === 'ensure-allocated' || name.verb === 'ensure-deployed') && unknown) {
    return withMachine(state, { ...machine, doubt: { kind: 'unknown-outcome', at } });
  }
  if (name.verb === 'ensure-released' && machine.leaving !== null) {
    return withMachine(state, notReleased(machine, machine.leaving, error));
  }
  return state;
}

function notReleased(machine: MachineRecord, leaving: Leaving, { code }: CommandFailure): MachineRecord {
  // It joined after etcd had been asked: it leaves etcd and Kubernetes once more ([CP5]).
  if (code === 'STILL_MEMBER') return leavingWith(machine, { memberRemoved: false, nodeRemoved: false });
  // Etcd could not be asked, so neither was MAAS.
  if (code === 'KUBERNETES_UNREACHABLE' || code === 'KUBERNETES_REFUSED') return machine;
  return leavingWith(machine, { tries: leaving.tries + 1 });
}

function lateOutcome(state: ClusterState, name: CommandName, outcome: CommandOutcome, at: number): ClusterState | null {
  if (!outcome.ok && outcome.error.code === 'MAAS_UNKNOWN_OUTCOME') return lateDoubt(state, name, at);
  const machine = state.machines.find((candidate) => subjectOf(candidate) === name.subject);
  if (name.verb !== 'ensure-allocated' || machine?.doubt?.kind !== 'withdrawn') return null;
  if (!outcome.ok) return withMachine(state, { ...machine, doubt: null });
  if (outcome.value.verb !== 'ensure-allocated') return null;
  return allocated(state, machine, outcome.value.machine, at);
}

/** It was withdrawn while MAAS may have been serving it: what it asks for may come yet. */
function lateDoubt(state: ClusterState, name: CommandName, at: number): ClusterState | null {
  const doubt = { kind: 'unknown-outcome' as const, at };
  const { address } = state;
  if (name.verb === 'ensure-address')
    return address?.doubt == null ? null : { ...state, address: { ...address, doubt } };
  const machine = state.machines.find((candidate) => subjectOf(candidate) === name.subject);
  if (machine === undefined) return null;
  const isWithdrawn = name.verb === 'ensure-allocated' ? machine.doubt !== null : machine.leaving !== null;
  const takes = name.verb === 'ensure-allocated' || name.verb === 'ensure-deployed';
  return takes && isWithdrawn ? withMachine(state, { ...machine, doubt }) : null;
}

type Facts = Extract<CommandResult, { verb: 'ensure-allocated' }>['machine'];

/** What Kubernetes last said of a node by this name was about the machine's life before. */
function allocated(state: ClusterState, machine: MachineRecord, facts: Facts, at: number): ClusterState {
  const nodes = Object.entries(state.nodes).filter(([name]) => machine.held !== null || name !== facts.hostname);
  return withMachine({ ...state, nodes: Object.fromEntries(nodes) }, holding(machine, facts, at));
}

function holding(record: MachineRecord, facts: Facts, at: number): MachineRecord {
  const held = { systemId: facts.systemId, hostname: facts.hostname, zone: facts.zone, at };
  // A machine that came although it is given back already: asked for again, now that it is known.
  const leaving = record.leaving === null ? null : { ...record.leaving, askedAt: null, goneAt: null };
  return { ...record, held, doubt: stillInDoubt(record.doubt), leaving, maas: seenNow(facts.status, at) };
}

/** Having it ends what is known of a withdrawn request only: another may be served after it is given back (C12). */
function stillInDoubt<D extends { readonly kind: string }>(doubt: D | null): D | null {
  return doubt?.kind === 'unknown-outcome' ? doubt : null;
}

function seenNow(status: Facts['status'], at: number): MachineRecord['maas'] {
  return { status, ours: true, unowned: false, detail: '', since: at, at };
}

function deployAccepted(record: MachineRecord, status: Facts['status'], at: number): MachineRecord {
  if (record.deploy === null) return record;
  const maas = record.maas !== null && record.maas.at > record.deploy.sentAt ? record.maas : seenNow(status, at);
  return { ...record, maas, deploy: { ...record.deploy, acceptedAt: at } };
}

type Found = Extract<CommandResult, { verb: 'ensure-released' }>['machines'];

/** What was found under the claim: nothing, or machines that MAAS is taking back. */
function released(record: MachineRecord, found: Found, { at, sentAt }: Told): MachineRecord {
  const machine = found.find((candidate) => candidate.systemId === record.held?.systemId) ?? found[0];
  if (machine === undefined) {
    return { ...leavingWith(record, { askedAt: at }), maas: { ...gone(at), since: at } };
  }
  const { systemId } = machine;
  const held = record.held?.systemId === systemId ? record.held : { systemId, hostname: systemId, zone: '', at };
  const free = machine.status === 'ready' || machine.status === 'new';
  // Found after a withdrawn allocate: that one call took this one machine, and no other can come.
  const doubt = record.doubt?.kind === 'withdrawn' ? null : record.doubt;
  const maas = free ? { ...gone(at), status: machine.status, since: at } : seenNow(machine.status, at);
  return { ...leavingWith(record, { askedAt: at }), held, doubt, maas: seenSince(record, systemId, sentAt) ?? maas };
}

/** A report that a cut or a full disk has held up is older than what the poll has seen since, which is not told again. */
function seenSince(record: MachineRecord, systemId: string, sentAt: number): MachineRecord['maas'] {
  const { held, leaving, maas, doubt } = record;
  if (maas === null || leaving === null || held?.systemId !== systemId) return null;
  if (!maas.ours || (maas.unowned && (maas.status === 'ready' || maas.status === 'new'))) {
    // It may have come anew by a request that was served late; if it did not, the next look finds nothing.
    return maas.at >= leaving.since && stillInDoubt(doubt) === null ? maas : null;
  }
  return maas.at > sentAt ? maas : null;
}

function gone(at: number): NonNullable<MachineRecord['maas']> {
  return { status: null, ours: false, unowned: true, detail: '', since: at, at };
}

function leavingWith(record: MachineRecord, change: Partial<NonNullable<MachineRecord['leaving']>>): MachineRecord {
  return record.leaving === null ? record : { ...record, leaving: { ...record.leaving, ...change } };
}

type Inventory = Extract<CommandResult, { verb: 'observe-inventory' }>['inventory'];

/** Only unowned Ready machines can be chosen, and addresses of the others show which subnet nodes live in. */
function onlyReady(inventory: Inventory): Inventory {
  return {
    ...inventory,
    machines: inventory.machines.filter(
      (machine) => (machine.status === 'ready' && machine.owner === null) || machine.addresses.length > 0,
    ),
  };
}
