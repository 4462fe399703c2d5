// Pure. Workers join all at once, as soon as the API answers (SPEC.md [WK1]).
import { currentMachines, isOpen } from './cluster-state.ts';
import type { Draft } from './draft.ts';
import { handOut } from './plan-control-plane.ts';
import type { ResolvedProfile } from './resolve-profile.ts';

export function planWorkers(draft: Draft, profile: ResolvedProfile): void {
  if (!isOpen(draft.state)) return;
  for (const machine of currentMachines(draft.state)) {
    if (machine.role === 'worker') handOut(draft, machine, 'join', profile);
  }
}
