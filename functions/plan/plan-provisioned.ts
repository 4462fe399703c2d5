// Pure. The moment a cluster is provisioned: every node Ready by Kubernetes' word, every layer applied (SPEC.md [CL10]).
import { currentMachines, isReady, slotsOf } from './cluster-state.ts';
import type { Draft } from './draft.ts';
import { layersOf } from './plan-layers.ts';
import type { ResolvedProfile } from './resolve-profile.ts';

export function settleProvisioned(draft: Draft, profile: ResolvedProfile): void {
  const { state } = draft;
  if (state.provisionedAt !== null) return;
  const ready = currentMachines(state).filter((machine) => isReady(state, machine));
  if (ready.length < slotsOf(state.spec).length) return;
  if (!layersOf(profile).every(({ subject }) => state.layersApplied.includes(subject))) return;
  draft.state = { ...state, provisionedAt: draft.now };
}
