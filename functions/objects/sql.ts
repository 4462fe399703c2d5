// The storage of an object as a port: synchronous SQLite, as Cloudflare's SqlStorage and node:sqlite both are. The logic of the
// objects knows only this, so a simulator runs it outside workerd (test/support/node-sql.ts is the other implementation).
import { z } from 'zod';

export type SqlValue = string | number | null | Uint8Array;

export type Sql = {
  /** Runs one statement and gives its rows. Blobs are Uint8Array. */
  run(statement: string, ...values: readonly SqlValue[]): Record<string, unknown>[];
  /** All or nothing; what `work` throws is thrown on after the roll-back. Not nested. */
  transaction<T>(work: () => T): T;
};

/** The rows of a statement, each parsed: what an older version of ours wrote is not trusted either. */
export function rowsOf<T>(sql: Sql, schema: z.ZodType<T>, statement: string, ...values: readonly SqlValue[]): T[] {
  return sql.run(statement, ...values).map((row) => schema.parse(row));
}

/**
 * Brings the tables up to date: step n of `steps` is run once, in order. May be called at each start.
 * The version is a table, since Cloudflare allows no `PRAGMA user_version`.
 */
export function migrate(sql: Sql, steps: readonly (readonly string[])[]): void {
  const done = schemaVersion(sql);
  if (done >= steps.length) return;
  sql.transaction(() => {
    sql.run('CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)');
    for (const step of steps.slice(done)) for (const statement of step) sql.run(statement);
    sql.run('DELETE FROM schema_version');
    sql.run('INSERT INTO schema_version (version) VALUES (?)', steps.length);
  });
}

// Made once: a schema is compiled when it is first used, which costs more than the query.
const CountRow = z.object({ n: z.int() });
const VersionRow = z.object({ version: z.int() });

/** 0 when nothing was ever written here: an object that was only asked stays empty, and so costs nothing. */
export function schemaVersion(sql: Sql): number {
  const named = "SELECT count(*) AS n FROM sqlite_master WHERE type = 'table' AND name = 'schema_version'";
  const exists = rowsOf(sql, CountRow, named)[0]?.n === 1;
  if (!exists) return 0;
  return rowsOf(sql, VersionRow, 'SELECT version FROM schema_version')[0]?.version ?? 0;
}

/**
 * The tables of one object, as `steps` make them. An object has one instance and nobody else writes its storage, so what was
 * seen once is not asked again: every call of a gateway would ask.
 */
export function tablesOf(sql: Sql, steps: readonly (readonly string[])[]) {
  let isThere = false;
  const exists = (): boolean => {
    isThere ||= schemaVersion(sql) > 0;
    return isThere;
  };
  return {
    exists,
    make: () => migrate(sql, steps),
    upgrade: () => (exists() ? migrate(sql, steps) : undefined),
    /** The platform has deleted them. */
    erased: () => {
      isThere = false;
    },
  };
}

export function workerdSql(storage: DurableObjectStorage): Sql {
  return {
    run: (statement, ...values) =>
      storage.sql
        .exec(statement, ...values)
        .toArray()
        .map((row) =>
          Object.fromEntries(
            Object.entries(row).map(([name, value]) => [
              name,
              value instanceof ArrayBuffer ? new Uint8Array(value) : value,
            ]),
          ),
        ),
    transaction: (work) => storage.transactionSync(work),
  };
}
