// What the lab's book of calls proves about machines, whatever happened to the relay in between: each claim took one machine,
// and a machine was only ever changed under the claim that took it (invariants I1, I2, I4).
import { parseClaim } from '../../shared/claim.ts';
import type { ClusterId } from '../../shared/ids.ts';
import type { HistoryEntry } from '../lab/history.ts';
import { LAB_USER } from '../lab/lab.ts';

/** Every breach as a sentence; empty when all is well. */
export function breachesOf(history: readonly HistoryEntry[], clusters: readonly ClusterId[]): string[] {
  const ours = history.filter((entry) => entry.caller === LAB_USER && entry.machine !== null && entry.status < 300);
  const takenUnder = new Map<string, string[]>();
  const breaches: string[] = [];
  for (const { operation, machine, claim } of ours) {
    const told = `${operation} of ${machine} under ${claim ?? 'no claim'}`;
    const parts = claim === null ? null : parseClaim(claim);
    if (claim === null || parts === null || !clusters.includes(parts.clusterId)) {
      breaches.push(`${told}: not a claim of this test's clusters`);
      continue;
    }
    const taken = takenUnder.get(claim) ?? [];
    if (operation === 'machines.allocate') {
      if (taken.length > 0) breaches.push(`${told}: the claim had taken ${taken.join(', ')} already`);
      takenUnder.set(claim, [...taken, machine ?? '']);
    } else if (!taken.includes(machine ?? '')) {
      breaches.push(`${told}: the claim had not taken this machine`);
    }
  }
  return breaches;
}

/** How often MAAS let a call of this kind through; `machines.allocate`, say. */
export const callsOf = (history: readonly HistoryEntry[], operation: string): readonly HistoryEntry[] =>
  history.filter((entry) => entry.operation === operation && entry.status < 300);
