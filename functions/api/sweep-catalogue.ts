// What requests that died left behind, finished or forgotten by the cron: half-made clusters, gateways half gone, accounts whose
// clusters were not told, expired names, keys and counts. Each part may be repeated.
import type { EpochMs } from '../../shared/ids.ts';
import { DELETED_CLUSTER_KEPT_MS, IDEMPOTENCY_LOCK_MS } from '../../shared/limits.ts';
import { clusterOf, type Env, gatewayOf } from '../env.ts';
import { openCatalogue } from '../store/catalogue.ts';
import { accountsToTell } from '../store/cloud-accounts.ts';
import { creationFinished, releaseNames, unfinishedCreations } from '../store/clusters.ts';
import { endGatewayRemoval, unfinishedRemovals } from '../store/gateways.ts';
import { pruneRequests } from '../store/idempotency-keys.ts';
import { pruneTries } from '../store/public-tries.ts';
import { callObject } from './call-object.ts';
import { tellClusters } from './tell-clusters.ts';

/** Of each kind in one sweep; the next one comes in five minutes. */
const AT_ONCE = 50;

export async function sweepCatalogue(env: Env, now: EpochMs): Promise<void> {
  const catalogue = openCatalogue(env.CATALOGUE);
  // Old enough that the request which began it has ended.
  for (const creation of await unfinishedCreations(catalogue, now - IDEMPOTENCY_LOCK_MS, AT_ONCE)) {
    const { scope, clusterId } = creation;
    const made = await callObject(() => clusterOf(env, scope, clusterId).create(creation));
    if (made.ok) await creationFinished(catalogue, scope, clusterId);
  }
  for (const { scope, id } of await unfinishedRemovals(catalogue, AT_ONCE)) {
    const removed = await callObject(() => gatewayOf(env, scope, id).remove());
    if (removed.ok) await endGatewayRemoval(catalogue, scope, id);
  }
  for (const { scope, row } of await accountsToTell(catalogue, AT_ONCE)) {
    await tellClusters(env, catalogue, scope, row);
  }
  await releaseNames(catalogue, now - DELETED_CLUSTER_KEPT_MS);
  await pruneRequests(catalogue, now);
  await pruneTries(catalogue, now);
}
