// Commands that were withdrawn, superseded or settled. A request to enqueue one may come after that: its cluster heard nothing of it for
// 15 s and asked again, and the platform gave it over all the same. Taken then, it would stand for ever, or change a machine
// that nobody waits for (C5); what is settled, a second relay, whose journal does not have it, would do again.
import type { CommandId } from '../../shared/command.ts';
import type { Sql } from './sql.ts';

/** Ten full queues, at some 100 bytes each. The oldest go first: what is late is late by seconds. */
const ENDED_MAX = 10_000;

/** In the turn that takes it out of the queue; also of one that never came here. */
export function keepEnded(sql: Sql, id: CommandId): void {
  sql.run('INSERT OR REPLACE INTO ended (command_id) VALUES (?)', id);
  // The newest row is never pruned, so the number that SQLite gives always rises.
  sql.run('DELETE FROM ended WHERE id <= (SELECT max(id) FROM ended) - ?', ENDED_MAX);
}

export function hasEnded(sql: Sql, id: CommandId): boolean {
  return sql.run('SELECT 1 FROM ended WHERE command_id = ?', id).length > 0;
}
