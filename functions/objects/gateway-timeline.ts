// What happened to a gateway, in its SQLite: the newest entries, as a cluster's timeline has them.
import { TimelineEntry } from '../../shared/cluster-view.ts';
import type { EpochMs } from '../../shared/ids.ts';
import { GATEWAY_TIMELINE_MAX } from '../../shared/limits.ts';
import type { GatewayLine } from '../plan/upgrade-view.ts';
import { rowsOf, type Sql } from './sql.ts';

export type GatewayTimeline = ReturnType<typeof gatewayTimeline>;

export function gatewayTimeline(sql: Sql) {
  return {
    add(lines: readonly GatewayLine[], at: EpochMs): void {
      if (lines.length === 0) return;
      for (const { kind, message } of lines)
        sql.run('INSERT INTO timeline (at, kind, message) VALUES (?, ?, ?)', at, kind, message.slice(0, 2_000));
      // The newest row is never pruned, so the number that SQLite gives always rises.
      sql.run('DELETE FROM timeline WHERE seq <= (SELECT max(seq) FROM timeline) - ?', GATEWAY_TIMELINE_MAX);
    },
    /** Oldest first. */
    read: (after: number, limit: number): TimelineEntry[] =>
      rowsOf(
        sql,
        TimelineEntry,
        'SELECT seq, at, kind, NULL AS slot, message, NULL AS log FROM timeline WHERE seq > ? ORDER BY seq LIMIT ?',
        ...[after, limit],
      ),
  };
}
