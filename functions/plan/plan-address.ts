// Pure. The virtual address of the Kubernetes API: reserved under a name that proves whose it is (SPEC.md [AD1]-[AD3]).
import { ask, retryAt } from './command-for.ts';
import type { Draft } from './draft.ts';

/** When all candidates were taken by others, forgets the choice, so that it is made anew from a new inventory. */
export function dropTakenAddress(draft: Draft): void {
  const { address, inventory, troubles } = draft.state;
  const trouble = troubles['cluster/ensure-address'];
  if (address === null || address.ip !== null || trouble?.code !== 'ADDRESS_TAKEN') return;
  if (trouble.at < address.chosenAt || retryAt(trouble, draft.waits) > draft.now) return;
  const stale = inventory === null ? null : { ...inventory, stale: true };
  draft.state = { ...draft.state, address: null, inventory: stale };
}

export function planAddress(draft: Draft): void {
  const { address, account } = draft.state;
  if (address === null || address.ip !== null) return;
  const body = { verb: 'ensure-address' as const, account, fqdn: address.fqdn, candidates: [...address.candidates] };
  ask(draft, 'cluster', body, draft.waits.commandDeadlineMs);
}
