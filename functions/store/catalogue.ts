// The one way into D1: every file of this folder takes a `Catalogue`.
import { type AnyColumn, and, eq, getTableColumns, lt, or, type SQL, sql } from 'drizzle-orm';
import { type DrizzleD1Database, drizzle } from 'drizzle-orm/d1';
import type { SQLiteTable } from 'drizzle-orm/sqlite-core';
import { Scope } from '../../shared/ids.ts';

export type Catalogue = DrizzleD1Database;

export const openCatalogue = (database: D1Database): Catalogue => drizzle(database);

/** Where a page ends; the next one holds what is older. */
export type PageEnd = { readonly createdAt: number; readonly id: string };
export type PageWanted = { readonly limit: number; readonly after: PageEnd | null };

type Owned = { readonly tenantId: AnyColumn; readonly projectId: AnyColumn };
type Aged = { readonly createdAt: AnyColumn; readonly id: AnyColumn };

/** Rows of this tenant and project. Every query of a row by id has it: a foreign id is not found. */
export const ownedBy = (table: Owned, scope: Scope): SQL | undefined =>
  and(eq(table.tenantId, scope.tenantId), eq(table.projectId, scope.projectId));

/** Rows that come after the page's end, newest first. */
export const olderThan = (table: Aged, end: PageEnd | null): SQL | undefined =>
  end === null
    ? undefined
    : or(lt(table.createdAt, end.createdAt), and(eq(table.createdAt, end.createdAt), lt(table.id, end.id)));

export const scopeOfRow = (row: { tenantId: string; projectId: string; jurisdiction: string }): Scope =>
  Scope.parse({ tenantId: row.tenantId, projectId: row.projectId, jurisdiction: row.jurisdiction });

/** Whether a write met a unique index. D1 tells it by text only. */
export function isNameTaken(error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause) if (/UNIQUE constraint failed/.test(at.message)) return true;
  return false;
}

/** Inserts the row if the condition holds at that moment: one statement, so nothing comes between. Says whether it did. */
export async function insertWhere<T extends SQLiteTable>(
  db: Catalogue,
  table: T,
  row: T['$inferInsert'],
  condition: SQL,
): Promise<boolean> {
  const values = new Map<string, unknown>(Object.entries(row));
  const columns = Object.entries(getTableColumns(table)).filter(([key]) => values.has(key));
  const names = columns.map(([, column]) => sql.identifier(column.name));
  const given = columns.map(([key]) => sql`${values.get(key)}`);
  const comma = sql`, `;
  const result = await db.run(
    sql`insert into ${table} (${sql.join(names, comma)}) select ${sql.join(given, comma)} where ${condition}`,
  );
  return result.meta.changes > 0;
}
