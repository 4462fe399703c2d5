// Pure. Folds what the relay saw into the state. Each fact is about one subject and the newest one counts, so repeats and
// old ones change nothing (SPEC.md [CL2]).
import type { ClusterFact } from '../../shared/observation.ts';
import { assertNever } from '../../shared/result.ts';
import { type ClusterState, isOpen, type MachineRecord, withMachine } from './cluster-state.ts';

type FactOf<K extends ClusterFact['kind']> = Extract<ClusterFact, { kind: K }>;

/** Null when the fact says nothing new: about no machine of ours, older than what is known, or the same. */
export function applyFact(state: ClusterState, fact: ClusterFact, at: number): ClusterState | null {
  switch (fact.kind) {
    case 'machine':
      return onMachine(state, fact, (machine) => seenInMaas(machine, fact, at));
    case 'enrolled':
      return onMachine(state, fact, (machine) =>
        machine.enrolled === null ? { ...machine, enrolled: { address: fact.address, at } } : null,
      );
    case 'document-fetched':
      return onMachine(state, fact, (machine) =>
        machine.document === null || machine.document.fetchedAt !== null
          ? null
          : { ...machine, document: { ...machine.document, fetchedAt: at } },
      );
    case 'step':
      return onMachine(state, fact, (machine) => withStep(machine, fact, at));
    case 'api-server':
      return begun(apiSeen(state, fact, at), at);
    case 'node':
      return begun(nodeSeen(state, fact, at), at);
    case 'etcd-members':
      return etcdSeen(state, fact, at);
    case 'inventory-changed':
      if (state.inventory === null || state.inventory.stale) return null;
      return { ...state, inventory: { ...state.inventory, stale: true } };
    case 'maas':
      return maasSeen(state, fact, at);
    case 'trying-again':
      return triedAgain(state, fact, at);
    default:
      return assertNever(fact);
  }
}

function onMachine(
  state: ClusterState,
  fact: { claim: string; systemId: string },
  change: (machine: MachineRecord) => MachineRecord | null,
): ClusterState | null {
  const machine = state.machines.find((candidate) => candidate.claim === fact.claim);
  if (machine === undefined || machine.held?.systemId !== fact.systemId) return null;
  const changed = change(machine);
  return changed === null ? null : withMachine(state, changed);
}

function seenInMaas(machine: MachineRecord, fact: FactOf<'machine'>, at: number): MachineRecord | null {
  const known = machine.maas;
  const now = {
    status: fact.facts?.status ?? null,
    ours: fact.ours && fact.facts !== null,
    unowned: fact.facts !== null && fact.facts.owner === null,
    detail: (fact.facts?.errorDescription ?? '').slice(0, 500),
  };
  const same =
    known !== null && known.status === now.status && known.ours === now.ours && known.unowned === now.unowned;
  return { ...machine, maas: { ...now, since: same ? known.since : at, at } };
}

/** `started` of a new attempt replaces the older attempt; an end without a start is a start whose report was lost. */
function withStep(machine: MachineRecord, fact: FactOf<'step'>, at: number): MachineRecord | null {
  const known = machine.steps.find((step) => step.name === fact.step);
  if (known !== undefined) {
    if (fact.attempt < known.attempt) return null;
    if (fact.attempt === known.attempt && (known.outcome !== 'started' || fact.outcome === 'started')) return null;
  }
  const startedAt = known !== undefined && known.attempt === fact.attempt ? known.startedAt : at;
  const step = {
    name: fact.step,
    outcome: fact.outcome,
    attempt: fact.attempt,
    startedAt,
    endedAt: fact.outcome === 'started' ? null : at,
    log: fact.log,
  };
  const others = machine.steps.filter((other) => other.name !== fact.step);
  const steps = known === undefined ? [...others, step] : machine.steps.map((old) => (old === known ? step : old));
  return { ...machine, steps };
}

function apiSeen(state: ClusterState, fact: FactOf<'api-server'>, at: number): ClusterState | null {
  const known = state.api;
  if (known !== null && known.ready === fact.ready && known.detail === fact.detail) return null;
  const since = known !== null && known.ready === fact.ready ? known.since : at;
  const firstReadyAt = known?.firstReadyAt ?? null;
  return { ...state, api: { ready: fact.ready, since, detail: fact.detail, firstReadyAt } };
}

/** An answer alone may be that of a machine which was given back and still runs: a node of ours proves it ([CP2]). */
function begun(state: ClusterState | null, at: number): ClusterState | null {
  if (state === null || state.api === null || state.api.firstReadyAt !== null || !isOpen(state)) return state;
  return { ...state, api: { ...state.api, firstReadyAt: at } };
}

function etcdSeen(state: ClusterState, fact: FactOf<'etcd-members'>, at: number): ClusterState | null {
  const members = fact.members.map(({ name, healthy, learner }) => ({ name, healthy, learner }));
  if (state.etcd !== null && JSON.stringify(state.etcd.members) === JSON.stringify(members)) return null;
  return { ...state, etcd: { members, at } };
}

function nodeSeen(state: ClusterState, fact: FactOf<'node'>, at: number): ClusterState | null {
  const known = state.nodes[fact.name];
  const { present, ready, internalIp, reason } = fact;
  if (!present && known === undefined) return null;
  const same = known !== undefined && known.present === present && known.ready === ready;
  if (same && known.internalIp === internalIp && known.reason === reason) return null;
  const node = { present, ready, internalIp, reason, since: same ? known.since : at };
  const machine = state.machines.find((candidate) => candidate.held?.hostname === fact.name && !candidate.leaving);
  const first = present && ready && machine !== undefined && machine.readyAt === null;
  const seen = { ...state, nodes: { ...state.nodes, [fact.name]: node } };
  return first ? withMachine(seen, { ...machine, readyAt: at }) : seen;
}

/** News is another code, or that it is over: the same failure in other words is not. */
function maasSeen(state: ClusterState, { failure }: FactOf<'maas'>, at: number): ClusterState | null {
  if (state.maas !== null && state.maas.failure?.code === failure?.code) return null;
  return { ...state, maas: { failure, since: at } };
}

/** Of a command that is waited for; of any other it is late. */
function triedAgain(state: ClusterState, fact: FactOf<'trying-again'>, at: number): ClusterState | null {
  const [key, pending] = Object.entries(state.pending).find(([, { commandId }]) => commandId === fact.commandId) ?? [];
  if (key === undefined || pending === undefined || pending.tryingAgain?.code === fact.failure?.code) return null;
  const tryingAgain = fact.failure === null ? null : { ...fact.failure, since: at };
  return { ...state, pending: { ...state.pending, [key]: { ...pending, tryingAgain } } };
}
