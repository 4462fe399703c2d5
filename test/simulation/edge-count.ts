// Which edges of the state machines a seed passes: the phases of clusters and of their slots, and MAAS's statuses of machines that
// are ours. An edge that no seed passes is a piece of the product that nothing here tries.
import type { ClusterState } from '../../functions/plan/cluster-state.ts';
import { phaseOf, slotPhaseOf } from '../../functions/plan/describe-cluster.ts';
import type { Transition } from '../lab/maas/region.ts';
import { MAAS_USER } from './world.ts';

export class EdgeCount {
  readonly counts = new Map<string, number>();

  committed(before: ClusterState | null, state: ClusterState): void {
    this.#pass('cluster', before === null ? 'none' : phaseOf(before), phaseOf(state));
    const older = new Map((before?.machines ?? []).map((machine) => [machine.claim, machine]));
    for (const machine of state.machines) {
      const known = older.get(machine.claim);
      if (known === machine) continue;
      const was = before === null || known === undefined ? 'none' : slotPhaseOf(before, known).phase;
      this.#pass('slot', was, slotPhaseOf(state, machine).phase);
    }
  }

  machines(transitions: readonly Transition[]): void {
    for (const { from, to, owner } of transitions) if (owner === MAAS_USER) this.#pass('maas', from, to);
  }

  #pass(machine: string, from: string, to: string): void {
    if (from === to) return;
    const edge = `${machine}: ${from} → ${to}`;
    this.counts.set(edge, (this.counts.get(edge) ?? 0) + 1);
  }
}
