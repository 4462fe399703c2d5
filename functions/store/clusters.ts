// Clusters as lists show them, and the names they hold. What a cluster is, its object says; it projects itself here with
// every step (architecture §4). Nothing here decides about a cluster.
import { and, desc, eq, isNotNull, lt, ne, or, sql } from 'drizzle-orm';
import { z } from 'zod';
import { ClusterProfile } from '../../shared/cluster-profile.ts';
import { ClusterKind, ClusterSpec } from '../../shared/cluster-spec.ts';
import { type ClusterPhase, ClusterSummary } from '../../shared/cluster-view.ts';
import { AccountAccess } from '../../shared/command.ts';
import { type AccountId, ClusterId, type EpochMs, GatewayId, type ProfileId, Scope } from '../../shared/ids.ts';
import { DELETED_CLUSTER_KEPT_MS } from '../../shared/limits.ts';
import {
  type Catalogue,
  insertWhere,
  isNameTaken,
  olderThan,
  ownedBy,
  type PageWanted,
  scopeOfRow,
} from './catalogue.ts';
import { clusters } from './schema.ts';

/** What the object is given when it is made; kept in the row until it has it. The form of `ClusterCreation` in rpc.ts. */
export const StoredCreation = z.strictObject({
  scope: Scope,
  clusterId: ClusterId,
  gatewayId: GatewayId,
  /** Of the gateway, when it is of another project (C13). */
  gatewayScope: Scope.optional(),
  account: AccountAccess,
  spec: ClusterSpec,
  profile: ClusterProfile,
  /** Absent in what was stored before gateways had machines. */
  cluster: ClusterKind.default('workload'),
});
export type StoredCreation = z.infer<typeof StoredCreation>;

export type ClusterRow = {
  readonly scope: Scope;
  readonly id: ClusterId;
  readonly kind: ClusterKind;
  readonly summary: ClusterSummary;
};
export type ClusterName = { readonly id: ClusterId; readonly name: string };

export type Reservation = {
  readonly creation: StoredCreation;
  /** Of the account, as read for this creation. */
  readonly accountVersion: number;
  /** Who may finish it with a repeat of the request; null when nobody. */
  readonly creationKey: string | null;
};

/**
 * Takes the name and keeps the creation until the object confirms it. `gone`: the account was deleted meanwhile, or its
 * gateway is on its way out.
 */
export async function reserveCluster(
  db: Catalogue,
  { creation, accountVersion, creationKey }: Reservation,
  now: EpochMs,
): Promise<'reserved' | 'name-taken' | 'gone'> {
  const { scope, spec, account } = creation;
  await releaseNames(db, now - DELETED_CLUSTER_KEPT_MS, scope, spec.name);
  const row = {
    ...scope,
    id: creation.clusterId,
    name: spec.name,
    description: spec.description,
    tags: JSON.stringify(spec.tags),
    phase: 'pending',
    gatewayId: creation.gatewayId,
    accountId: account.accountId,
    profileId: spec.profileId,
    accountVersion,
    machinesReady: 0,
    machinesWanted: spec.pools.reduce((sum, pool) => sum + pool.size, 0),
    createdAt: now,
    // Older than anything the object will say, whatever its clock.
    updatedAt: 0,
    // Until the object says when: should its first word and its alarm both be lost, the sweep finds it.
    wakeAt: now,
    creation: JSON.stringify(creation),
    creationKey,
    kind: creation.cluster,
  };
  const accountStands = sql`exists (select 1 from cloud_accounts a join gateways g on g.id = a.gateway_id
    where a.id = ${account.accountId} and g.deleting_at is null and g.deleted_at is null)`;
  try {
    return (await insertWhere(db, clusters, row, accountStands)) ? 'reserved' : 'gone';
  } catch (error) {
    if (isNameTaken(error)) return 'name-taken';
    throw error;
  }
}

/** The cluster of this name that the same request began; `creation` is null once the object has it. Null: there is none. */
export async function findOwnCreation(
  db: Catalogue,
  scope: Scope,
  name: string,
  creationKey: string,
): Promise<{ id: ClusterId; creation: StoredCreation | null } | null> {
  const mine = and(ownedBy(clusters, scope), eq(clusters.name, name), eq(clusters.creationKey, creationKey));
  const [row] = await db.select().from(clusters).where(mine);
  if (row === undefined) return null;
  const creation = row.creation === null ? null : StoredCreation.parse(JSON.parse(row.creation));
  return { id: ClusterId.parse(row.id), creation };
}

/** What is kept of a creation: null once the object has it. Undefined: there is no such cluster. */
export async function findCreation(
  db: Catalogue,
  scope: Scope,
  id: ClusterId,
): Promise<StoredCreation | null | undefined> {
  const [row] = await db.select({ creation: clusters.creation }).from(clusters).where(one(scope, id));
  if (row === undefined) return undefined;
  return row.creation === null ? null : StoredCreation.parse(JSON.parse(row.creation));
}

/** Whether a cluster has the name, or had it until less than 72 h ago. */
export async function isClusterNameHeld(db: Catalogue, scope: Scope, name: string, now: EpochMs): Promise<boolean> {
  const isFree = and(eq(clusters.phase, 'deleted'), lt(clusters.deletedAt, now - DELETED_CLUSTER_KEPT_MS));
  const [row] = await db
    .select({ isFree: sql<number | null>`${isFree}` })
    .from(clusters)
    .where(and(ownedBy(clusters, scope), eq(clusters.name, name)));
  return row !== undefined && row.isFree !== 1;
}

/** Creations left over by a request that died, oldest first: for the sweep. */
export async function unfinishedCreations(db: Catalogue, before: EpochMs, limit: number): Promise<StoredCreation[]> {
  const rows = await db
    .select()
    .from(clusters)
    .where(and(isNotNull(clusters.creation), lt(clusters.createdAt, before)))
    .orderBy(clusters.createdAt)
    .limit(limit);
  return rows.map((row) => StoredCreation.parse(JSON.parse(row.creation ?? 'null')));
}

/** The object has it. */
export async function creationFinished(db: Catalogue, scope: Scope, id: ClusterId): Promise<void> {
  await db.update(clusters).set({ creation: null }).where(one(scope, id));
}

/** What the object says of itself. An older word never overwrites a newer; a missing row is made (the table is rebuildable). */
export async function projectCluster(
  db: Catalogue,
  scope: Scope,
  row: ClusterSummary & { readonly wakeAt: EpochMs | null },
  kind: ClusterKind = 'workload',
): Promise<void> {
  const said = {
    name: row.name,
    description: row.description,
    tags: JSON.stringify(row.tags),
    phase: row.phase,
    machinesReady: row.machinesReady,
    machinesWanted: row.machinesWanted,
    provisionedAt: row.provisionedAt,
    updatedAt: row.updatedAt,
    wakeAt: row.wakeAt,
    creation: null,
  };
  const newer = sql`updated_at <= ${row.updatedAt}`;
  if (row.phase === 'deleted') {
    // Never made anew: the row may be gone with its 72 h, and another cluster may have the name.
    const deletedAt = sql`coalesce(deleted_at, ${row.updatedAt})`;
    await db
      .update(clusters)
      .set({ ...said, deletedAt })
      .where(and(one(scope, row.id), newer));
    return;
  }
  const made = {
    ...scope,
    ...said,
    kind,
    id: row.id,
    gatewayId: row.gatewayId,
    accountId: row.accountId,
    profileId: '',
    accountVersion: 0,
    createdAt: row.createdAt,
  };
  await db.insert(clusters).values(made).onConflictDoUpdate({ target: clusters.id, set: said, setWhere: newer });
}

/** The row by id; null when foreign, unknown, or deleted more than 72 h ago. */
export async function findCluster(db: Catalogue, scope: Scope, id: ClusterId): Promise<ClusterRow | null> {
  const [row] = await db.select().from(clusters).where(one(scope, id));
  return row === undefined ? null : rowOf(row);
}

/** Deleted clusters are left out unless their phase is asked for; the machines of gateways always. */
export async function listClusters(
  db: Catalogue,
  scope: Scope,
  page: PageWanted & { readonly phase: ClusterPhase | null; readonly name: string | null },
): Promise<ClusterSummary[]> {
  const phase = page.phase === null ? ne(clusters.phase, 'deleted') : eq(clusters.phase, page.phase);
  const name = page.name === null ? undefined : eq(clusters.name, page.name);
  const rows = await db
    .select()
    .from(clusters)
    .where(and(ownedBy(clusters, scope), isWorkload, phase, name, olderThan(clusters, page.after)))
    .orderBy(desc(clusters.createdAt), desc(clusters.id))
    .limit(page.limit);
  return rows.map((row) => rowOf(row).summary);
}

/**
 * Users' clusters that stand on a gateway, an account or a profile: what keeps it from being deleted. On a gateway those of every
 * project, since only a tenant admin deletes one; else those of this project.
 */
export async function clustersUsing(
  db: Catalogue,
  scope: Scope,
  used: { gatewayId: GatewayId } | { accountId: AccountId } | { profileId: ProfileId },
  limit: number,
): Promise<ClusterName[]> {
  const by =
    'gatewayId' in used
      ? eq(clusters.gatewayId, used.gatewayId)
      : 'accountId' in used
        ? eq(clusters.accountId, used.accountId)
        : eq(clusters.profileId, used.profileId);
  const seen = 'gatewayId' in used ? eq(clusters.tenantId, scope.tenantId) : ownedBy(clusters, scope);
  const rows = await db
    .select({ id: clusters.id, name: clusters.name })
    .from(clusters)
    .where(and(seen, isWorkload, ne(clusters.phase, 'deleted'), by))
    .limit(limit);
  return rows.map((row) => ({ id: ClusterId.parse(row.id), name: row.name }));
}

/** Clusters whose objects should have been awake by now, longest first: for the sweep. */
export async function overdueClusters(
  db: Catalogue,
  now: EpochMs,
  limit: number,
): Promise<{ scope: Scope; id: ClusterId }[]> {
  const rows = await db
    .select()
    .from(clusters)
    .where(and(lt(clusters.wakeAt, now), ne(clusters.phase, 'deleted')))
    .orderBy(clusters.wakeAt)
    .limit(limit);
  return rows.map((row) => ({ scope: scopeOfRow(row), id: ClusterId.parse(row.id) }));
}

/** Forgets clusters deleted before a moment, and so frees their names. Nobody reads those of gateways: they go at once. */
export async function releaseNames(db: Catalogue, before: EpochMs, scope?: Scope, name?: string): Promise<void> {
  const of =
    scope === undefined || name === undefined ? undefined : and(ownedBy(clusters, scope), eq(clusters.name, name));
  const over = or(lt(clusters.deletedAt, before), eq(clusters.kind, 'gateway'));
  await db.delete(clusters).where(and(eq(clusters.phase, 'deleted'), over, of));
}

const isWorkload = eq(clusters.kind, 'workload');

const one = (scope: Scope, id: ClusterId) => and(ownedBy(clusters, scope), eq(clusters.id, id));

function rowOf(row: typeof clusters.$inferSelect): ClusterRow {
  const summary = ClusterSummary.parse({
    id: row.id,
    name: row.name,
    description: row.description,
    tags: JSON.parse(row.tags),
    phase: row.phase,
    gatewayId: row.gatewayId,
    accountId: row.accountId,
    machinesReady: row.machinesReady,
    machinesWanted: row.machinesWanted,
    createdAt: row.createdAt,
    provisionedAt: row.provisionedAt,
    updatedAt: Math.max(row.createdAt, row.updatedAt),
  });
  return { scope: scopeOfRow(row), id: summary.id, kind: ClusterKind.parse(row.kind), summary };
}
