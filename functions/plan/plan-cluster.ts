// Pure. No I/O, no clock; `now` is passed in. The order of everything, on one screen (SPEC.md). Planning looks at the whole
// state, never at what just happened, so it may be called at any time and gives the same commands again until they are
// recorded.
import type { Waits } from '../../shared/limits.ts';
import type { ClusterState } from './cluster-state.ts';
import { summarise } from './describe-cluster.ts';
import { type Draft, startDraft } from './draft.ts';
import { hashOf } from './hash-text.ts';
import type { Effect, Plan } from './plan.ts';
import { dropTakenAddress, planAddress } from './plan-address.ts';
import { planChoice } from './plan-choice.ts';
import { dropLostClaims, planClaims } from './plan-claims.ts';
import { planControlPlane, withdrawFetched } from './plan-control-plane.ts';
import { planDeploys } from './plan-deploys.ts';
import { failWhenStuck } from './plan-failure.ts';
import { planIdentity } from './plan-identity.ts';
import { planLayers } from './plan-layers.ts';
import { planLeaving } from './plan-leaving.ts';
import { settleProvisioned } from './plan-provisioned.ts';
import { waitInLine } from './plan-queue.ts';
import { replaceFailed } from './plan-replacement.ts';
import { planRollout } from './plan-rollout.ts';
import { removeStrays } from './plan-strays.ts';
import { planTeardown } from './plan-teardown.ts';
import { planWatch } from './plan-watch.ts';
import { planWorkers } from './plan-workers.ts';
import { resolveProfile } from './resolve-profile.ts';
import { timelineOf } from './timeline.ts';
import { waitingOn } from './waiting-on.ts';
import { wakeAtOf } from './wake-at.ts';

export type Decision = { readonly state: ClusterState; readonly plan: Plan };

/** What to do now. Sends again whatever the state does not record as sent; `step` records it. */
export function planCluster(state: ClusterState, now: number, waits: Waits): Plan {
  return decide(state, state, now, waits).plan;
}

/** The plan, and the state that remembers it. `before` is what the timeline compares with. */
export function decide(before: ClusterState | null, state: ClusterState, now: number, waits: Waits): Decision {
  const draft = startDraft(state, now, waits);
  planInOrder(draft);
  return finish(before, draft);
}

function planInOrder(draft: Draft): void {
  const { state } = draft;
  if (state.deletedAt !== null) return;
  withdrawFetched(draft);
  if (state.intent.kind !== 'present') return planTeardown(draft);
  if (state.queued !== null) return waitInLine(draft);
  const profile = resolveProfile(state.profile, state.spec.parameters);
  if (!profile.ok) return refuseProfile(draft, profile.error.detail);
  planLeaving(draft);
  removeStrays(draft);
  replaceFailed(draft);
  dropLostClaims(draft);
  dropTakenAddress(draft);
  failWhenStuck(draft);
  if (draft.state.failure === null) {
    planIdentity(draft);
    planRollout(draft);
    planChoice(draft, profile.value);
    planAddress(draft);
    planClaims(draft, profile.value);
    planDeploys(draft, profile.value);
    planControlPlane(draft, profile.value);
    planWorkers(draft, profile.value);
    planLayers(draft, profile.value);
    settleProvisioned(draft, profile.value);
  }
  planLeaving(draft);
  planWatch(draft);
}

function refuseProfile(draft: Draft, detail: string): void {
  if (draft.state.failure !== null) return;
  const message = `${detail} Abort this cluster and create it again with a profile that fits.`;
  draft.state = { ...draft.state, failure: { code: 'PROFILE_INVALID', message, at: draft.now } };
}

function finish(before: ClusterState | null, draft: Draft): Decision {
  const { now, waits } = draft;
  const entries = timelineOf(before, draft.state, now);
  const effects: Effect[] = [...draft.effects];
  if (entries.length > 0) effects.push({ kind: 'record-timeline', entries });
  const wakeAt = wakeAtOf(draft.state, now, waits);
  const row = { ...summarise(draft.state, now), wakeAt };
  const projected = hashOf({ ...row, updatedAt: 0 });
  if (projected !== draft.state.projected) effects.push({ kind: 'project-cluster', row });
  return {
    state: { ...draft.state, projected },
    plan: { effects, wakeAt, waitingOn: waitingOn(draft.state, now, waits) },
  };
}
