// The planner as the object uses it: a port, so that a test can make it throw and the object stays free of opinions.
import type { ClusterPlan } from '../../shared/cluster-plan.ts';
import type { ClusterView } from '../../shared/cluster-view.ts';
import type { ClusterAccess } from '../../shared/command.ts';
import type { EpochMs } from '../../shared/ids.ts';
import type { Waits } from '../../shared/limits.ts';
import type { ApiFailure } from '../../shared/problem.ts';
import type { Result } from '../../shared/result.ts';
import type { ClusterEvent } from '../plan/cluster-event.ts';
import type { ClusterState } from '../plan/cluster-state.ts';
import type { Plan } from '../plan/plan.ts';
import type { ClusterPreview } from '../plan/preview-cluster.ts';

/** What somebody asks for who wants to know when it may not be. */
export type RequestEvent = Extract<
  ClusterEvent,
  { kind: 'abort-requested' | 'deletion-requested' | 'resized' | 'machines-changed' }
>;

export type ClusterBrain = {
  /** The stored state, parsed. Throws when it is none. */
  decode(stored: unknown): ClusterState;
  /** Folds all events in, then plans once. State null: there is no cluster. */
  step(
    state: ClusterState | null,
    events: readonly ClusterEvent[],
    now: EpochMs,
    waits: Waits,
  ): { readonly state: ClusterState | null; readonly plan: Plan };
  describe(state: ClusterState, now: EpochMs, waits: Waits): ClusterView;
  /** What opens its Kubernetes API; null until there is both identity and endpoint. */
  access(state: ClusterState): ClusterAccess | null;
  /** Why the cluster may not be aborted, deleted, or changed like this now; null when it may. */
  refuses(state: ClusterState, request: RequestEvent): ApiFailure | null;
  /** What it would choose now; changes nothing. */
  preview(state: ClusterState | null, asked: ClusterPreview, now: EpochMs): Result<ClusterPlan, ApiFailure>;
  /** Broken invariants as sentences. */
  check(state: ClusterState, plan: Plan, now: EpochMs): readonly string[];
};
