// Clusters that were created while their gateway is upgraded (U6): they stand in line, in the order in which they came, and take
// nothing from the relays before it has ended. A cluster whose commands were once taken here never stands in line.
import { z } from 'zod';
import { ClusterId, type EpochMs } from '../../shared/ids.ts';
import { QUEUED_CLUSTERS_MAX } from '../../shared/limits.ts';
import { rowsOf, type Sql } from './sql.ts';

const SeqRow = z.object({ seq: z.int() });
const CountRow = z.object({ n: z.int() });
const IdRow = z.object({ cluster_id: ClusterId });

export type ClusterLine = ReturnType<typeof clusterLine>;

export function clusterLine(sql: Sql) {
  const count = (): number => rowsOf(sql, CountRow, 'SELECT count(*) AS n FROM queued')[0]?.n ?? 0;
  const ids = (after = 0): ClusterId[] =>
    rowsOf(sql, IdRow, 'SELECT cluster_id FROM queued WHERE seq > ? ORDER BY seq', after).map((row) => row.cluster_id);
  const seqOf = (id: ClusterId): number | null =>
    rowsOf(sql, SeqRow, 'SELECT seq FROM queued WHERE cluster_id = ?', id)[0]?.seq ?? null;
  return {
    count,
    /** How many stand before it; null when it does not stand in line. */
    ahead(id: ClusterId): number | null {
      const seq = seqOf(id);
      if (seq === null) return null;
      return rowsOf(sql, CountRow, 'SELECT count(*) AS n FROM queued WHERE seq < ?', seq)[0]?.n ?? 0;
    },
    /** At its end. May be repeated. `full`: too many stand in it. */
    join(id: ClusterId, at: EpochMs): 'joined' | 'stands' | 'full' {
      if (seqOf(id) !== null) return 'stands';
      if (count() >= QUEUED_CLUSTERS_MAX) return 'full';
      sql.run('INSERT INTO queued (cluster_id, at) VALUES (?, ?)', id, at);
      return 'joined';
    },
    /** It needs its place no more. @returns those that stood behind it; null when it stood nowhere */
    leave(id: ClusterId): ClusterId[] | null {
      const seq = seqOf(id);
      if (seq === null) return null;
      sql.run('DELETE FROM queued WHERE cluster_id = ?', id);
      return ids(seq);
    },
    /** Nothing is waited for any more: all may begin. @returns them, first in, first out */
    admitAll: (): ClusterId[] =>
      sql.transaction(() => {
        const all = ids();
        for (const id of all) sql.run('INSERT OR IGNORE INTO cluster (cluster_id) VALUES (?)', id);
        sql.run('DELETE FROM queued');
        return all;
      }),
  };
}
