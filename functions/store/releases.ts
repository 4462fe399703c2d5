// Releases as they were published, and which gateways were told of the newest. They are the deployment's: no scope.
import { and, desc, eq, isNull, lt } from 'drizzle-orm';
import { z } from 'zod';
import { EpochMs, GatewayId, type Scope } from '../../shared/ids.ts';
import { type ReleaseVersion, SignedRelease } from '../../shared/release.ts';
import { type Catalogue, ownedBy, type PageWanted, scopeOfRow } from './catalogue.ts';
import { gateways, releases } from './schema.ts';

/** What a gateway's object is told. */
export const PublishedRelease = z.strictObject({ release: SignedRelease, publishedAt: EpochMs });
export type PublishedRelease = z.infer<typeof PublishedRelease>;
export type ReleaseRow = PublishedRelease & { readonly rank: number };

/** Parts have at most four digits. */
const PART = 10_000;

/** Rises with the version. */
export function rankOf(version: ReleaseVersion): number {
  return version.split('.').reduce((rank, part) => rank * PART + Number(part), 0);
}

/** `same`: published before with this very text. `exists`: with another one. */
export async function addRelease(
  db: Catalogue,
  version: ReleaseVersion,
  { release, publishedAt }: PublishedRelease,
): Promise<'published' | 'same' | 'exists'> {
  const row = { rank: rankOf(version), ...release, publishedAt };
  const written = await db.insert(releases).values(row).onConflictDoNothing();
  if (written.meta.changes > 0) return 'published';
  const kept = await findRelease(db, version);
  return kept?.release.manifest === release.manifest ? 'same' : 'exists';
}

export async function findRelease(db: Catalogue, version: ReleaseVersion): Promise<ReleaseRow | null> {
  const [row] = await db
    .select()
    .from(releases)
    .where(eq(releases.rank, rankOf(version)));
  return row === undefined ? null : rowOf(row);
}

export async function newestRelease(db: Catalogue): Promise<ReleaseRow | null> {
  const [row] = await db.select().from(releases).orderBy(desc(releases.rank)).limit(1);
  return row === undefined ? null : rowOf(row);
}

/** The newest version first; a page ends with a rank. */
export async function listReleases(db: Catalogue, page: PageWanted): Promise<ReleaseRow[]> {
  const older = page.after === null ? undefined : lt(releases.rank, page.after.createdAt);
  const rows = await db.select().from(releases).where(older).orderBy(desc(releases.rank)).limit(page.limit);
  return rows.map(rowOf);
}

/** Gateways whose objects do not know this release yet, the oldest first. */
export async function gatewaysToTell(
  db: Catalogue,
  rank: number,
  limit: number,
): Promise<{ scope: Scope; id: GatewayId }[]> {
  const rows = await db
    .select()
    .from(gateways)
    .where(and(lt(gateways.releaseTold, rank), isNull(gateways.deletedAt)))
    .orderBy(gateways.createdAt, gateways.id)
    .limit(limit);
  return rows.map((row) => ({ scope: scopeOfRow(row), id: GatewayId.parse(row.id) }));
}

export async function gatewayTold(db: Catalogue, scope: Scope, id: GatewayId, rank: number): Promise<void> {
  await db
    .update(gateways)
    .set({ releaseTold: rank })
    .where(and(ownedBy(gateways, scope), eq(gateways.id, id), lt(gateways.releaseTold, rank)));
}

const rowOf = ({ rank, manifest, signature, publishedAt }: typeof releases.$inferSelect): ReleaseRow => ({
  ...PublishedRelease.parse({ release: { manifest, signature }, publishedAt }),
  rank,
});
