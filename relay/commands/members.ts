// ensure-member-removed: a control plane that goes leaves etcd before its replacement joins; otherwise the newcomer takes the dead
// member's id and etcd panics (kubernetes.md §2.2).
import type { BodyOf, EtcdSeat } from '../../shared/command.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import type { ClusterDial } from '../kubernetes/connect.ts';
import type { EtcdApi, EtcdMember } from '../kubernetes/etcd-members.ts';
import { lookAt } from './claimed-machine.ts';
import type { CommandContext, Handler, HandlerFailure, ResultOf } from './handler.ts';
import { openIdentity } from './identity.ts';

type EtcdDial = Pick<ClusterDial, 'etcd'>;

/**
 * Removes the named member, or one that was announced from an address that is none of the peers' and never started. Refuses
 * (NO_QUORUM) when the members that are healthy now could not agree on it, or would be no quorum afterwards, or when one that has
 * to stay is no longer ours: it may still run, and not for long.
 */
export function ensureMemberRemoved(dial: EtcdDial): Handler<'ensure-member-removed'> {
  return (body, context) =>
    withEtcd<ResultOf<'ensure-member-removed'>>(dial, context, body, async (etcd) => {
      const { memberName, peers, staying } = body;
      const members = await etcd.listMembers(peers);
      if (!members.ok) return members;
      const member = memberOf(body, members.value);
      if (member === undefined) return ok({ verb: 'ensure-member-removed', existed: false });
      const objection = objectionTo(member, members.value);
      if (objection !== null) return err({ code: 'NO_QUORUM', detail: objection });
      const stay = staying === undefined ? ok(null) : await areOurs(context, staying);
      if (!stay.ok) return stay;
      const may = await context.beforeChange(`remove etcd member ${memberName} (${member.id})`);
      if (!may.ok) return may;
      const removed = await etcd.removeMember(peers, member.id);
      return removed.ok ? ok({ verb: 'ensure-member-removed', existed: true }) : removed;
    });
}

/** Fails with STILL_MEMBER when etcd has it, and as the etcd does that can't say. */
export function isNoMember(
  dial: EtcdDial,
  context: CommandContext,
  seat: EtcdSeat,
): Promise<Result<null, HandlerFailure>> {
  return withEtcd(dial, context, seat, async (etcd) => {
    const members = await etcd.listMembers(seat.peers);
    if (!members.ok) return members;
    const member = memberOf(seat, members.value);
    if (member === undefined) return ok(null);
    const detail = `${seat.memberName} is a member of etcd (${member.id}), and leaves it before it is given back`;
    return err({ code: 'STILL_MEMBER', detail });
  });
}

async function withEtcd<T>(
  dial: EtcdDial,
  context: CommandContext,
  { access }: EtcdSeat,
  work: (etcd: EtcdApi) => Promise<Result<T, HandlerFailure>>,
): Promise<Result<T, HandlerFailure>> {
  const identity = await openIdentity(context, access.identity);
  if (!identity.ok) return identity;
  const etcd = dial.etcd(identity.value);
  try {
    return await work(etcd);
  } finally {
    await etcd.close();
  }
}

function memberOf({ memberName, peers }: EtcdSeat, members: readonly EtcdMember[]): EtcdMember | undefined {
  return members.find(({ name, host }) => name === memberName || (name === '' && !peers.includes(host)));
}

/** MAAS has each of them Deployed under its claim. Asked last: nothing but the lease stands between this and the change. */
async function areOurs(
  context: CommandContext,
  { account, machines }: NonNullable<BodyOf<'ensure-member-removed'>['staying']>,
): Promise<Result<null, HandlerFailure>> {
  const maas = await context.maas(account);
  if (!maas.ok) return maas;
  for (const { claim, systemId } of machines) {
    const seen = await lookAt(maas.value, systemId, claim);
    if (!seen.ok) return seen;
    if (seen.value?.status === 'deployed') continue;
    const is = seen.value === null ? 'no longer ours' : seen.value.status;
    return err({ code: 'NO_QUORUM', detail: `${systemId}, which has to stay, is ${is} in MAAS` });
  }
  return ok(null);
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
