// Pure. The cluster as the API shows it: phases are derived here, from what is known.
import type { ClusterPhase, ClusterSummary, ClusterView, MachineView, SlotPhase } from '../../shared/cluster-view.ts';
import type { Waits } from '../../shared/limits.ts';
import { conditionsOf } from './cluster-conditions.ts';
import {
  type ClusterState,
  currentMachines,
  isReady,
  type MachineRecord,
  nodeOf,
  type PlannedSlot,
  slotsOf,
} from './cluster-state.ts';
import { servesFirst, slotsServing } from './gateway-relays.ts';
import { expandsFirst } from './gateway-rollout.ts';
import { resolveProfile } from './resolve-profile.ts';
import { waitingOn } from './waiting-on.ts';

export function describeCluster(state: ClusterState, now: number, waits: Waits): ClusterView {
  const { spec, address } = state;
  const profile = resolveProfile(state.profile, spec.parameters);
  return {
    id: state.clusterId,
    name: spec.name,
    description: spec.description,
    tags: spec.tags,
    phase: phaseOf(state),
    failure: state.failure === null ? null : { code: state.failure.code, message: state.failure.message },
    gatewayId: state.gatewayId,
    accountId: state.account.accountId,
    generation: state.generation,
    createdAt: state.createdAt,
    provisionedAt: state.provisionedAt,
    deletedAt: state.deletedAt,
    endpoint: address === null || address.ip === null ? null : { host: address.fqdn, ip: address.ip, port: 6443 },
    kubernetesVersion: profile.ok ? profile.value.kubernetes.version : '',
    spec,
    machines: slotsOf(spec).flatMap((planned) => describeSlot(state, planned)),
    waitingOn: waitingOn(state, now, waits),
    conditions: conditionsOf(state),
  };
}

export function summarise(state: ClusterState, now: number): ClusterSummary {
  const ready = new Set(currentMachines(state).flatMap((machine) => (isReady(state, machine) ? machine.slot : [])));
  return {
    id: state.clusterId,
    name: state.spec.name,
    description: state.spec.description,
    tags: state.spec.tags,
    phase: phaseOf(state),
    gatewayId: state.gatewayId,
    accountId: state.account.accountId,
    machinesReady: ready.size,
    machinesWanted: slotsOf(state.spec).length,
    createdAt: state.createdAt,
    provisionedAt: state.provisionedAt,
    updatedAt: now,
  };
}

export function phaseOf(state: ClusterState): ClusterPhase {
  if (state.deletedAt !== null) return 'deleted';
  if (state.intent.kind === 'aborted') return 'aborting';
  if (state.intent.kind === 'deleted') return 'deleting';
  if (state.failure !== null) return 'failed';
  if (state.queued !== null) return 'queued';
  if (state.provisionedAt === null) return currentMachines(state).length > 0 ? 'provisioning' : 'pending';
  const { growing, rolling } = state;
  if (!serves(state) || state.api?.ready !== true) return 'degraded';
  return growing === null && rolling === null ? 'running' : 'updating';
}

/** A gateway that grows serves with those of before, and one whose machines are replaced may miss the one that is ([GW6], [RO6]). */
function serves(state: ClusterState): boolean {
  const { growing, rolling } = state;
  if (growing !== null) return servesFirst(state, growing.from);
  const wanted = slotsOf(state.spec).length;
  const missing = rolling === null || expandsFirst(state) ? 0 : 1;
  return slotsServing(state, wanted) >= wanted - missing;
}

/** The machine that fills the slot, or the last one on its way back; both while one takes the place of the other ([RO4]). */
function describeSlot(state: ClusterState, { slot, pool }: PlannedSlot): MachineView[] {
  const filling = currentMachines(state).filter((machine) => machine.slot === slot);
  const last = state.machines.findLast((machine) => machine.slot === slot) ?? null;
  const shown = filling.length > 0 ? filling : [last];
  return shown.map((machine) => describeMachine(state, slot, pool, machine));
}

function describeMachine(
  state: ClusterState,
  slot: string,
  { name: pool, role }: PlannedSlot['pool'],
  machine: MachineRecord | null,
): MachineView {
  const { phase, since } = slotPhaseOf(state, machine);
  const node = machine === null ? null : nodeOf(state, machine);
  return {
    slot,
    pool,
    role,
    attempt: machine?.attempt ?? 0,
    phase,
    phaseSince: since,
    systemId: machine?.held?.systemId ?? null,
    hostname: machine?.held?.hostname ?? null,
    zone: machine?.held?.zone ?? null,
    address: machine?.enrolled?.address ?? node?.internalIp ?? null,
    maasStatus: machine?.maas?.status ?? null,
    nodeName: node?.present === true ? (machine?.held?.hostname ?? null) : null,
    steps: machine?.steps ?? [],
  };
}

/** Where a slot's machine is on its way, and since when. */
export function slotPhaseOf(
  state: ClusterState,
  machine: MachineRecord | null,
): { readonly phase: SlotPhase; readonly since: number } {
  if (machine === null) return { phase: 'planned', since: state.createdAt };
  const { leaving, held, deploy, enrolled, document, readyAt, chosenAt } = machine;
  if (leaving !== null) {
    if (leaving.goneAt !== null) return { phase: 'released', since: leaving.goneAt };
    const drains = leaving.drain && !leaving.nodeRemoved;
    return { phase: drains ? 'draining' : 'releasing', since: leaving.since };
  }
  const node = nodeOf(state, machine);
  if (readyAt !== null) {
    return { phase: isReady(state, machine) ? 'ready' : 'not-ready', since: node?.since ?? readyAt };
  }
  if (held === null) return { phase: 'claiming', since: chosenAt };
  if (deploy === null) return { phase: 'allocated', since: held.at };
  if (enrolled === null) return { phase: 'deploying', since: deploy.sentAt };
  if (document === null || document.fetchedAt === null) return { phase: 'enrolled', since: enrolled.at };
  if (node?.present === true) return { phase: 'joining', since: node.since };
  return { phase: 'bootstrapping', since: document.fetchedAt };
}
