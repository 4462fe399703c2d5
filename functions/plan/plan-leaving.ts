// Pure. Machines on their way back: out of etcd and Kubernetes when the cluster lives on, then out of MAAS, and not gone
// before MAAS says so (SPEC.md [DE2]-[DE5], [CP5], [WK2]).
import { doubling } from '../../shared/backoff.ts';
import type { EtcdSeat } from '../../shared/command.ts';
import { DRAIN_DEADLINE_MS, ERASE_DEADLINE_MS, RELEASE_TRIES_MAX } from '../../shared/limits.ts';
import {
  type ClusterState,
  type Leaving,
  type MachineRecord,
  nodeOf,
  subjectOf,
  withMachine,
} from './cluster-state.ts';
import { ask } from './command-for.ts';
import { failedMembersGoing, joinsUntil, membersOf, peersOf, wasMember } from './control-plane-safety.ts';
import { doubtUntil } from './deadlines.ts';
import { type Draft, forget } from './draft.ts';
import { keepsLastRelay, needsOutsideRelay, revokeRelays } from './gateway-relays.ts';
import { accessOf } from './plan-control-plane.ts';

export function planLeaving(draft: Draft): void {
  revokeRelays(draft);
  for (const { claim } of draft.state.machines.filter(({ leaving }) => leaving !== null)) {
    const machine = draft.state.machines.find((candidate) => candidate.claim === claim);
    if (machine === undefined || machine.leaving === null) continue;
    removeFromCluster(draft, machine, machine.leaving);
    if (isOut(machine, machine.leaving)) release(draft, machine, machine.leaving);
    settleGone(draft, claim);
  }
}

/** MAAS may be asked: etcd counts on it no more, and of one that goes as planned nothing runs on it either. */
function isOut({ role }: MachineRecord, { memberRemoved, nodeRemoved, drain }: Leaving): boolean {
  if (drain && !nodeRemoved) return false;
  return role === 'worker' || memberRemoved;
}

/**
 * etcd first, while quorum holds; then the Node. The replacement joins only after both (kubernetes.md §2.2). One that serves is
 * drained while its own API server still answers its kubelet, so it leaves etcd last ([RO5]).
 */
function removeFromCluster(draft: Draft, machine: MachineRecord, leaving: Leaving): void {
  const access = accessOf(draft.state);
  if (machine.held === null || access === null) return;
  const subject = subjectOf(machine);
  const { commandDeadlineMs } = draft.waits;
  const name = machine.held.hostname;
  if (leaving.drain && !leaving.nodeRemoved) {
    const deadlineMs = DRAIN_DEADLINE_MS + commandDeadlineMs;
    ask(draft, subject, { verb: 'ensure-node-removed', access, nodeName: name, drain: true }, deadlineMs);
  } else if (!leaving.memberRemoved) {
    // What it was told may come true until then, and once more after it was taken out ([CP14]).
    if (draft.now < joinsUntil(machine, draft.waits)) return;
    const seat = seatOf(draft.state, machine);
    // One that failed goes first: until then etcd counts on the one that serves.
    if (seat === null || (leaving.drain && failedMembersGoing(draft.state).length > 0)) return;
    const staying = leaving.drain ? { staying: thoseWhoStay(draft.state) } : {};
    ask(draft, subject, { verb: 'ensure-member-removed', ...seat, ...staying }, commandDeadlineMs);
  } else if (!leaving.nodeRemoved) {
    ask(draft, subject, { verb: 'ensure-node-removed', access, nodeName: name, drain: false }, commandDeadlineMs);
  }
}

/** Null when there is nobody to ask, or nothing to lose: it can't be a member of a cluster that lives on. */
function seatOf(state: ClusterState, machine: MachineRecord): EtcdSeat | null {
  const access = accessOf(state);
  const peers = peersOf(state, machine);
  if (state.intent.kind !== 'present' || !wasMember(state, machine)) return null;
  return machine.held === null || access === null || peers.length === 0
    ? null
    : { access, memberName: machine.held.hostname, peers };
}

/** The rest of the control plane, which carries on: MAAS may have lost one that still answers ([RO5]). */
function thoseWhoStay(state: ClusterState) {
  const machines = membersOf(state).flatMap(({ claim, held }) =>
    held === null ? [] : { claim, systemId: held.systemId },
  );
  return { account: state.account, machines };
}

function release(draft: Draft, machine: MachineRecord, leaving: Leaving): void {
  if (leaving.goneAt !== null || needsOutsideRelay(draft.state) || keepsLastRelay(draft.state, machine)) return;
  const dueAt = releaseDueAt(draft.state, machine, leaving, draft.waits);
  if (dueAt === null || draft.now < dueAt) return;
  const { account } = draft.state;
  const systemId = machine.held?.systemId ?? null;
  const erase = eraseOf(draft.state, machine, leaving);
  // It was no member when etcd was asked; what it was told to do may have come true since ([CP5]).
  const seat = seatOf(draft.state, machine);
  const order = { account, claim: machine.claim, systemId, erase, ...(seat === null ? {} : { seat }) };
  const body = { verb: 'ensure-released' as const, ...order };
  const asked = ask(
    draft,
    subjectOf(machine),
    body,
    Math.max(draft.waits.commandDeadlineMs, draft.waits.releaseDeadlineMs),
  );
  if (asked !== 'sent' || leaving.askedAt === null || standing(machine) === 'free') return;
  draft.state = withMachine(draft.state, { ...machine, leaving: { ...leaving, tries: leaving.tries + 1 } });
}

/** When MAAS is to be asked (again): at once, when it fell back, when it takes too long, when a claim is still in doubt. */
export function releaseDueAt(
  state: ClusterState,
  machine: MachineRecord,
  leaving: Leaving,
  waits: Draft['waits'],
): number | null {
  if (leaving.askedAt === null) return 0;
  const pause = doubling(leaving.tries, waits.retryMsMin, waits.retryMsMax);
  switch (standing(machine)) {
    case 'free': {
      const until = doubtUntil(machine.doubt, waits);
      return leaving.askedAt >= until ? null : Math.min(until, leaving.askedAt + waits.retryMsMax);
    }
    case 'on-its-way': {
      const erasing = machine.maas?.status === 'disk-erasing' && state.spec.erase !== 'none';
      return (
        leaving.askedAt + (erasing ? Math.max(ERASE_DEADLINE_MS, waits.releaseDeadlineMs) : waits.releaseDeadlineMs)
      );
    }
    case 'fell-back':
      return Math.max(leaving.askedAt, machine.maas?.since ?? 0) + pause;
  }
}

/** Where a machine that MAAS was asked for stands. */
export function standing(machine: MachineRecord): 'free' | 'on-its-way' | 'fell-back' {
  const { maas } = machine;
  if (maas === null) return machine.held === null ? 'free' : 'on-its-way';
  if (!maas.ours || (maas.unowned && (maas.status === 'ready' || maas.status === 'new'))) return 'free';
  return maas.status === 'releasing' || maas.status === 'disk-erasing' ? 'on-its-way' : 'fell-back';
}

/** Quick erasing is hygiene and gives way when it keeps failing; what the user asked for explicitly does not. */
function eraseOf(state: ClusterState, machine: MachineRecord, leaving: Leaving): ClusterState['spec']['erase'] {
  const failing = machine.maas?.status === 'failed-disk-erasing' && leaving.tries >= RELEASE_TRIES_MAX;
  return failing && state.spec.erase === 'quick' ? 'none' : state.spec.erase;
}

function settleGone(draft: Draft, claim: MachineRecord['claim']): void {
  const machine = draft.state.machines.find((candidate) => candidate.claim === claim);
  if (machine === undefined || machine.leaving === null) return;
  const { leaving } = machine;
  if (leaving.goneAt === null) {
    if (leaving.askedAt === null || standing(machine) !== 'free') return;
    if (leaving.askedAt < doubtUntil(machine.doubt, draft.waits)) return;
    if (draft.state.pending[`${subjectOf(machine)}/ensure-released`] !== undefined) return;
  }
  const gone = { ...machine, leaving: { ...leaving, goneAt: leaving.goneAt ?? draft.now } };
  draft.state = withMachine(draft.state, gone);
  const removed = leaving.memberRemoved && (leaving.nodeRemoved || nodeOf(draft.state, machine)?.present === false);
  if (draft.state.intent.kind === 'present' && removed) forget(draft, gone);
}
