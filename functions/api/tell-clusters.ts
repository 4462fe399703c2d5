// Tells the clusters of an account that it changed. Which version a cluster was told is in its row, so whoever is missed now is
// told by the sweep.
import type { Scope } from '../../shared/ids.ts';
import { clusterOf, type Env } from '../env.ts';
import type { Catalogue } from '../store/catalogue.ts';
import { type AccountRow, accountsToTell } from '../store/cloud-accounts.ts';
import { clustersToTell, clusterTold } from '../store/clusters.ts';
import { callObject } from './call-object.ts';

const CLUSTERS_AT_ONCE = 100;

export async function tellClusters(env: Env, catalogue: Catalogue, scope: Scope, row: AccountRow): Promise<void> {
  const { access, keyVersion } = row;
  const ids = await clustersToTell(catalogue, scope, access.accountId, keyVersion, CLUSTERS_AT_ONCE);
  await Promise.all(
    ids.map(async (id) => {
      const told = await callObject(() => clusterOf(env, scope, id).accountChanged(access));
      if (told.ok) await clusterTold(catalogue, scope, id, keyVersion);
    }),
  );
}

/** For the sweep: the clusters that no request could tell. */
export async function tellMissedClusters(env: Env, catalogue: Catalogue, accountsMax: number): Promise<void> {
  for (const { scope, row } of await accountsToTell(catalogue, accountsMax)) {
    await tellClusters(env, catalogue, scope, row);
  }
}
