// Cluster profiles of a project. The built-in one is code, not a row: it changes with a release, not with a migration.
import { and, desc, eq, sql } from 'drizzle-orm';
import { z } from 'zod';
import { ClusterProfile } from '../../shared/cluster-profile.ts';
import type { ProfileId, Scope } from '../../shared/ids.ts';
import { type Catalogue, insertWhere, isNameTaken, olderThan, ownedBy, type PageWanted } from './catalogue.ts';
import { clusterProfiles } from './schema.ts';

export const ProfileRow = z.object({ profile: ClusterProfile, createdAt: z.int() });
export type ProfileRow = z.infer<typeof ProfileRow>;

/** False when the project has this name and version already. */
export async function addProfile(db: Catalogue, scope: Scope, row: ProfileRow): Promise<boolean> {
  const { profileId: id, name, version } = row.profile;
  const profile = JSON.stringify(row.profile);
  try {
    const columns = { ...scope, id, name, version, profile, createdAt: row.createdAt };
    return await insertWhere(db, clusterProfiles, columns, sql`true`);
  } catch (error) {
    if (isNameTaken(error)) return false;
    throw error;
  }
}

export async function findProfile(db: Catalogue, scope: Scope, id: ProfileId): Promise<ClusterProfile | null> {
  const [row] = await db.select().from(clusterProfiles).where(one(scope, id));
  return row === undefined ? null : rowOf(row).profile;
}

export async function listProfiles(db: Catalogue, scope: Scope, page: PageWanted): Promise<ProfileRow[]> {
  const rows = await db
    .select()
    .from(clusterProfiles)
    .where(and(ownedBy(clusterProfiles, scope), olderThan(clusterProfiles, page.after)))
    .orderBy(desc(clusterProfiles.createdAt), desc(clusterProfiles.id))
    .limit(page.limit);
  return rows.map(rowOf);
}

/** False when a cluster that is not deleted was made from it. */
export async function removeProfile(db: Catalogue, scope: Scope, id: ProfileId): Promise<boolean> {
  const unused = sql`not exists (select 1 from clusters where profile_id = ${id} and phase <> 'deleted')`;
  const result = await db.delete(clusterProfiles).where(and(one(scope, id), unused));
  return result.meta.changes > 0;
}

const one = (scope: Scope, id: ProfileId) => and(ownedBy(clusterProfiles, scope), eq(clusterProfiles.id, id));

const rowOf = (row: typeof clusterProfiles.$inferSelect): ProfileRow =>
  ProfileRow.parse({ profile: JSON.parse(row.profile), createdAt: row.createdAt });
