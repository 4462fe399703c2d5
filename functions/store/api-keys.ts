// API keys: the hash of each, its role and its end.
import { and, desc, eq, isNull, sql } from 'drizzle-orm';
import { ApiKeyView } from '../../shared/api-key.ts';
import type { ApiKeyId, EpochMs, Scope } from '../../shared/ids.ts';
import { type Catalogue, insertWhere, isNameTaken, olderThan, type PageWanted, scopeOfRow } from './catalogue.ts';
import { apiKeys } from './schema.ts';

type Row = typeof apiKeys.$inferSelect;

/** The key of this hash with its scope; null when there is none or it is revoked. */
export async function findKeyByHash(db: Catalogue, hash: string): Promise<{ scope: Scope; view: ApiKeyView } | null> {
  const [row] = await db
    .select()
    .from(apiKeys)
    .where(and(eq(apiKeys.hash, hash), isNull(apiKeys.revokedAt)))
    .limit(1);
  return row === undefined ? null : { scope: scopeOfRow(row), view: viewOf(row) };
}

/** False when a key of that name stands. */
export async function addKey(db: Catalogue, scope: Scope, view: ApiKeyView, hash: string): Promise<boolean> {
  try {
    return await insertWhere(db, apiKeys, { ...scope, ...view, hash }, sql`true`);
  } catch (error) {
    if (isNameTaken(error)) return false;
    throw error;
  }
}

/** Of the whole tenant. */
export async function listKeys(db: Catalogue, scope: Scope, page: PageWanted): Promise<ApiKeyView[]> {
  const rows = await db
    .select()
    .from(apiKeys)
    .where(and(eq(apiKeys.tenantId, scope.tenantId), olderThan(apiKeys, page.after)))
    .orderBy(desc(apiKeys.createdAt), desc(apiKeys.id))
    .limit(page.limit);
  return rows.map(viewOf);
}

/** Revokes; a revoked key stays revoked. `last-admin`: nobody could make a key again, so it is kept. */
export async function revokeKey(
  db: Catalogue,
  scope: Scope,
  id: ApiKeyId,
  now: EpochMs,
): Promise<'revoked' | 'not-found' | 'last-admin'> {
  const [row] = await db
    .select()
    .from(apiKeys)
    .where(and(eq(apiKeys.tenantId, scope.tenantId), eq(apiKeys.id, id)));
  if (row === undefined) return 'not-found';
  if (row.revokedAt !== null) return 'revoked';
  const otherAdmin = sql`exists (select 1 from api_keys other where other.tenant_id = ${scope.tenantId}
    and other.role = 'tenant-admin' and other.revoked_at is null and other.id <> ${id})`;
  const result = await db
    .update(apiKeys)
    .set({ revokedAt: now })
    .where(and(eq(apiKeys.id, id), sql`(role <> 'tenant-admin' or ${otherAdmin})`));
  return result.meta.changes > 0 ? 'revoked' : 'last-admin';
}

const viewOf = (row: Row): ApiKeyView =>
  ApiKeyView.parse({
    id: row.id,
    projectId: row.projectId,
    name: row.name,
    role: row.role,
    createdAt: row.createdAt,
    revokedAt: row.revokedAt,
  });
