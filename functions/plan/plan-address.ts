// Pure. The virtual address of the Kubernetes API: reserved under a name that proves whose it is (SPEC.md [AD1]-[AD3]).
import type { ClusterState } from './cluster-state.ts';
import { ask, retryAt } from './command-for.ts';
import type { Draft } from './draft.ts';

/** When all candidates were taken by others, forgets the choice, so that it is made anew from a new inventory. */
export function dropTakenAddress(draft: Draft): void {
  const { address, inventory, troubles } = draft.state;
  const trouble = troubles['cluster/ensure-address'];
  if (address === null || needsAddress(draft.state) || address.ip !== null) return;
  if (trouble?.code !== 'ADDRESS_TAKEN') return;
  if (trouble.at < address.chosenAt || retryAt(trouble, draft.waits) > draft.now) return;
  const stale = inventory === null ? null : { ...inventory, stale: true };
  // The name stays: a lost answer to an earlier try is still looked for under it.
  draft.state = { ...draft.state, address: { ...address, candidates: [] }, inventory: stale };
}

/** No candidates are chosen: not yet, or not any more. */
export function needsAddress({ address }: Pick<ClusterState, 'address'>): boolean {
  return address === null || (address.ip === null && address.candidates.length === 0);
}

export function planAddress(draft: Draft): void {
  const { address, account } = draft.state;
  if (address === null || address.ip !== null || needsAddress(draft.state)) return;
  const body = { verb: 'ensure-address' as const, account, fqdn: address.fqdn, candidates: [...address.candidates] };
  ask(draft, 'cluster', body, draft.waits.commandDeadlineMs);
}
