// ensure-member-removed: a dead control plane leaves etcd before its replacement joins; otherwise the newcomer takes the dead
// member's id and etcd panics (kubernetes.md §2.2).
import { err, ok } from '../../shared/result.ts';
import type { ClusterDial } from '../kubernetes/connect.ts';
import type { EtcdMember } from '../kubernetes/etcd-members.ts';
import type { Handler } from './handler.ts';
import { openIdentity } from './identity.ts';

/**
 * Removes the named member, or one that was announced from an address that is none of the peers' and never started. Refuses
 * (NO_QUORUM) when the members that are healthy now could not agree on it, or would be no quorum afterwards.
 */
export function ensureMemberRemoved(dial: Pick<ClusterDial, 'etcd'>): Handler<'ensure-member-removed'> {
  return async ({ access, memberName, peers }, context) => {
    const identity = await openIdentity(context, access.identity);
    if (!identity.ok) return identity;
    const etcd = dial.etcd(identity.value);
    try {
      const members = await etcd.listMembers(peers);
      if (!members.ok) return members;
      const member = members.value.find(
        ({ name, host }) => name === memberName || (name === '' && !peers.includes(host)),
      );
      if (member === undefined) return ok({ verb: 'ensure-member-removed', existed: false });
      const objection = objectionTo(member, members.value);
      if (objection !== null) return err({ code: 'NO_QUORUM', detail: objection });
      const may = await context.beforeChange(`remove etcd member ${memberName} (${member.id})`);
      if (!may.ok) return may;
      const removed = await etcd.removeMember(peers, member.id);
      return removed.ok ? ok({ verb: 'ensure-member-removed', existed: true }) : removed;
    } finally {
      await etcd.close();
    }
  };
}

/** Why the member must stay; null when it may go. Learners have no vote. */
export function objectionTo(member: EtcdMember, members: readonly EtcdMember[]): string | null {
  const voters = members.filter((one) => !one.learner);
  const healthy = voters.filter((one) => one.healthy);
  if (healthy.length < quorumOf(voters.length)) {
    return `${healthy.length} of ${voters.length} etcd members are healthy: they can agree on nothing`;
  }
  if (member.learner) return null;
  const left = voters.filter((one) => one.id !== member.id);
  const healthyLeft = left.filter((one) => one.healthy);
  if (left.length > 0 && healthyLeft.length >= quorumOf(left.length)) return null;
  return `without ${member.name} ${healthyLeft.length} of ${left.length} etcd members would be healthy`;
}

const quorumOf = (voters: number): number => Math.floor(voters / 2) + 1;
