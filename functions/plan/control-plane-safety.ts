// Pure. May a control-plane member be added or taken away now? (SPEC.md [CP3]-[CP7]; kubernetes.md §2.2; features §3.1-3.2)
import { WHOLE_BOOTSTRAP } from '../../shared/enrolment.ts';
import type { Waits } from '../../shared/limits.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import { type ClusterState, currentMachines, isReady, type MachineRecord, nodeOf } from './cluster-state.ts';
import { deadlineOf, hasPassed } from './deadlines.ts';
import { JOIN_STEP } from './document-kind.ts';

export type Unsafe = {
  readonly reason: string;
  /** When it may look different though nothing is learned; null when only a fact can change it. */
  readonly lookAt: number | null;
};

/** A relay that can't read etcd's members says nothing of them: after this long, Ready nodes have to do. */
const ETCD_SILENCE_MS = 30_000;

/** One at a time: every member that began is Ready, and etcd calls all of them healthy and none a learner. */
export function mayAddMember(state: ClusterState, now: number, waits: Waits): Result<null, Unsafe> {
  const wait = (reason: string, lookAt: number | null = null): Result<null, Unsafe> => err({ reason, lookAt });
  if (state.api?.ready !== true) return wait('the Kubernetes API to answer');
  // It would be given the static pods of the old version ([RO3]).
  if (state.rolling?.toldAt === null) return wait('Kubernetes to take its new version');
  const going = leavingMembers(state)[0];
  if (going !== undefined) return wait(`${nameOf(going)} to be removed from the control plane`);
  const begun = membersOf(state);
  if (begun.length === 0) return wait('the first control-plane machine');
  const behind = begun.find((machine) => !isReady(state, machine));
  if (behind !== undefined) return wait(`${nameOf(behind)} to be Ready`);
  // A single member agrees with itself: that the API answers is proof enough.
  if (begun.length === 1) return ok(null);
  if (state.etcd !== null) return etcdSettled(state.etcd.members, begun.length);
  const last = Math.max(...begun.map((machine) => nodeOf(state, machine)?.since ?? now));
  const lookAt = deadlineOf(state, last, Math.min(ETCD_SILENCE_MS, waits.leaseGuardMs), waits);
  return hasPassed(lookAt, now) ? ok(null) : wait('etcd to say that its members are healthy', lookAt);
}

function etcdSettled(known: NonNullable<ClusterState['etcd']>['members'], begun: number): Result<null, Unsafe> {
  const bad = known.find((member) => !member.healthy || member.learner);
  if (bad !== undefined) {
    return err({ reason: `etcd member ${bad.name} to be ${bad.learner ? 'promoted' : 'healthy'}`, lookAt: null });
  }
  if (known.length === begun) return ok(null);
  return err({ reason: `etcd to have ${begun} members (it has ${known.length})`, lookAt: null });
}

/**
 * While etcd has quorum to take it out, and keeps quorum without it; and nobody else is on the way out but one that serves until
 * then. Before the cluster has begun there is no quorum to keep.
 */
export function mayRemoveMember(state: ClusterState, machine: MachineRecord): Result<null, Unsafe> {
  if (!wasMember(state, machine)) return ok(null);
  const going = leavingMembers(state).find((other) => !servesOn(other));
  if (going !== undefined) return err({ reason: `${nameOf(going)} to be removed first`, lookAt: null });
  if (state.api?.ready !== true) return err({ reason: 'the Kubernetes API to answer', lookAt: null });
  const { voters, healthy, isVoter, isHealthy } = votersAround(state, machine);
  const nowEnough = healthy + (isHealthy ? 1 : 0) >= quorumOf(voters);
  const thenEnough = healthy >= quorumOf(voters - (isVoter ? 1 : 0));
  if (nowEnough && thenEnough) return ok(null);
  const reason = `quorum: ${healthy} of ${voters} etcd members are healthy without ${nameOf(machine)}`;
  return err({ reason, lookAt: null });
}

const quorumOf = (voters: number): number => Math.floor(voters / 2) + 1;

/** It has been told to begin or to join a cluster that has begun: it may be a member of etcd. */
export function wasMember(state: ClusterState, machine: MachineRecord): boolean {
  return machine.role === 'control-plane' && machine.document !== null && state.api?.firstReadyAt != null;
}

/**
 * Until when one that was told to join may begin to be a member; 0 when it can't, or is one for good. No join begins after its token
 * has ended, and the token is made when the document is fetched: how long a join takes is in the time to join, as the token is.
 */
export function joinsUntil({ role, document, steps, leaving }: MachineRecord, waits: Waits): number {
  if (role !== 'control-plane' || document?.kind !== 'join' || steps.some(endsJoin)) return 0;
  // A fetch that nobody told of was before the document was withdrawn.
  return (document.fetchedAt ?? leaving?.since ?? document.sentAt) + waits.joinDeadlineMs;
}

const endsJoin = ({ name, outcome }: MachineRecord['steps'][number]): boolean =>
  (name === WHOLE_BOOTSTRAP && outcome !== 'started') || (name === JOIN_STEP && outcome === 'succeeded');

/** Addresses of the members beside `machine`: one of them is asked to remove a dead one. */
export function peersOf(state: ClusterState, machine: MachineRecord | null): string[] {
  return membersOf(state)
    .filter((other) => other.claim !== machine?.claim)
    .flatMap((other) => nodeOf(state, other)?.internalIp ?? other.enrolled?.address ?? [])
    .slice(0, 7);
}

/** Those that were told to begin or to join, and stay. */
export function membersOf(state: ClusterState): MachineRecord[] {
  return currentMachines(state).filter(({ role, document }) => role === 'control-plane' && document !== null);
}

function leavingMembers(state: ClusterState): MachineRecord[] {
  return state.machines.filter(
    ({ role, leaving }) =>
      role === 'control-plane' && leaving !== null && !(leaving.memberRemoved && leaving.nodeRemoved),
  );
}

/** It goes though it serves ([RO5]), and etcd counts on it yet. */
const servesOn = ({ leaving }: MachineRecord): boolean => leaving?.drain === true && !leaving.memberRemoved;

/** Members on their way out that do not serve, and are not out of etcd. */
export function failedMembersGoing(state: ClusterState): MachineRecord[] {
  return leavingMembers(state).filter(({ leaving }) => leaving?.drain === false && !leaving.memberRemoved);
}

type Voters = {
  readonly voters: number;
  /** Those that are healthy beside the machine. */
  readonly healthy: number;
  readonly isVoter: boolean;
  readonly isHealthy: boolean;
};

function votersAround(state: ClusterState, victim: MachineRecord): Voters {
  const name = victim.held?.hostname;
  if (state.etcd !== null && state.etcd.members.length > 0) {
    const voting = state.etcd.members.filter((member) => !member.learner);
    const own = voting.find((member) => member.name === name);
    // A machine that was given back and still runs may be in etcd; it is not asked, so nothing rests on it.
    const counted = [...membersOf(state), ...leavingMembers(state).filter(servesOn)];
    const others = new Set(counted.flatMap(({ held }) => (held === null ? [] : held.hostname)));
    const healthy = voting.filter((member) => member.healthy && member.name !== name && others.has(member.name)).length;
    return { voters: voting.length, healthy, isVoter: own !== undefined, isHealthy: own?.healthy === true };
  }
  const others = membersOf(state).filter((machine) => machine.claim !== victim.claim && machine.readyAt !== null);
  const isVoter = victim.readyAt !== null || nodeOf(state, victim)?.present === true;
  const healthy = others.filter((machine) => isReady(state, machine)).length;
  return { voters: others.length + (isVoter ? 1 : 0), healthy, isVoter, isHealthy: isReady(state, victim) };
}

const nameOf = (machine: MachineRecord): string => machine.held?.hostname ?? machine.slot;
