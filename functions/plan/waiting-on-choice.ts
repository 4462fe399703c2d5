// Pure. Between a lost race and the next look at what is free nothing is asked of anybody ([MA5], [WA1]).
import type { WaitingOnView } from '../../shared/cluster-view.ts';
import type { Waits } from '../../shared/limits.ts';
import type { ClusterState } from './cluster-state.ts';
import { slotsToFill } from './gateway-growth.ts';
import { needsAddress } from './plan-address.ts';
import { inventoryDueAt } from './plan-choice.ts';

export function choiceWait(state: ClusterState, now: number, waits: Waits): WaitingOnView[] {
  const { inventory, shortage } = state;
  if (inventory === null || shortage !== null || state.pending['cluster/observe-inventory'] !== undefined) return [];
  const wanted = [
    ...slotsToFill(state, now, waits).map(({ slot }) => ({ slot, what: `a machine for ${slot}` })),
    ...(needsAddress(state) ? [{ slot: null, what: 'an address' }] : []),
  ];
  const deadlineAt = inventoryDueAt({ state, waits });
  return wanted.map(({ slot, what }) => {
    const sentence = `Waiting to choose ${what} again: others were quicker, and are given the time to take what they want.`;
    return { code: 'choosing-again', slot, sentence, since: inventory.at, deadlineAt };
  });
}
