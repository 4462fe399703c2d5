// Pure. The moment a cluster is provisioned: every node Ready by Kubernetes' word, every layer applied, and of a gateway every
// relay with the key (SPEC.md [CL10], [GW2]); and the moment a gateway has grown ([GW6]).
import type { Draft } from './draft.ts';
import { isWhole } from './gateway-relays.ts';
import { layersOf } from './plan-layers.ts';
import type { ResolvedProfile } from './resolve-profile.ts';

export function settleProvisioned(draft: Draft, profile: ResolvedProfile): void {
  const { state } = draft;
  if ((state.provisionedAt !== null && state.growing === null) || !isWhole(state)) return;
  if (!layersOf(profile).every(({ subject }) => state.layersApplied.includes(subject))) return;
  draft.state = { ...state, provisionedAt: state.provisionedAt ?? draft.now, growing: null };
}
