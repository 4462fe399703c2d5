// Releases as they were published, and which gateways were told of the newest. They are the deployment's: no scope.
import { and, desc, eq, isNull, lt, or, sql } from 'drizzle-orm';
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

/** `upgradeDueAt`: as it was found; null when no upgrade is known of. */
export type GatewayToTell = { readonly scope: Scope; readonly id: GatewayId; readonly upgradeDueAt: EpochMs | null };

/** Gateways whose objects do not know this release yet, or whose upgrade should have gone on before `overdue`; the oldest first. */
export async function gatewaysToTell(
  db: Catalogue,
  rank: number,
  overdue: EpochMs,
  limit: number,
): Promise<GatewayToTell[]> {
  const rows = await db
    .select()
    .from(gateways)
    .where(and(or(lt(gateways.releaseTold, rank), lt(gateways.upgradeDueAt, overdue)), isNull(gateways.deletedAt)))
    .orderBy(gateways.createdAt, gateways.id)
    .limit(limit);
  return rows.map((row) => ({
    scope: scopeOfRow(row),
    id: GatewayId.parse(row.id),
    upgradeDueAt: EpochMs.nullable().parse(row.upgradeDueAt),
  }));
}

/** @param dueAt when it says that its upgrade goes on. An upgrade that was asked for since it was found keeps its own moment. */
export async function gatewayTold(
  db: Catalogue,
  { scope, id, upgradeDueAt }: GatewayToTell,
  rank: number,
  dueAt: EpochMs | null,
): Promise<void> {
  await db
    .update(gateways)
    .set({
      releaseTold: sql`max(release_told, ${rank})`,
      upgradeDueAt: sql`case when upgrade_due_at is ${upgradeDueAt} then ${dueAt} else upgrade_due_at end`,
    })
    .where(and(ownedBy(gateways, scope), eq(gateways.id, id)));
}

/** Called before the gateway is asked for an upgrade: from `at` on the sweep sees to it that its object is awake. May be repeated. */
export async function expectUpgrade(db: Catalogue, scope: Scope, id: GatewayId, at: EpochMs): Promise<void> {
  await db
    .update(gateways)
    .set({ upgradeDueAt: sql`min(coalesce(upgrade_due_at, ${at}), ${at})` })
    .where(and(ownedBy(gateways, scope), eq(gateways.id, id)));
}

const rowOf = ({ rank, manifest, signature, publishedAt }: typeof releases.$inferSelect): ReleaseRow => ({
  ...PublishedRelease.parse({ release: { manifest, signature }, publishedAt }),
  rank,
});
