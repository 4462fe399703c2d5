// Pure. Whether a user may abort or delete now (features 1.8): provisioned clusters are deleted, others aborted.
import { type ApiFailure, apiFailure } from '../../shared/problem.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import type { ClusterState } from './cluster-state.ts';

/** Ok too when it is being aborted already: asking twice is one wish. */
export function mayAbort(state: ClusterState): Result<null, ApiFailure> {
  if (state.intent.kind === 'aborted') return ok(null);
  return state.provisionedAt === null ? ok(null) : err(apiFailure('USE_DELETE'));
}

export function mayDelete(state: ClusterState): Result<null, ApiFailure> {
  if (state.intent.kind === 'deleted') return ok(null);
  return state.provisionedAt === null ? err(apiFailure('USE_ABORT')) : ok(null);
}
