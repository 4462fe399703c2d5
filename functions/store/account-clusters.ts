// The clusters of a cloud account, and which version of it each was last told.
import { and, eq, lt, ne, sql } from 'drizzle-orm';
import { type AccountId, ClusterId, type Scope } from '../../shared/ids.ts';
import { type Catalogue, ownedBy, scopeOfRow } from './catalogue.ts';
import { clusters } from './schema.ts';

/** Made clusters of an account, of whatever project of the tenant, that were last told a version below `version`. */
export async function clustersToTell(
  db: Catalogue,
  { tenantId }: Scope,
  accountId: AccountId,
  version: number,
  limit: number,
): Promise<{ scope: Scope; id: ClusterId }[]> {
  const behind = and(eq(clusters.accountId, accountId), lt(clusters.accountVersion, version));
  const rows = await db
    .select()
    .from(clusters)
    .where(and(eq(clusters.tenantId, tenantId), behind, ne(clusters.phase, 'deleted'), sql`creation is null`))
    .limit(limit);
  return rows.map((row) => ({ scope: scopeOfRow(row), id: ClusterId.parse(row.id) }));
}

export async function clusterTold(db: Catalogue, scope: Scope, id: ClusterId, version: number): Promise<void> {
  await db
    .update(clusters)
    .set({ accountVersion: version })
    .where(and(and(ownedBy(clusters, scope), eq(clusters.id, id)), lt(clusters.accountVersion, version)));
}
