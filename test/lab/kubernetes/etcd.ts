// Membership of the cluster's etcd: who is a member, who is up, whether there is a quorum. Pure; no time, no network.
// Rules as seen on a real etcd 3.5: a dead member keeps counting until it is removed, and a newcomer that takes the
// address of a dead member never gets in sync.
import type { Result } from '../../../shared/result.ts';
import { err, ok } from '../../../shared/result.ts';

export type EtcdMember = { readonly name: string; readonly address: string; readonly up: boolean };

export type EtcdFailure = {
  readonly code: 'ETCD_NO_QUORUM' | 'ETCD_MEMBER_EXISTS' | 'ETCD_STALE_MEMBER' | 'ETCD_MEMBER_UNKNOWN';
  readonly detail: string;
};

export type Etcd = ReturnType<typeof createEtcd>;

/** An etcd without members counts as healthy, so that a cluster can be played without control planes. */
export function createEtcd(onChange: () => void = () => {}) {
  const members = new Map<string, EtcdMember>();

  const up = (): number => [...members.values()].filter((member) => member.up).length;
  const hasQuorum = (): boolean => members.size === 0 || up() >= Math.floor(members.size / 2) + 1;

  /** Adds a started member. May not be repeated for a member there is. */
  function add(name: string, address: string): Result<void, EtcdFailure> {
    const holder = [...members.values()].find((member) => member.name === name || member.address === address);
    if (holder !== undefined) {
      return err(
        holder.up
          ? { code: 'ETCD_MEMBER_EXISTS', detail: `member ${holder.name} (${holder.address}) is already there` }
          : {
              code: 'ETCD_STALE_MEMBER',
              detail: 'etcd-join: can only promote a learner member which is in sync with leader',
            },
      );
    }
    if (!hasQuorum())
      return err({
        code: 'ETCD_NO_QUORUM',
        detail: 'etcdserver: re-configuration failed due to not enough started members',
      });
    members.set(name, { name, address, up: true });
    onChange();
    return ok(undefined);
  }

  /** Removes a member, dead or alive; needs a quorum. */
  function remove(name: string): Result<void, EtcdFailure> {
    if (!members.has(name)) return err({ code: 'ETCD_MEMBER_UNKNOWN', detail: 'etcdserver: member not found' });
    if (!hasQuorum())
      return err({
        code: 'ETCD_NO_QUORUM',
        detail: 'etcdserver: re-configuration failed due to not enough started members',
      });
    members.delete(name);
    onChange();
    return ok(undefined);
  }

  /** Says whether a member's machine runs; unknown names are ignored. */
  function setUp(name: string, isUp: boolean): void {
    const found = members.get(name);
    if (found === undefined || found.up === isUp) return;
    members.set(name, { ...found, up: isUp });
    onChange();
  }

  return { add, remove, setUp, hasQuorum, members: (): readonly EtcdMember[] => [...members.values()] };
}
