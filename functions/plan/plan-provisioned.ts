// Pure. The moment a cluster is provisioned: every node Ready by Kubernetes' word, every layer applied, and of a gateway every
// relay with the key (SPEC.md [CL10], [GW2]); and the moments a gateway has grown ([GW6]) or runs what was asked ([RO6]).
import type { Draft } from './draft.ts';
import { isWhole } from './gateway-relays.ts';
import { isRolledOut } from './gateway-rollout.ts';
import { layersOf } from './plan-layers.ts';
import type { ResolvedProfile } from './resolve-profile.ts';

export function settleProvisioned(draft: Draft, profile: ResolvedProfile): void {
  const { state } = draft;
  const rests = state.provisionedAt !== null && state.growing === null && state.rolling === null;
  if (rests || !isWhole(state)) return;
  if (!layersOf(profile).every(({ subject }) => state.layersApplied.includes(subject))) return;
  const rolling = isRolledOut(state) ? null : state.rolling;
  draft.state = { ...state, provisionedAt: state.provisionedAt ?? draft.now, growing: null, rolling };
}
