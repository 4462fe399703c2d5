// What may never be (reliability.md §2, I1–I20; I18 in own-console.ts, I20 in upgrade-audit.ts). Each has one function; `checkNow` runs after every event, `checkQuiet` when the
// storm is over and everything has come to rest. Those that a single site in memory can't break say so in NOT_APPLICABLE.

import type { ClusterState } from '../../functions/plan/cluster-state.ts';
import { summarise } from '../../functions/plan/describe-cluster.ts';
import { isAtRest } from '../../functions/plan/waiting-on.ts';
import { CLAIM_ANNOTATION, parseClaim } from '../../shared/claim.ts';
import { GATEWAY_QUEUE_MAX } from '../../shared/limits.ts';
import type { Machine } from '../lab/maas/machine.ts';
import type { ClusterRecord } from './edge.ts';
import type { MaasAudit } from './maas-audit.ts';
import { StandingAudit } from './standing-audit.ts';
import { checkUpgradeStep } from './upgrade-audit.ts';
import { isTerminal, type StandingWish } from './wishes.ts';
import { MAAS_USER, type World } from './world.ts';

export const NOT_APPLICABLE: Readonly<Record<string, string>> = {
  I15: 'one tenant only; the API gives each row its tenant and is tried route by route in test/edge',
  I16: 'the audit chain comes with a later issue',
};

export class Invariants {
  readonly #world: World;
  readonly #audit: MaasAudit;
  readonly #standing: StandingAudit;
  #transitions = 0;
  #hasCommitted = false;
  /** Those that have a state and were not deleted. A month has a hundred clusters, and one or two of these at a time. */
  readonly #standingClusters = new Set<ClusterRecord>();

  constructor(world: World, audit: MaasAudit) {
    this.#world = world;
    this.#audit = audit;
    this.#standing = new StandingAudit(world);
    world.edge.onState = (record, before) => this.#onState(record, before);
  }

  /** After every event. What can't have changed is not looked at again. */
  checkNow(): void {
    const { transitions } = this.#world.region;
    if (transitions.length !== this.#transitions || this.#hasCommitted) {
      this.#transitions = transitions.length;
      this.#hasCommitted = false;
      this.i1EveryMachineHasItsClaim();
      this.i2OneMachineForEachClaim();
    }
    this.i9NotAtRestHasAnAlarm();
  }

  checkQuiet(wishes: readonly StandingWish[]): void {
    this.i3NothingLeakedNothingLost();
    this.i13CatalogueIsAProjection();
    this.i17QueuesAreBounded();
    this.#standing.checkQuiet();
    this.i19EverythingIsTerminal(wishes);
  }

  /** What we own stands under a claim that its cluster still knows and has not called gone. */
  i1EveryMachineHasItsClaim(): void {
    for (const machine of this.#ours()) {
      const claim = claimOfMachine(machine);
      const parts = claim === null ? null : parseClaim(claim);
      // Our key was used by a person to mark it: it has no owner then, so it does not come here.
      if (parts === null) {
        if (!isGoingBack(machine)) this.#violate('I1', `${describe(machine)} is ours and under no claim`);
        continue;
      }
      const record = this.#world.record(parts.clusterId);
      const known = record?.state?.machines.find((one) => one.claim === claim);
      const isOpen = known !== undefined && known.leaving?.goneAt == null;
      if (!isOpen && !isGoingBack(machine))
        this.#violate('I1', `${describe(machine)} is leaked: its cluster has no open claim ${claim}`);
    }
  }

  i2OneMachineForEachClaim(): void {
    const seen = new Map<string, Machine>();
    for (const machine of this.#ours()) {
      const claim = claimOfMachine(machine);
      if (claim === null || isGoingBack(machine)) continue;
      const other = seen.get(claim);
      if (other !== undefined)
        this.#violate('I2', `${describe(machine)} and ${describe(other)} stand under one claim ${claim}`);
      seen.set(claim, machine);
    }
  }

  i3NothingLeakedNothingLost(): void {
    const owned = new Set(this.#ours().map((machine) => machine.systemId));
    const held = new Set<string>();
    for (const { state } of this.#world.edge.clusters.values()) {
      for (const machine of state?.machines ?? []) {
        if (machine.held === null || machine.leaving?.goneAt != null) continue;
        held.add(machine.held.systemId);
        // A person took it, and the cluster says so: it is kept while the cluster can't do without it.
        if (machine.maas?.ours === false || machine.maas?.unowned === true) continue;
        if (!owned.has(machine.held.systemId) && machine.leaving === null && state !== null && this.#isSettled(state))
          this.#violate('I3', `${machine.held.systemId} fills slot ${machine.slot} and is not ours in MAAS`);
      }
    }
    for (const systemId of owned)
      if (!held.has(systemId)) this.#violate('I3', `${systemId} is ours in MAAS and nobody's here`);
    this.#noAddressLeaked();
  }

  i9NotAtRestHasAnAlarm(): void {
    for (const { id, host, state } of this.#standingClusters) {
      if (state === null || host.alarmAt !== null || host.alarmRunning || isAtRest(state)) continue;
      this.#violate('I9', `${id} is not at rest and has no alarm`);
    }
  }

  i13CatalogueIsAProjection(): void {
    for (const difference of catalogueBehind(this.#world)) this.#violate('I13', difference);
  }

  i17QueuesAreBounded(): void {
    const rows = this.#world.edge.gateway.storage.run('SELECT count(*) AS n FROM queue');
    this.#world.edge.gateway.storage.commit();
    if (Number(rows[0]?.n) > GATEWAY_QUEUE_MAX) this.#violate('I17', `${String(rows[0]?.n)} commands are queued`);
  }

  i19EverythingIsTerminal(wishes: readonly StandingWish[]): void {
    for (const standing of wishes) {
      if (isTerminal(standing)) continue;
      const { record } = standing;
      const waits = (record.plan?.waitingOn ?? []).map(({ code, sentence }) => `${code}: ${sentence}`).join(' | ');
      this.#violate('I19', `${record.id} has not come to an end; it waits on ${waits}`);
    }
  }

  /** Told of each state that a cluster's object commits. */
  onCommit: (before: ClusterState | null, state: ClusterState) => void = () => {};

  #onState(record: ClusterRecord, before: ClusterState | null): void {
    const { state, plan } = record;
    if (state === null || plan === null) return;
    this.#hasCommitted = true;
    if (state.deletedAt === null) this.#standingClusters.add(record);
    else this.#standingClusters.delete(record);
    this.onCommit(before, state);
    this.i10NoRevival(record, before, state);
    this.i11ReadyIsKubernetesWord(state);
    this.i12OneMemberAtATime(state);
    this.i12QuorumIsNotGivenAway(record, before, state);
    if (this.#world.gateway?.upgrade != null) checkUpgradeStep(this.#world, record, before);
    this.#audit.committed(record, state);
  }

  /** An end is final, and a generation never falls. */
  i10NoRevival(record: ClusterRecord, before: ClusterState | null, state: ClusterState): void {
    if (before === null) return;
    if (state.generation < before.generation)
      this.#violate('I10', `${record.id} fell back to generation ${state.generation}`);
    if (before.intent.kind !== 'present' && state.intent.kind !== before.intent.kind)
      this.#violate('I10', `${record.id} is ${state.intent.kind} again after ${before.intent.kind}`);
    if (before.deletedAt !== null && state.deletedAt === null)
      this.#violate('I10', `${record.id} is back from the dead`);
    for (const { claim, leaving } of before.machines) {
      const now = state.machines.find((machine) => machine.claim === claim);
      if (leaving === null || now === undefined || now.leaving?.since === leaving.since) continue;
      this.#violate('I10', `${claim} was given up and ${now.leaving === null ? 'is back' : 'is given up anew'}`);
    }
  }

  i11ReadyIsKubernetesWord(state: ClusterState): void {
    for (const machine of state.machines) {
      if (machine.readyAt === null || machine.held === null) continue;
      const said = this.#world.kubernetes.everReady.has(machine.held.hostname);
      if (!said) this.#violate('I11', `${machine.held.hostname} is called Ready, and Kubernetes never said so`);
    }
  }

  /** At most one machine is joining the control plane. */
  i12OneMemberAtATime(state: ClusterState): void {
    const joining = state.machines.filter(
      ({ role, document, readyAt, leaving }) =>
        role === 'control-plane' && document !== null && readyAt === null && leaving === null,
    );
    if (joining.length > 1) this.#violate('I12', `${joining.map(({ slot }) => slot).join(' and ')} join at once`);
  }

  /** By what is known of etcd: a member that goes leaves a quorum of those that stay (CP7). etcd itself would refuse, late. */
  i12QuorumIsNotGivenAway(record: ClusterRecord, before: ClusterState | null, state: ClusterState): void {
    if (before === null || state.intent.kind !== 'present' || state.etcd === null) return;
    const voters = state.etcd.members.filter(({ learner }) => !learner);
    for (const { claim, held, leaving } of state.machines) {
      const known = before.machines.find((machine) => machine.claim === claim);
      if (leaving === null || leaving.memberRemoved || known === undefined || known.leaving !== null) continue;
      const left = voters.filter(({ name }) => name !== held?.hostname);
      const healthy = left.filter((member) => member.healthy).length;
      if (left.length > 0 && healthy < Math.floor(left.length / 2) + 1)
        this.#violate('I12', `${record.id} gives up ${claim} with ${healthy} of ${left.length} members healthy`);
    }
  }

  #noAddressLeaked(): void {
    for (const address of this.#world.region.addresses) {
      if (address.owner !== MAAS_USER) continue;
      const held = [...this.#world.edge.clusters.values()].some(
        ({ state }) => state !== null && state.deletedAt === null && state.address !== null,
      );
      if (!held) this.#violate('I3', `address ${address.ip} is reserved for nobody`);
    }
  }

  #isSettled(state: ClusterState): boolean {
    return state.failure === null && isAtRest(state);
  }

  #ours(): Machine[] {
    return [...this.#world.region.machines.values()].filter((machine) => machine.owner === MAAS_USER);
  }

  #violate(rule: string, what: string): void {
    this.#world.site.violate(rule, what);
  }
}

/** Where the catalogue's row is not what the object would write now. */
export function catalogueBehind({ edge }: World): string[] {
  return [...edge.clusters.values()].flatMap(({ id, state }) => {
    if (state === null) return [];
    const row = edge.catalogue.get(id);
    const wanted = summarise(state, 0);
    return (['phase', 'machinesReady', 'machinesWanted', 'provisionedAt'] as const)
      .filter((field) => row?.[field] !== wanted[field])
      .map(
        (field) => `${id}: the catalogue says ${field}=${String(row?.[field])}, the object ${String(wanted[field])}`,
      );
  });
}

export function claimOfMachine(machine: Machine): string | null {
  const claim = machine.annotations[CLAIM_ANNOTATION] ?? '';
  if (claim !== '') return claim;
  return machine.agentName === '' ? null : machine.agentName;
}

/** MAAS is taking it back by itself. */
export const isGoingBack = (machine: Machine): boolean =>
  machine.status === 'Releasing' || machine.status === 'Disk erasing';

const describe = (machine: Machine): string => `${machine.systemId} (${machine.hostname}, ${machine.status})`;
