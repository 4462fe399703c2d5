// Who may be changing what: a mutation that was sent to an incarnation of a relay may be under way there until its outcome is
// known, or, when it was withdrawn, as long as a guard lasts (L3).
import { z } from 'zod';
import { type Command, type CommandId, isMutation } from '../../shared/command.ts';
import type { EpochMs } from '../../shared/ids.ts';
import { rowsOf, type Sql } from './sql.ts';

/** Longer than any guard: withdrawn mutations are forgotten after it. */
const WITHDRAWN_KEPT_MS = 600_000;

const SubjectRow = z.object({ cluster_id: z.string(), subject: z.string() });

/** Written before the frame goes out. */
export function expose(sql: Sql, command: Command, incarnation: string): void {
  if (command.clusterId === null || !isMutation(command.body.verb)) return;
  sql.run(
    'INSERT OR IGNORE INTO exposure (command_id, incarnation, cluster_id, subject) VALUES (?, ?, ?, ?)',
    ...[command.commandId, incarnation, command.clusterId, command.subject],
  );
}

/**
 * Its outcome is known: `by`, who told it, is through. A request of another incarnation, of a process that died above all, may
 * be under way a while longer.
 */
export function settleExposure(sql: Sql, id: CommandId, by: string | null, now: EpochMs): void {
  if (by !== null) sql.run('DELETE FROM exposure WHERE command_id = ? AND incarnation = ?', id, by);
  endExposure(sql, id, now);
}

/** Superseded or withdrawn: it may be under way a while longer. */
export function endExposure(sql: Sql, id: CommandId, now: EpochMs): void {
  sql.run('UPDATE exposure SET ended_at = ? WHERE command_id = ? AND ended_at IS NULL', now, id);
  sql.run('DELETE FROM exposure WHERE ended_at <= ?', now - WITHDRAWN_KEPT_MS);
}

/** Subjects that an incarnation other than `mine`, which ever had the lease, may still be changing. */
export function exposedToOthers(
  sql: Sql,
  mine: string,
  now: EpochMs,
  guardMs: number,
): { clusterId: string; subject: string }[] {
  return rowsOf(
    sql,
    SubjectRow,
    `SELECT DISTINCT cluster_id, subject FROM exposure
     WHERE incarnation <> ? AND incarnation IN (SELECT incarnation FROM epoch) AND (ended_at IS NULL OR ended_at > ?)
     ORDER BY cluster_id, subject`,
    ...[mine, now - guardMs],
  ).map((row) => ({ clusterId: row.cluster_id, subject: row.subject }));
}

/** Whether this incarnation has mutations to make. */
export function hasMutationsOf(sql: Sql, incarnation: string): boolean {
  return sql.run('SELECT 1 FROM exposure WHERE incarnation = ? AND ended_at IS NULL LIMIT 1', incarnation).length > 0;
}
