// The upgrade of a gateway in its SQLite, and the newest release it was told of.
import { z } from 'zod';
import { UpgradeState } from '../plan/upgrade-state.ts';
import { PublishedRelease } from '../store/releases.ts';
import { rowsOf, type Sql } from './sql.ts';

const json = <T>(schema: z.ZodType<T>) => z.string().transform((text) => schema.parse(JSON.parse(text)));

const UpgradeRow = z.object({ state: json(UpgradeState) });
const ReleaseRow = z
  .object({ published: json(PublishedRelease), announced: z.string().nullable() })
  .transform(({ published, announced }) => ({
    published,
    /** The version that the timeline has told of. */ announced,
  }));

export type UpgradeRecords = ReturnType<typeof upgradeRecords>;

export function upgradeRecords(sql: Sql) {
  /** Undefined: not read since it changed. Asked for with every frame. */
  let state: UpgradeState | null | undefined;
  let release: z.infer<typeof ReleaseRow> | null | undefined;
  return {
    /** They were changed elsewhere. */
    forget(): void {
      state = undefined;
      release = undefined;
    },
    /** The last that was asked for. */
    state(): UpgradeState | null {
      if (state === undefined) state = rowsOf(sql, UpgradeRow, 'SELECT state FROM upgrade')[0]?.state ?? null;
      return state;
    },
    keep(next: UpgradeState): void {
      state = undefined;
      sql.run('INSERT OR REPLACE INTO upgrade (one, state) VALUES (1, ?)', JSON.stringify(next));
    },
    release(): z.infer<typeof ReleaseRow> | null {
      if (release === undefined)
        release = rowsOf(sql, ReleaseRow, 'SELECT published, announced FROM release')[0] ?? null;
      return release;
    },
    keepRelease(published: PublishedRelease): void {
      release = undefined;
      sql.run('INSERT OR IGNORE INTO release (one, published) VALUES (1, ?)', JSON.stringify(published));
      sql.run('UPDATE release SET published = ?', JSON.stringify(published));
    },
    announced(version: string): void {
      release = undefined;
      sql.run('UPDATE release SET announced = ?', version);
    },
  };
}
