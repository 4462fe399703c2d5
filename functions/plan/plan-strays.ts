// Pure. Machines that were given up for good and joined all the same, by what they had been told before: MAAS had taken them from
// us first, so nobody switched them off (SPEC.md [CP13]). Only names that were ours: what a user joined by hand is the user's.
import type { ClusterState } from './cluster-state.ts';
import { ask } from './command-for.ts';
import { peersOf } from './control-plane-safety.ts';
import type { Draft } from './draft.ts';
import { accessOf } from './plan-control-plane.ts';

/** They have no claim any more, and ids of their claims' commands must not come twice. */
const SUBJECT = 'cluster';

/** Out of etcd, or no member can be added any more; and out of Kubernetes. Before the cluster has begun there is neither ([CP2]). */
export function removeStrays(draft: Draft): void {
  const { state, waits } = draft;
  const access = accessOf(state);
  const peers = peersOf(state, null);
  if (access === null || peers.length === 0 || state.api?.ready !== true || state.api.firstReadyAt === null) return;
  const isStray = strayIn(state);
  const member = state.etcd?.members.find(({ name }) => isStray(name));
  const node = Object.entries(state.nodes).find(([name, { present }]) => present && isStray(name));
  if (member !== undefined) {
    const body = { verb: 'ensure-member-removed' as const, access, memberName: member.name, peers };
    ask(draft, SUBJECT, body, waits.commandDeadlineMs);
  } else if (node !== undefined) {
    const body = { verb: 'ensure-node-removed' as const, access, nodeName: node[0], drain: false };
    ask(draft, SUBJECT, body, waits.commandDeadlineMs);
  }
}

/** One was taken out. What was known is older than that; the next look names those that are left. */
export function withoutStrays(
  state: ClusterState,
  verb: 'ensure-member-removed' | 'ensure-node-removed',
): ClusterState {
  const isStray = strayIn(state);
  if (verb === 'ensure-node-removed') {
    return { ...state, nodes: Object.fromEntries(Object.entries(state.nodes).filter(([name]) => !isStray(name))) };
  }
  const { etcd } = state;
  return etcd === null
    ? state
    : { ...state, etcd: { ...etcd, members: etcd.members.filter(({ name }) => !isStray(name)) } };
}

function strayIn({ departed, machines }: ClusterState): (name: string) => boolean {
  return (name) => departed.includes(name) && !machines.some(({ held }) => held?.hostname === name);
}
