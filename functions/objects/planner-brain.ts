// The real planner behind the port.
import { apiFailure } from '../../shared/problem.ts';
import { applyEvent } from '../plan/apply-event.ts';
import { ClusterState } from '../plan/cluster-state.ts';
import { describeCluster } from '../plan/describe-cluster.ts';
import { decide } from '../plan/plan-cluster.ts';
import { accessOf } from '../plan/plan-control-plane.ts';
import type { ClusterBrain } from './cluster-brain.ts';

export const plannerBrain: ClusterBrain = {
  decode: (stored) => ClusterState.parse(stored),
  // Planning looks at the whole state, so many facts that come together are planned for once.
  step(before, events, now, waits) {
    let state = before;
    for (const event of events) state = applyEvent(state, event);
    return state === null
      ? { state, plan: { effects: [], wakeAt: null, waitingOn: [] } }
      : decide(before, state, now, waits);
  },
  describe: describeCluster,
  access: accessOf,
  refuses(state, request) {
    if (request === 'abort-requested' && state.provisionedAt !== null) return apiFailure('USE_DELETE');
    if (request === 'deletion-requested' && state.provisionedAt === null && state.intent.kind === 'present')
      return apiFailure('USE_ABORT');
    return null;
  },
  check: () => [],
};
