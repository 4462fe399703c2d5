// Projects of a tenant.
import { and, desc, eq, inArray, sql } from 'drizzle-orm';
import type { ProjectId, Scope } from '../../shared/ids.ts';
import { ProjectView } from '../../shared/project.ts';
import { type Catalogue, insertWhere, isNameTaken, type PageWanted } from './catalogue.ts';
import { projects } from './schema.ts';

/** In the tenant and jurisdiction of `scope`. False when a project of the tenant has the name. */
export async function addProject(db: Catalogue, scope: Scope, { id, name, createdAt }: ProjectView): Promise<boolean> {
  const { tenantId, jurisdiction } = scope;
  try {
    return await insertWhere(db, projects, { projectId: id, tenantId, name, jurisdiction, createdAt }, sql`true`);
  } catch (error) {
    if (isNameTaken(error)) return false;
    throw error;
  }
}

export async function listProjects(db: Catalogue, { tenantId }: Scope, page: PageWanted): Promise<ProjectView[]> {
  const { after } = page;
  const older =
    after === null
      ? undefined
      : sql`(${projects.createdAt}, ${projects.projectId}) < (${after.createdAt}, ${after.id})`;
  const rows = await db
    .select()
    .from(projects)
    .where(and(eq(projects.tenantId, tenantId), older))
    .orderBy(desc(projects.createdAt), desc(projects.projectId))
    .limit(page.limit);
  return rows.map(({ projectId: id, name, createdAt }) => ProjectView.parse({ id, name, createdAt }));
}

/** The first of these that is no project of the tenant; null when all are. */
export async function unknownProject(
  db: Catalogue,
  { tenantId }: Scope,
  ids: readonly ProjectId[],
): Promise<ProjectId | null> {
  if (ids.length === 0) return null;
  const rows = await db
    .select({ id: projects.projectId })
    .from(projects)
    .where(and(eq(projects.tenantId, tenantId), inArray(projects.projectId, [...ids])));
  const known = new Set(rows.map(({ id }) => id));
  return ids.find((id) => !known.has(id)) ?? null;
}
