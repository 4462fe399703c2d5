// Which edges of the state machines a seed passes: the phases of clusters and of their slots, and MAAS's statuses of machines that
// are ours. An edge that no seed passes is a piece of the product that nothing here tries.
import type { ClusterState } from '../../functions/plan/cluster-state.ts';
import { phaseOf, slotPhaseOf } from '../../functions/plan/describe-cluster.ts';
import type { UpgradeState } from '../../functions/plan/upgrade-state.ts';
import type { Transition } from '../lab/maas/region.ts';
import { MAAS_USER } from './world.ts';

const PROGRAM_STEPS: Readonly<Record<string, string>> = {
  'program-fetch': 'fetched',
  'program-trial': 'tried',
  'program-trial-failed': 'served',
  'program-hand-over': 'handed-over',
  'program-not-handed-over': 'served',
  'program-watched': 'watched',
  'program-accepted': 'accepted',
  'program-rolled-back': 'served',
  'program-started': 'started',
  'program-given-up': 'served',
};

export class EdgeCount {
  readonly counts = new Map<string, number>();
  #upgrade = 'none';
  #queued = 0;
  /** Of each relay: how far the exchange of its program is. */
  readonly #programs = new Map<string, string>();

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

  /** After each commit of the object of a gateway that is upgraded. */
  upgraded(state: UpgradeState | null, queued: number): void {
    const stage = state?.stage ?? 'none';
    this.#pass('upgrade', this.#upgrade, stage);
    this.#upgrade = stage;
    if (queued > this.#queued) this.#pass('line', 'none', 'waiting');
    if (queued < this.#queued) this.#pass('line', 'waiting', 'none');
    this.#queued = queued;
  }

  /** By what a relay says of its program. */
  exchanged(relay: string, event: string): void {
    const step = PROGRAM_STEPS[event];
    if (step === undefined) return;
    this.#pass('program', this.#programs.get(relay) ?? 'served', step);
    this.#programs.set(relay, step);
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
