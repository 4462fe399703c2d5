// Gateways: names, and which object a pairing code belongs to. What a gateway is now, its object says.
import { and, desc, eq, isNotNull, isNull, ne, sql } from 'drizzle-orm';
import { z } from 'zod';
import { type AccountId, type ClusterId, EpochMs, GatewayId, Scope } from '../../shared/ids.ts';
import {
  type Catalogue,
  insertWhere,
  isNameTaken,
  olderThan,
  ownedBy,
  type PageWanted,
  scopeOfRow,
} from './catalogue.ts';
import { cloudAccounts, clusters, gateways } from './schema.ts';

export const GatewayRow = z.object({ scope: Scope, id: GatewayId, name: z.string(), createdAt: EpochMs });
export type GatewayRow = z.infer<typeof GatewayRow>;

/** Clusters that stand in line until this gateway is upgraded, as they said last: the gateway's own count is exact. */
export async function queuedClusters(db: Catalogue, scope: Scope, id: GatewayId): Promise<number> {
  const queued = and(ownedBy(clusters, scope), eq(clusters.gatewayId, id), eq(clusters.phase, 'queued'));
  return db.$count(clusters, queued);
}

/** False when the name is taken. */
export async function addGateway(db: Catalogue, row: GatewayRow, codeHash: string): Promise<boolean> {
  const { scope, ...rest } = row;
  try {
    return await insertWhere(db, gateways, { ...scope, ...rest, codeHash }, sql`true`);
  } catch (error) {
    if (isNameTaken(error)) return false;
    throw error;
  }
}

export async function findGateway(db: Catalogue, scope: Scope, id: GatewayId): Promise<GatewayRow | null> {
  const [row] = await db.select().from(gateways).where(standing(scope, id));
  return row === undefined ? null : rowOf(row);
}

/** Of a gateway of the tenant, in whatever project: clusters of others may stand on it (C13). Null when there is none. */
export async function gatewayScopeOf(db: Catalogue, { tenantId }: Scope, id: GatewayId): Promise<Scope | null> {
  const [row] = await db
    .select()
    .from(gateways)
    .where(and(eq(gateways.tenantId, tenantId), eq(gateways.id, id)));
  return row === undefined ? null : scopeOfRow(row);
}

export async function findGatewayByCode(db: Catalogue, codeHash: string): Promise<GatewayRow | null> {
  const [row] = await db
    .select()
    .from(gateways)
    .where(and(eq(gateways.codeHash, codeHash), isNull(gateways.deletedAt)));
  return row === undefined ? null : rowOf(row);
}

export async function listGateways(db: Catalogue, scope: Scope, page: PageWanted): Promise<GatewayRow[]> {
  const rows = await db
    .select()
    .from(gateways)
    .where(and(ownedBy(gateways, scope), isNull(gateways.deletedAt), olderThan(gateways, page.after)))
    .orderBy(desc(gateways.createdAt), desc(gateways.id))
    .limit(page.limit);
  return rows.map(rowOf);
}

export async function setPairingCode(db: Catalogue, scope: Scope, id: GatewayId, codeHash: string): Promise<void> {
  await db.update(gateways).set({ codeHash }).where(standing(scope, id));
}

/** From here on nothing new stands on it. False when a user's cluster does: then nothing happens. May be repeated. */
export async function beginGatewayDeletion(db: Catalogue, scope: Scope, id: GatewayId, now: EpochMs): Promise<boolean> {
  const empty = sql`not exists (select 1 from clusters where gateway_id = ${id} and phase <> 'deleted' and kind = 'workload')`;
  const result = await db
    .update(gateways)
    .set({ deletingAt: sql`coalesce(deleting_at, ${now})` })
    .where(and(standing(scope, id), empty));
  return result.meta.changes > 0;
}

/** Nobody waits for a gateway's machines any more: it was given up, or they are gone and `except` takes their place. */
export async function abandonGatewayClusters(
  db: Catalogue,
  gateway: { readonly scope: Scope; readonly gatewayId: GatewayId },
  now: EpochMs,
  except: ClusterId | null = null,
): Promise<void> {
  const { scope, gatewayId } = gateway;
  const of = and(ownedBy(clusters, scope), eq(clusters.gatewayId, gatewayId), eq(clusters.kind, 'gateway'));
  const mine = except === null ? of : and(of, ne(clusters.id, except));
  await db
    .update(clusters)
    .set({ phase: 'deleted', deletedAt: now, updatedAt: now, wakeAt: null, creation: null })
    .where(and(mine, ne(clusters.phase, 'deleted')));
}

/** Gateways whose machines are being given back: for the sweep, which sees to it that their objects know. */
export async function gatewaysInDeletion(db: Catalogue, limit: number): Promise<GatewayRow[]> {
  const rows = await db
    .select()
    .from(gateways)
    .where(and(isNotNull(gateways.deletingAt), isNull(gateways.deletedAt)))
    .limit(limit);
  return rows.map(rowOf);
}

/** Gateways whose own machines stand on this account. */
export async function gatewaysUsing(
  db: Catalogue,
  scope: Scope,
  accountId: AccountId,
): Promise<{ id: GatewayId; name: string }[]> {
  const rows = await db
    .selectDistinct({ id: gateways.id, name: gateways.name })
    .from(gateways)
    .innerJoin(clusters, eq(clusters.gatewayId, gateways.id))
    .where(
      and(
        ownedBy(clusters, scope),
        eq(clusters.accountId, accountId),
        eq(clusters.kind, 'gateway'),
        ne(clusters.phase, 'deleted'),
      ),
    );
  return rows.map((row) => ({ id: GatewayId.parse(row.id), name: row.name }));
}

/**
 * Hides the gateway and drops its accounts, unless a cluster stands on it, its own machines included: then nothing happens
 * and false is answered.
 */
export async function beginGatewayRemoval(db: Catalogue, scope: Scope, id: GatewayId, now: EpochMs): Promise<boolean> {
  const empty = sql`not exists (select 1 from clusters where gateway_id = ${id} and phase <> 'deleted')`;
  const [hidden] = await db.batch([
    db
      .update(gateways)
      .set({ deletedAt: now })
      .where(and(standing(scope, id), empty)),
    db.delete(cloudAccounts).where(and(eq(cloudAccounts.gatewayId, id), empty)),
  ]);
  return hidden.meta.changes > 0;
}

/** Called once the object has forgotten the gateway. */
export async function endGatewayRemoval(db: Catalogue, scope: Scope, id: GatewayId): Promise<void> {
  await db.delete(gateways).where(and(ownedBy(gateways, scope), eq(gateways.id, id), isNotNull(gateways.deletedAt)));
}

/** Gateways whose object could not be told of its removal yet. */
export async function unfinishedRemovals(db: Catalogue, limit: number): Promise<GatewayRow[]> {
  const rows = await db.select().from(gateways).where(isNotNull(gateways.deletedAt)).limit(limit);
  return rows.map(rowOf);
}

const standing = (scope: Scope, id: GatewayId) =>
  and(ownedBy(gateways, scope), eq(gateways.id, id), isNull(gateways.deletedAt));

const rowOf = (row: typeof gateways.$inferSelect): GatewayRow =>
  GatewayRow.parse({ scope: scopeOfRow(row), id: row.id, name: row.name, createdAt: row.createdAt });
