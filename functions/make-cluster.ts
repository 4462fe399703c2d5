// How a cluster comes to be, whoever asks for it: its name is taken in the catalogue and its creation kept there, then its object
// gets it. What dies in between is finished by a repeat of the same, or by the sweep.
import type { ClusterView } from '../shared/cluster-view.ts';
import type { EpochMs } from '../shared/ids.ts';
import { type ApiFailure, apiFailure } from '../shared/problem.ts';
import { err, ok, type Result } from '../shared/result.ts';
import { clusterOf, type Env } from './env.ts';
import type { Catalogue } from './store/catalogue.ts';
import { creationFinished, type Reservation, reserveCluster, type StoredCreation } from './store/clusters.ts';

/** `CLUSTER_NAME_TAKEN`, or `ACCOUNT_NOT_FOUND` when the account or its gateway is on its way out. */
export async function reserve(
  catalogue: Catalogue,
  reservation: Reservation,
  now: EpochMs,
): Promise<Result<StoredCreation, ApiFailure>> {
  switch (await reserveCluster(catalogue, reservation, now)) {
    case 'name-taken':
      return err(apiFailure('CLUSTER_NAME_TAKEN'));
    case 'gone':
      return err(apiFailure('ACCOUNT_NOT_FOUND', 'The cloud account, or its gateway, is deleted or being deleted.'));
    case 'reserved':
      return ok(reservation.creation);
  }
}

/** Gives the object what was reserved. May be repeated. @throws when the object or the catalogue does not answer */
export async function finishCreation(env: Env, catalogue: Catalogue, creation: StoredCreation): Promise<ClusterView> {
  const { scope, clusterId } = creation;
  const view = await clusterOf(env, scope, clusterId).create(creation);
  await creationFinished(catalogue, scope, clusterId);
  return view;
}
