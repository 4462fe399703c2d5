// Pure. A gateway's machines are replaced one after another by such that run what is asked (SPEC.md [RO3]-[RO6]). Which empty slot
// is filled, and how a machine goes, is as always: gateway-growth.ts, plan-leaving.ts.
import { nodeOf } from './cluster-state.ts';
import { ask } from './command-for.ts';
import { wasMember } from './control-plane-safety.ts';
import { type Draft, sendAway } from './draft.ts';
import { mayGo, nextToGo, releaseOf } from './gateway-rollout.ts';
import { accessOf } from './plan-control-plane.ts';

export function planRollout(draft: Draft): void {
  const { state, now, waits } = draft;
  const release = releaseOf(state);
  if (state.rolling === null || release === null) return;
  if (state.rolling.toldAt === null) return tellVersion(draft, release.kubernetesVersion);
  const machine = nextToGo(state);
  if (machine === null || !mayGo(state, machine, now, waits).ok) return;
  const hasNode = machine.document !== null || nodeOf(state, machine)?.present === true;
  sendAway(draft, machine, {
    code: 'outdated',
    reason: `the gateway’s machines are to run ${labelOf(release)}.`,
    memberRemoved: !wasMember(state, machine),
    nodeRemoved: !hasNode,
    drain: true,
  });
}

export const labelOf = ({ image, kubernetesVersion }: { image: string; kubernetesVersion: string }): string =>
  `${image} with Kubernetes ${kubernetesVersion}`;

function tellVersion(draft: Draft, version: string): void {
  const access = accessOf(draft.state);
  if (access === null) return;
  ask(draft, 'cluster', { verb: 'ensure-kubernetes-version', access, version }, draft.waits.commandDeadlineMs);
}
