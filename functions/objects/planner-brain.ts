// The real planner behind the port.
import type { ApiFailure } from '../../shared/problem.ts';
import { assertNever, type Result } from '../../shared/result.ts';
import { applyEvent } from '../plan/apply-event.ts';
import { checkState } from '../plan/check-state.ts';
import { ClusterState } from '../plan/cluster-state.ts';
import { describeCluster } from '../plan/describe-cluster.ts';
import { mayChangeMachines, mayResize } from '../plan/may-change-machines.ts';
import { mayAbort, mayDelete } from '../plan/may-end.ts';
import { decide } from '../plan/plan-cluster.ts';
import { accessOf } from '../plan/plan-control-plane.ts';
import { previewCluster } from '../plan/preview-cluster.ts';
import type { ClusterBrain, RequestEvent } from './cluster-brain.ts';

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
    const may = mayRequest(state, request);
    return may.ok ? null : may.error;
  },
  preview: previewCluster,
  check: checkState,
};

function mayRequest(state: ClusterState, request: RequestEvent): Result<null, ApiFailure> {
  switch (request.kind) {
    case 'abort-requested':
      return mayAbort(state);
    case 'deletion-requested':
      return mayDelete(state);
    case 'resized':
      return mayResize(state, request.size);
    case 'machines-changed':
      return mayChangeMachines(state, request.release);
    default:
      return assertNever(request);
  }
}
