// Cloud accounts. The catalogue is their truth; the key in it is ciphertext.
import { and, desc, eq, or, sql } from 'drizzle-orm';
import { z } from 'zod';
import { AccountAccess } from '../../shared/command.ts';
import { AccountView } from '../../shared/gateway-view.ts';
import { type AccountId, GatewayId, Scope } from '../../shared/ids.ts';
import { AccountFacts } from '../../shared/inventory.ts';
import { AccountSharing } from '../../shared/project.ts';
import {
  type Catalogue,
  insertWhere,
  isNameTaken,
  olderThan,
  ownedBy,
  type PageWanted,
  scopeOfRow,
} from './catalogue.ts';
import { cloudAccounts } from './schema.ts';

export const AccountRow = z.object({
  /** Of the account and its gateway: its key is sealed for it. */
  scope: Scope,
  sharing: AccountSharing,
  access: AccountAccess,
  name: z.string(),
  gatewayId: GatewayId,
  facts: AccountFacts,
  keyVersion: z.int().min(1),
  validatedAt: z.int(),
  createdAt: z.int(),
});
export type AccountRow = z.infer<typeof AccountRow>;

export type AccountWritten = 'written' | 'name-taken' | 'gone';

/** `gone`: the gateway is deleted meanwhile, or about to be. */
export async function addAccount(db: Catalogue, row: AccountRow): Promise<AccountWritten> {
  const gateway = sql`exists (select 1 from gateways where id = ${row.gatewayId} and deleted_at is null and deleting_at is null)`;
  return written(() => insertWhere(db, cloudAccounts, { ...row.scope, ...columnsOf(row) }, gateway));
}

/** Replaces version `readVersion`; `gone` when another change came first or the account is deleted. */
export async function replaceAccount(db: Catalogue, row: AccountRow, readVersion: number): Promise<AccountWritten> {
  return written(async () => {
    const result = await db
      .update(cloudAccounts)
      .set(columnsOf(row))
      .where(and(one(row.scope, row.access.accountId), eq(cloudAccounts.keyVersion, readVersion)));
    return result.meta.changes > 0;
  });
}

export async function findAccount(db: Catalogue, scope: Scope, id: AccountId): Promise<AccountRow | null> {
  const [row] = await db.select().from(cloudAccounts).where(one(scope, id));
  return row === undefined ? null : rowOf(row);
}

/** One that this project may use: its own, or one that is shared with it. `not-shared`: it is of another project of the tenant. */
export async function findUsableAccount(
  db: Catalogue,
  scope: Scope,
  id: AccountId,
): Promise<AccountRow | 'not-shared' | null> {
  const inTenant = and(eq(cloudAccounts.tenantId, scope.tenantId), eq(cloudAccounts.id, id));
  const [found] = await db.select().from(cloudAccounts).where(inTenant);
  if (found === undefined) return null;
  const row = rowOf(found);
  return mayUse(row, scope) ? row : 'not-shared';
}

function mayUse({ scope: owner, sharing }: AccountRow, { projectId }: Scope): boolean {
  if (owner.projectId === projectId || sharing === 'all') return true;
  return sharing !== 'tenant' && sharing.projects.includes(projectId);
}

/** Those that this project may use. */
export async function listAccounts(db: Catalogue, scope: Scope, page: PageWanted): Promise<AccountRow[]> {
  const rows = await db
    .select()
    .from(cloudAccounts)
    .where(and(usableBy(scope), olderThan(cloudAccounts, page.after)))
    .orderBy(desc(cloudAccounts.createdAt), desc(cloudAccounts.id))
    .limit(page.limit);
  return rows.map(rowOf);
}

/** Those that stand on this gateway, the newest first. */
export async function accountsOfGateway(
  db: Catalogue,
  scope: Scope,
  gatewayId: GatewayId,
  limit: number,
): Promise<AccountAccess[]> {
  const rows = await db
    .select()
    .from(cloudAccounts)
    .where(and(ownedBy(cloudAccounts, scope), eq(cloudAccounts.gatewayId, gatewayId)))
    .orderBy(desc(cloudAccounts.createdAt), desc(cloudAccounts.id))
    .limit(limit);
  return rows.map((row) => rowOf(row).access);
}

/** False when a cluster that is not deleted uses it, at that very moment. */
export async function removeAccount(db: Catalogue, scope: Scope, id: AccountId): Promise<boolean> {
  const unused = sql`not exists (select 1 from clusters where account_id = ${id} and phase <> 'deleted')`;
  const result = await db.delete(cloudAccounts).where(and(one(scope, id), unused));
  return result.meta.changes > 0;
}

/** Accounts of which some cluster was last told an older version. */
export async function accountsToTell(db: Catalogue, limit: number): Promise<AccountRow[]> {
  const behind = sql`exists (select 1 from clusters where clusters.account_id = ${cloudAccounts.id}
    and clusters.account_version < ${cloudAccounts.keyVersion} and clusters.phase <> 'deleted' and clusters.creation is null)`;
  const rows = await db.select().from(cloudAccounts).where(behind).limit(limit);
  return rows.map(rowOf);
}

export const accountView = (row: AccountRow): AccountView =>
  AccountView.parse({
    id: row.access.accountId,
    name: row.name,
    gatewayId: row.gatewayId,
    endpoint: row.access.endpoint,
    maasUser: row.facts.user,
    maasVersion: row.facts.maasVersion,
    isAdmin: row.facts.isAdmin,
    permissionsMissing: row.facts.permissionsMissing,
    keyVersion: row.keyVersion,
    validatedAt: row.validatedAt,
    createdAt: row.createdAt,
    projectId: row.scope.projectId,
    sharing: row.sharing,
  });

/** `mayUse`, as the catalogue looks for it. */
const usableBy = (scope: Scope) =>
  or(
    ownedBy(cloudAccounts, scope),
    and(
      eq(cloudAccounts.tenantId, scope.tenantId),
      sql`(sharing = '"all"' or exists (select 1 from json_each(sharing, '$.projects') where value = ${scope.projectId}))`,
    ),
  );

const one = (scope: Scope, id: AccountId) => and(ownedBy(cloudAccounts, scope), eq(cloudAccounts.id, id));

async function written(write: () => Promise<boolean>): Promise<AccountWritten> {
  try {
    return (await write()) ? 'written' : 'gone';
  } catch (error) {
    if (isNameTaken(error)) return 'name-taken';
    throw error;
  }
}

const columnsOf = (row: AccountRow) => ({
  id: row.access.accountId,
  name: row.name,
  gatewayId: row.gatewayId,
  access: JSON.stringify(row.access),
  facts: JSON.stringify(row.facts),
  keyVersion: row.keyVersion,
  validatedAt: row.validatedAt,
  createdAt: row.createdAt,
  sharing: JSON.stringify(row.sharing),
});

const rowOf = (row: typeof cloudAccounts.$inferSelect): AccountRow =>
  AccountRow.parse({
    ...{ ...row, scope: scopeOfRow(row), sharing: JSON.parse(row.sharing) },
    ...{ access: JSON.parse(row.access), facts: JSON.parse(row.facts) },
  });
