// What the clusters of a gateway still have to be told: whether a relay is connected. One row a cluster, the newest wins; told by
// notice-teller.ts.
import { z } from 'zod';
import { doubling } from '../../shared/backoff.ts';
import { ClusterId, EpochMs } from '../../shared/ids.ts';
import { rowsOf, type Sql } from './sql.ts';

const RETRY_MS_MIN = 2_000;
const RETRY_MS_MAX = 300_000;
/** Told at once in one go. */
const BATCH_MAX = 50;
// A limit is part of the text: SQLite compiles a statement anew for each limit that it is given as a value.
const DUE = `SELECT * FROM notice WHERE retry_at <= ? ORDER BY rowid LIMIT ${BATCH_MAX}`;

const NoticeRow = z.object({ cluster_id: ClusterId, connected: z.int(), failures: z.int(), retry_at: EpochMs });

const AwayRow = z.object({ cluster_id: ClusterId });
const NextRow = z.object({ at: EpochMs.nullable() });

export type ClusterNotices = ReturnType<typeof clusterNotices>;

export function clusterNotices(sql: Sql) {
  return {
    put: (clusters: readonly ClusterId[], connected: boolean) =>
      sql.transaction(() => {
        for (const id of clusters)
          sql.run(
            'INSERT OR REPLACE INTO notice (cluster_id, connected, failures, retry_at) VALUES (?, ?, 0, 0)',
            ...[id, Number(connected)],
          );
      }),
    /** In the order they were put. */
    due: (now: EpochMs): { clusterId: ClusterId; connected: boolean; failures: number }[] =>
      rowsOf(sql, NoticeRow, DUE, now).map((row) => ({
        clusterId: row.cluster_id,
        connected: row.connected === 1,
        failures: row.failures,
      })),
    /** Only if it is still what was told: another may have taken its place meanwhile. */
    told: (clusterId: ClusterId, connected: boolean) =>
      sql.transaction(() => {
        sql.run('UPDATE cluster SET away = ? WHERE cluster_id = ?', Number(!connected), clusterId);
        sql.run('DELETE FROM notice WHERE cluster_id = ? AND connected = ?', clusterId, Number(connected));
      }),
    /** Those that were told that no relay is connected, whether or not they have commands here. */
    away: (): ClusterId[] =>
      rowsOf(sql, AwayRow, 'SELECT cluster_id FROM cluster WHERE away = 1').map((row) => row.cluster_id),
    failed: (clusterId: ClusterId, failures: number, now: EpochMs) =>
      sql.run(
        'UPDATE notice SET failures = ?, retry_at = ? WHERE cluster_id = ?',
        ...[failures + 1, now + doubling(failures, RETRY_MS_MIN, RETRY_MS_MAX), clusterId],
      ),
    nextAt: (): EpochMs | null => rowsOf(sql, NextRow, 'SELECT min(retry_at) AS at FROM notice')[0]?.at ?? null,
  };
}
