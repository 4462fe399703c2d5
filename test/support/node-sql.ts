// The storage port of the objects over node:sqlite, for tests and the simulator.
import { DatabaseSync } from 'node:sqlite';
import type { Sql } from '../../functions/objects/sql.ts';

/** @param path a file, or `:memory:` */
export function nodeSql(path = ':memory:'): Sql & { close(): void } {
  const database = new DatabaseSync(path);
  return {
    run: (statement, ...values) => database.prepare(statement).all(...values),
    transaction(work) {
      database.exec('BEGIN IMMEDIATE');
      try {
        const result = work();
        database.exec('COMMIT');
        return result;
      } catch (error) {
        database.exec('ROLLBACK');
        throw error;
      }
    },
    close: () => database.close(),
  };
}
