// Tells the clusters of an account that it changed. Which version a cluster was told is in its row, so whoever is missed now is
// told by the sweep.
import type { ClusterId, Scope } from '../shared/ids.ts';
import { API_OBJECT_MS_MAX } from '../shared/limits.ts';
import { clusterOf, type Env } from './env.ts';
import { log, messageOf } from './log.ts';
import { within } from './objects/within.ts';
import { clustersToTell, clusterTold } from './store/account-clusters.ts';
import type { Catalogue } from './store/catalogue.ts';
import { type AccountRow, accountsToTell } from './store/cloud-accounts.ts';

const CLUSTERS_AT_ONCE = 100;

export async function tellClusters(env: Env, catalogue: Catalogue, row: AccountRow): Promise<void> {
  const { access, keyVersion } = row;
  const behind = await clustersToTell(catalogue, row.scope, access.accountId, keyVersion, CLUSTERS_AT_ONCE);
  await Promise.all(
    behind.map(async ({ scope, id }) => {
      if (await tell(env, scope, id, row)) await clusterTold(catalogue, scope, id, keyVersion);
    }),
  );
}

/** For the sweep: the clusters that no request could tell. */
export async function tellMissedClusters(env: Env, catalogue: Catalogue, accountsMax: number): Promise<void> {
  for (const row of await accountsToTell(catalogue, accountsMax)) {
    await tellClusters(env, catalogue, row);
  }
}

async function tell(env: Env, scope: Scope, id: ClusterId, { access }: AccountRow): Promise<boolean> {
  try {
    await within(API_OBJECT_MS_MAX, 'accountChanged', clusterOf(env, scope, id).accountChanged(access));
    return true;
  } catch (error) {
    log({ event: 'account-change-not-told', cluster: id, cause: messageOf(error) });
    return false;
  }
}
