// What is held against the run: the lab's book of calls and what it still holds, and the API. The book alone decides what
// happened to machines; what Slipway says of itself is only compared.
import { parseClaim } from '../../shared/claim.ts';
import type { ClusterId } from '../../shared/ids.ts';
import { breachesOf } from '../end-to-end/claims.ts';
import type { HistoryEntry } from '../lab/history.ts';
import { LAB_USER } from '../lab/lab.ts';

/** Every double as a sentence: a claim with two machines, a call beside its claim, a slot with two machines at one time. */
export function doublesOf(history: readonly HistoryEntry[], clusters: readonly ClusterId[]): string[] {
  return [...breachesOf(history, clusters), ...crowdedSlots(history)];
}

function crowdedSlots(history: readonly HistoryEntry[]): string[] {
  const standing = new Map<string, Set<string>>();
  const crowded: string[] = [];
  for (const { caller, operation, machine, claim, status } of history) {
    const parts = claim === null ? null : parseClaim(claim);
    if (caller !== LAB_USER || machine === null || status >= 300 || parts === null) continue;
    const slot = `${parts.clusterId}/${parts.slot}`;
    const machines = standing.get(slot) ?? new Set();
    standing.set(slot, machines);
    if (operation === 'machines.allocate') {
      if (machines.size > 0 && !machines.has(machine))
        crowded.push(`${slot} got ${machine} while ${[...machines].join(', ')} stood for it`);
      machines.add(machine);
    }
    if (operation.endsWith('.release')) machines.delete(machine);
  }
  return crowded;
}
