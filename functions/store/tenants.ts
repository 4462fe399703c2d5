// Tenants, their projects, and the setup that makes the first of each.
import type { ApiKeyView } from '../../shared/api-key.ts';
import type { EpochMs, Scope } from '../../shared/ids.ts';
import { type Catalogue, isNameTaken } from './catalogue.ts';
import { apiKeys, projects, tenants } from './schema.ts';

/** Makes a tenant, a project and its first key, all or nothing. False when the tenant exists: setup has been done. */
export async function makeTenant(
  db: Catalogue,
  scope: Scope,
  key: { readonly view: ApiKeyView; readonly hash: string },
  now: EpochMs,
): Promise<boolean> {
  const { tenantId, projectId, jurisdiction } = scope;
  try {
    await db.batch([
      db.insert(tenants).values({ tenantId, name: 'default', jurisdiction, createdAt: now }),
      db.insert(projects).values({ projectId, tenantId, name: 'default', jurisdiction, createdAt: now }),
      db.insert(apiKeys).values({ ...scope, ...key.view, hash: key.hash }),
    ]);
    return true;
  } catch (error) {
    if (isNameTaken(error)) return false;
    throw error;
  }
}
