// Pure. What a machine on its way back is waiting for, and who must act when MAAS does not let go of it ([DE5], [WA1]).
import type { WaitingOnView } from '../../shared/cluster-view.ts';
import { RELEASE_TRIES_MAX, type Waits } from '../../shared/limits.ts';
import { type ClusterState, type Leaving, type MachineRecord, subjectOf } from './cluster-state.ts';
import { pendingKey } from './command-name.ts';
import { failedMembersGoing, joinsUntil } from './control-plane-safety.ts';
import { doubtUntil } from './deadlines.ts';
import { keepsLastRelay } from './gateway-relays.ts';
import { releaseDueAt, standing } from './plan-leaving.ts';
import { nameOf } from './plan-replacement.ts';
import { elapsed } from './wait-sentence.ts';

/** The address goes last; after a lost answer it is looked for once more, when nothing can come any more. */
export function addressWait(state: ClusterState, waits: Waits): WaitingOnView[] {
  const { address } = state;
  if (address === null || address.releasedAt === null) return [];
  const deadlineAt = doubtUntil(address.doubt, waits);
  if (address.releasedAt >= deadlineAt) return [];
  const sentence = `Looking for the address ${address.fqdn} once more: an answer of MAAS was lost.`;
  return [{ code: 'address-lookup', slot: null, sentence, since: address.releasedAt, deadlineAt }];
}

/** Null when it is gone, or a command says what it waits for. */
export function leavingWait(
  state: ClusterState,
  machine: MachineRecord,
  now: number,
  waits: Waits,
): WaitingOnView | null {
  const { leaving, slot } = machine;
  if (leaving === null || leaving.goneAt !== null) return null;
  if (keepsLastRelay(state, machine)) return relayWait(machine, leaving, waits);
  if (leaving.askedAt === null) return memberWait(state, machine, leaving, now, waits);
  const deadlineAt = releaseDueAt(state, machine, leaving, waits);
  const name = nameOf(machine);
  const { since } = leaving;
  if (standing(machine) === 'free') {
    const until = doubtUntil(machine.doubt, waits);
    const sentence = `Looking for machines under the claim of ${name} once more: an answer of MAAS was lost.`;
    return { code: 'claim-lookup', slot, sentence, since, deadlineAt: until };
  }
  const status = machine.maas?.status ?? 'unknown';
  if (leaving.tries >= RELEASE_TRIES_MAX) {
    const sentence = `MAAS does not give back ${name} (${status}), asked ${leaving.tries} times. A MAAS operator has to look at its power and disks; it is asked again from time to time.`;
    return { code: 'release-stuck', slot, sentence, since, deadlineAt };
  }
  const sentence = `Waiting for MAAS to take back ${name} (${status}), ${elapsed(since, now, waits.releaseDeadlineMs)}.`;
  return { code: 'releasing', slot, sentence, since, deadlineAt };
}

function relayWait(machine: MachineRecord, { since }: Leaving, waits: Waits): WaitingOnView {
  const sentence = `${nameOf(machine)} goes back when another relay of the gateway is connected: its own is the only one.`;
  return { code: 'last-relay', slot: machine.slot, sentence, since, deadlineAt: since + waits.shortageDeadlineMs };
}

/** A member that goes is taken out of etcd by another one; with none left that can be asked, only an end gives it back. */
function memberWait(
  state: ClusterState,
  machine: MachineRecord,
  leaving: Leaving,
  now: number,
  waits: Waits,
): WaitingOnView | null {
  const key = pendingKey(subjectOf(machine), 'ensure-member-removed');
  const isAsked = state.pending[key] !== undefined || state.troubles[key] !== undefined;
  if (machine.role === 'worker' || leaving.memberRemoved || isAsked) return null;
  const { slot } = machine;
  const { since } = leaving;
  const deadlineAt = joinsUntil(machine, waits);
  if (now < deadlineAt) {
    const sentence = `${nameOf(machine)} goes back when it can't join any more by the document it has: it may be joining at this moment.`;
    return { code: 'join-ends', slot, sentence, since, deadlineAt };
  }
  const first = leaving.drain ? failedMembersGoing(state)[0] : undefined;
  const why =
    first === undefined
      ? 'no other member can be asked to take it out. If that stays so, abort or delete the cluster.'
      : `${nameOf(first)}, which failed, leaves first.`;
  const sentence = `${nameOf(machine)} goes back when it has left etcd, and ${why}`;
  return { code: 'member-removal', slot, sentence, since, deadlineAt: since + waits.shortageDeadlineMs };
}
