// Pure. The virtual address of the Kubernetes API: reserved under a name that proves whose it is (SPEC.md [AD1]-[AD3]).
import { ask, retryAt } from './command-for.ts';
import type { Draft } from './draft.ts';

/** Asks for one of the chosen candidates; when all were taken by others, forgets the choice so that it is made anew. */
export function planAddress(draft: Draft): void {
  const { address, account, inventory } = draft.state;
  if (address === null || address.ip !== null) return;
  const trouble = draft.state.troubles['cluster/ensure-address'];
  if (trouble?.code === 'ADDRESS_TAKEN' && trouble.at >= address.chosenAt) {
    if (retryAt(trouble, draft.waits) > draft.now) return;
    const stale = inventory === null ? null : { ...inventory, stale: true };
    draft.state = { ...draft.state, address: null, inventory: stale };
    return;
  }
  const body = { verb: 'ensure-address' as const, account, fqdn: address.fqdn, candidates: [...address.candidates] };
  ask(draft, 'cluster', body, draft.waits.commandDeadlineMs);
}
