// How often an address tried an unauthenticated call in a minute.
import { lt, sql } from 'drizzle-orm';
import type { EpochMs } from '../../shared/ids.ts';
import type { Catalogue } from './catalogue.ts';
import { publicTries } from './schema.ts';

const MINUTE_MS = 60_000;

/** Counts this try and answers how many there were in this minute, itself included. */
export async function countTry(db: Catalogue, source: string, now: EpochMs): Promise<number> {
  const [row] = await db
    .insert(publicTries)
    .values({ source, minute: Math.floor(now / MINUTE_MS), tries: 1 })
    .onConflictDoUpdate({ target: [publicTries.source, publicTries.minute], set: { tries: sql`tries + 1` } })
    .returning({ tries: publicTries.tries });
  return row?.tries ?? 1;
}

/** Whole seconds until the count starts anew. */
export const secondsLeft = (now: EpochMs): number => Math.ceil((MINUTE_MS - (now % MINUTE_MS)) / 1_000);

export async function pruneTries(db: Catalogue, now: EpochMs): Promise<void> {
  await db.delete(publicTries).where(lt(publicTries.minute, Math.floor(now / MINUTE_MS) - 1));
}
