// The SQLite of one object, with what Cloudflare promises about it: the writes of one turn are kept together or not at all.
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { Sql, SqlValue } from '../../functions/objects/sql.ts';

export class ObjectStorage implements Sql {
  readonly #database = new DatabaseSync(':memory:');
  readonly #statements = new Map<string, StatementSync>();
  #inTurn = false;

  run(statement: string, ...values: readonly SqlValue[]): Record<string, unknown>[] {
    this.#begin();
    return this.#prepared(statement).all(...values);
  }

  transaction<T>(work: () => T): T {
    this.#begin();
    this.#prepared('SAVEPOINT work').run();
    try {
      const result = work();
      this.#prepared('RELEASE work').run();
      return result;
    } catch (error) {
      this.#database.exec('ROLLBACK TO work; RELEASE work');
      throw error;
    }
  }

  commit(): void {
    if (this.#inTurn) this.#prepared('COMMIT').run();
    this.#inTurn = false;
  }

  /** The object was lost before the platform had its writes. */
  rollback(): void {
    if (this.#inTurn) this.#prepared('ROLLBACK').run();
    this.#inTurn = false;
  }

  /** As `storage.deleteAll()`. */
  eraseAll(): void {
    this.#begin();
    const tables = this.#database.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all();
    for (const { name } of tables) {
      if (typeof name === 'string' && !name.startsWith('sqlite_')) this.#database.exec(`DROP TABLE "${name}"`);
    }
    this.#statements.clear();
  }

  close(): void {
    this.#statements.clear();
    this.#database.close();
  }

  #prepared(statement: string): StatementSync {
    let prepared = this.#statements.get(statement);
    if (prepared === undefined) {
      prepared = this.#database.prepare(statement);
      this.#statements.set(statement, prepared);
    }
    return prepared;
  }

  #begin(): void {
    if (this.#inTurn) return;
    this.#prepared('BEGIN').run();
    this.#inTurn = true;
  }
}
