// Which incarnation of a relay watches a cluster now: the one that was last sent its `observe-cluster` (L7).
import { z } from 'zod';
import type { Command } from '../../shared/command.ts';
import type { ClusterId } from '../../shared/ids.ts';
import { isWatched, type Observation } from '../../shared/observation.ts';
import { rowsOf, type Sql } from './sql.ts';

const WatcherRow = z.object({ watcher: z.string().nullable() });

/** Written before the frame goes out. */
export function keepWatcher(sql: Sql, { clusterId, body }: Command, incarnation: string): void {
  if (clusterId === null || body.verb !== 'observe-cluster') return;
  sql.run('UPDATE cluster SET watcher = ? WHERE cluster_id = ?', incarnation, clusterId);
}

/** Whether what `incarnation` tells is news, and not what one that watched before had left to tell. */
export function isNews(sql: Sql, { clusterId, fact }: Observation, incarnation: string | null): boolean {
  if (!isWatched(fact)) return true;
  const watcher = watcherOf(sql, clusterId);
  return watcher === null || watcher === incarnation;
}

function watcherOf(sql: Sql, cluster: ClusterId): string | null {
  return rowsOf(sql, WatcherRow, 'SELECT watcher FROM cluster WHERE cluster_id = ?', cluster)[0]?.watcher ?? null;
}
