// The catalogue (D1). For clusters and gateways it is a projection that answers lists; for accounts, profiles, keys and names
// it is the truth. Every row says whose it is: tenant, project, jurisdiction (architecture ruling 13.11).
// Tables are read and written by the file of the same noun beside this one; nothing else imports drizzle.
import { sql } from 'drizzle-orm';
import { index, integer, primaryKey, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core';

const scope = {
  tenantId: text('tenant_id').notNull(),
  projectId: text('project_id').notNull(),
  jurisdiction: text('jurisdiction').notNull(),
};

export const tenants = sqliteTable('tenants', {
  tenantId: text('tenant_id').primaryKey(),
  name: text('name').notNull(),
  jurisdiction: text('jurisdiction').notNull(),
  createdAt: integer('created_at').notNull(),
});

export const projects = sqliteTable(
  'projects',
  {
    projectId: text('project_id').primaryKey(),
    tenantId: text('tenant_id')
      .notNull()
      .references(() => tenants.tenantId),
    name: text('name').notNull(),
    jurisdiction: text('jurisdiction').notNull(),
    createdAt: integer('created_at').notNull(),
  },
  (table) => [uniqueIndex('projects_by_name').on(table.tenantId, table.name)],
);

export const apiKeys = sqliteTable(
  'api_keys',
  {
    ...scope,
    id: text('id').primaryKey(),
    name: text('name').notNull(),
    role: text('role').notNull(),
    /** SHA-256 of the key, base64url. */
    hash: text('hash').notNull(),
    createdAt: integer('created_at').notNull(),
    revokedAt: integer('revoked_at'),
  },
  (table) => [
    uniqueIndex('api_keys_by_hash').on(table.hash),
    // A revoked key gives its name back; certificates of its user end within 8 hours.
    uniqueIndex('api_keys_by_name').on(table.projectId, table.name).where(sql`revoked_at is null`),
    index('api_keys_by_age').on(table.projectId, table.createdAt, table.id),
  ],
);

export const gateways = sqliteTable(
  'gateways',
  {
    ...scope,
    id: text('id').primaryKey(),
    name: text('name').notNull(),
    /** SHA-256 of the pairing code: finds the gateway's object, which decides. */
    codeHash: text('code_hash').notNull(),
    createdAt: integer('created_at').notNull(),
    /** Set when deleted and the object is not told yet. */
    deletedAt: integer('deleted_at'),
    /** Set when its machines are to be given back: nothing new stands on it from then on. */
    deletingAt: integer('deleting_at'),
    /** Rank of the newest release its object was told. */
    releaseTold: integer('release_told').notNull().default(0),
    /** When its upgrade goes on at the latest; null when none is known of. For the sweep, which wakes an object whose alarm was lost. */
    upgradeDueAt: integer('upgrade_due_at'),
  },
  (table) => [
    uniqueIndex('gateways_by_name').on(table.projectId, table.name).where(sql`deleted_at is null`),
    uniqueIndex('gateways_by_code').on(table.codeHash),
    index('gateways_by_age').on(table.projectId, table.createdAt, table.id),
  ],
);

export const cloudAccounts = sqliteTable(
  'cloud_accounts',
  {
    ...scope,
    id: text('id').primaryKey(),
    name: text('name').notNull(),
    gatewayId: text('gateway_id')
      .notNull()
      .references(() => gateways.id),
    /** AccountAccess as JSON: endpoint, CA bundle, and the key as ciphertext only its gateway can open. */
    access: text('access').notNull(),
    /** What the last validation said: user, version, rights, as JSON. */
    facts: text('facts').notNull(),
    keyVersion: integer('key_version').notNull(),
    validatedAt: integer('validated_at').notNull(),
    createdAt: integer('created_at').notNull(),
    /** AccountSharing as JSON. */
    sharing: text('sharing').notNull().default('"tenant"'),
  },
  (table) => [
    uniqueIndex('cloud_accounts_by_name').on(table.projectId, table.name),
    index('cloud_accounts_by_age').on(table.projectId, table.createdAt, table.id),
  ],
);

export const clusterProfiles = sqliteTable(
  'cluster_profiles',
  {
    ...scope,
    id: text('id').primaryKey(),
    name: text('name').notNull(),
    version: text('version').notNull(),
    /** ClusterProfile as JSON. Never updated. */
    profile: text('profile').notNull(),
    createdAt: integer('created_at').notNull(),
  },
  (table) => [
    uniqueIndex('cluster_profiles_by_version').on(table.projectId, table.name, table.version),
    index('cluster_profiles_by_age').on(table.projectId, table.createdAt, table.id),
  ],
);

export const clusters = sqliteTable(
  'clusters',
  {
    ...scope,
    id: text('id').primaryKey(),
    name: text('name').notNull(),
    description: text('description').notNull(),
    /** JSON list. */
    tags: text('tags').notNull(),
    phase: text('phase').notNull(),
    gatewayId: text('gateway_id').notNull(),
    accountId: text('account_id').notNull(),
    profileId: text('profile_id').notNull(),
    /** The version of the account the object was last told. */
    accountVersion: integer('account_version').notNull(),
    machinesReady: integer('machines_ready').notNull(),
    machinesWanted: integer('machines_wanted').notNull(),
    createdAt: integer('created_at').notNull(),
    provisionedAt: integer('provisioned_at'),
    updatedAt: integer('updated_at').notNull(),
    deletedAt: integer('deleted_at'),
    /** When the object wants to be awake; the cron sweep looks for what is overdue. */
    wakeAt: integer('wake_at'),
    /** ClusterCreation as JSON until the object has it; whoever finds it left over finishes it. */
    creation: text('creation'),
    /** Who may finish it: hash of the Idempotency-Key and its principal; null without one. */
    creationKey: text('creation_key'),
    /** ClusterKind. The machines of a gateway are in no list. */
    kind: text('kind').notNull().default('workload'),
  },
  (table) => [
    // A deleted cluster's row goes 72 h after, and its name with it.
    uniqueIndex('clusters_by_name').on(table.projectId, table.name),
    index('clusters_by_age').on(table.projectId, table.createdAt, table.id),
    index('clusters_by_account').on(table.accountId, table.phase),
    index('clusters_by_gateway').on(table.gatewayId, table.phase),
    index('clusters_by_profile').on(table.profileId, table.phase),
    index('clusters_by_wake').on(table.wakeAt).where(sql`wake_at is not null`),
    index('clusters_unfinished').on(table.createdAt).where(sql`creation is not null`),
  ],
);

export const idempotencyKeys = sqliteTable(
  'idempotency_keys',
  {
    ...scope,
    apiKeyId: text('api_key_id').notNull(),
    /** SHA-256 of the Idempotency-Key: the key itself opens the stored answer, so it is not kept. */
    keyHash: text('key_hash').notNull(),
    /** SHA-256 of method, path and body. */
    requestHash: text('request_hash').notNull(),
    /** The answer, encrypted; null while the first request runs. */
    answer: text('answer'),
    lockedUntil: integer('locked_until').notNull(),
    expiresAt: integer('expires_at').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.apiKeyId, table.keyHash] }),
    index('idempotency_keys_by_end').on(table.expiresAt),
  ],
);

/** Published releases: the deployment's, for every tenant, and so without a scope. */
export const releases = sqliteTable('releases', {
  /** The version as a number that rises with it. */
  rank: integer('rank').primaryKey(),
  /** As it was published: SignedRelease. */
  manifest: text('manifest').notNull(),
  signature: text('signature').notNull(),
  publishedAt: integer('published_at').notNull(),
});

/** Tries of unauthenticated calls per address and minute. Without a scope: nobody is known yet. */
export const publicTries = sqliteTable(
  'public_tries',
  {
    /** SHA-256 of kind and address. */
    source: text('source').notNull(),
    minute: integer('minute').notNull(),
    tries: integer('tries').notNull(),
  },
  (table) => [primaryKey({ columns: [table.source, table.minute] }), index('public_tries_by_minute').on(table.minute)],
);
