// The SQLite of one gateway: who it is, pairing codes and nodes. The queue, the lease's epochs and the notices have their own
// files over the same tables (command-queue.ts, lease-storage.ts, cluster-notices.ts).
import { z } from 'zod';
import { EpochMs, GatewayId, RelayNodeId, Scope } from '../../shared/ids.ts';
import { migrate, rowsOf, type Sql, schemaVersion } from './sql.ts';

const STEPS: readonly (readonly string[])[] = [
  [
    `CREATE TABLE gateway (one INTEGER PRIMARY KEY CHECK (one = 1), scope TEXT NOT NULL, gateway_id TEXT NOT NULL,
       name TEXT NOT NULL, created_at INTEGER NOT NULL, sealing_key TEXT, removed_at INTEGER)`,
    'CREATE TABLE code (code_hash TEXT PRIMARY KEY, expires_at INTEGER NOT NULL, used_by TEXT)',
    'CREATE TABLE nonce (nonce TEXT PRIMARY KEY, code_hash TEXT NOT NULL, origin TEXT NOT NULL, expires_at INTEGER NOT NULL)',
    `CREATE TABLE node (node_id TEXT PRIMARY KEY, identity_key TEXT NOT NULL UNIQUE, hostname TEXT NOT NULL,
       relay_version TEXT NOT NULL, join_counter INTEGER NOT NULL, locked_at INTEGER, last_seen_at INTEGER, paired_at INTEGER NOT NULL)`,
    // AUTOINCREMENT: the order of arrival, never used again.
    `CREATE TABLE queue (id INTEGER PRIMARY KEY AUTOINCREMENT, command_id TEXT NOT NULL UNIQUE, cluster_id TEXT, subject TEXT NOT NULL,
       verb TEXT NOT NULL, generation INTEGER NOT NULL, attempt INTEGER NOT NULL, body TEXT NOT NULL, session TEXT, receipt_at INTEGER)`,
    'CREATE INDEX queue_by_subject ON queue (cluster_id, subject, verb)',
    `CREATE TABLE exposure (command_id TEXT NOT NULL, incarnation TEXT NOT NULL, cluster_id TEXT NOT NULL, subject TEXT NOT NULL,
       ended_at INTEGER, PRIMARY KEY (command_id, incarnation))`,
    'CREATE TABLE epoch (epoch INTEGER PRIMARY KEY, incarnation TEXT NOT NULL, granted_at INTEGER NOT NULL, until INTEGER)',
    'CREATE TABLE cluster (cluster_id TEXT PRIMARY KEY)',
    'CREATE TABLE notice (cluster_id TEXT PRIMARY KEY, connected INTEGER NOT NULL, failures INTEGER NOT NULL, retry_at INTEGER NOT NULL)',
  ],
];

/** Challenges of one code that wait for their answer; the oldest go first. */
const NONCES_MAX = 100;

const GatewayRow = z
  .object({
    scope: z.string(),
    gateway_id: GatewayId,
    name: z.string(),
    created_at: EpochMs,
    sealing_key: z.string().nullable(),
    removed_at: EpochMs.nullable(),
  })
  .transform((row) => ({
    scope: Scope.parse(JSON.parse(row.scope)),
    gatewayId: row.gateway_id,
    name: row.name,
    createdAt: row.created_at,
    sealingKey: row.sealing_key,
    removedAt: row.removed_at,
  }));
export type GatewayRecord = z.infer<typeof GatewayRow>;

const CodeRow = z.object({ code_hash: z.string(), expires_at: EpochMs, used_by: RelayNodeId.nullable() });
const NonceRow = z.object({ nonce: z.string(), code_hash: z.string(), origin: z.string(), expires_at: EpochMs });

const NodeRow = z
  .object({
    node_id: RelayNodeId,
    identity_key: z.string(),
    hostname: z.string(),
    relay_version: z.string(),
    join_counter: z.int(),
    locked_at: EpochMs.nullable(),
    last_seen_at: EpochMs.nullable(),
    paired_at: EpochMs,
  })
  .transform((row) => ({
    nodeId: row.node_id,
    identityKey: row.identity_key,
    hostname: row.hostname,
    relayVersion: row.relay_version,
    joinCounter: row.join_counter,
    lockedAt: row.locked_at,
    lastSeenAt: row.last_seen_at,
    pairedAt: row.paired_at,
  }));
export type NodeRecord = z.infer<typeof NodeRow>;

export type GatewayStorage = ReturnType<typeof gatewayStorage>;

export function gatewayStorage(sql: Sql) {
  const nodes = () => rowsOf(sql, NodeRow, 'SELECT * FROM node ORDER BY paired_at, node_id');
  return {
    upgrade: () => (schemaVersion(sql) > 0 ? migrate(sql, STEPS) : undefined),
    /** Null when no gateway was ever created under this name. */
    gateway: (): GatewayRecord | null =>
      schemaVersion(sql) === 0 ? null : (rowsOf(sql, GatewayRow, 'SELECT * FROM gateway')[0] ?? null),
    create(record: Pick<GatewayRecord, 'scope' | 'gatewayId' | 'name' | 'createdAt'>): void {
      migrate(sql, STEPS);
      const { scope, gatewayId, name, createdAt } = record;
      const insert = 'INSERT OR IGNORE INTO gateway (one, scope, gateway_id, name, created_at) VALUES (1, ?, ?, ?, ?)';
      sql.run(insert, JSON.stringify(scope), gatewayId, name, createdAt);
    },
    setSealingKey: (key: string) => sql.run('UPDATE gateway SET sealing_key = ?', key),
    /** What is left says only that there was one: a relay that dials must be told that it is revoked. */
    remove: (at: EpochMs) =>
      sql.transaction(() => {
        for (const table of ['code', 'nonce', 'node', 'queue', 'exposure', 'epoch', 'cluster', 'notice'])
          sql.run(`DELETE FROM ${table}`);
        sql.run('UPDATE gateway SET removed_at = ?, sealing_key = NULL', at);
      }),
    ...pairing(sql),
    nodes,
    node: (id: RelayNodeId): NodeRecord | null =>
      rowsOf(sql, NodeRow, 'SELECT * FROM node WHERE node_id = ?', id)[0] ?? null,
    nodeByKey: (key: string): NodeRecord | null =>
      rowsOf(sql, NodeRow, 'SELECT * FROM node WHERE identity_key = ?', key)[0] ?? null,
    /** Pairing again gives a node its freedom back: unlocked, and its counter starts anew. */
    putNode: (node: Pick<NodeRecord, 'nodeId' | 'identityKey' | 'hostname' | 'relayVersion' | 'pairedAt'>) =>
      sql.run(
        `INSERT OR REPLACE INTO node (node_id, identity_key, hostname, relay_version, join_counter, locked_at, last_seen_at, paired_at)
         VALUES (?, ?, ?, ?, -1, NULL, NULL, ?)`,
        ...[node.nodeId, node.identityKey, node.hostname, node.relayVersion, node.pairedAt],
      ),
    joined: (id: RelayNodeId, joinCounter: number, relayVersion: string, at: EpochMs) =>
      sql.run(
        'UPDATE node SET join_counter = ?, relay_version = ?, last_seen_at = ? WHERE node_id = ?',
        ...[joinCounter, relayVersion, at, id],
      ),
    seen: (id: RelayNodeId, at: EpochMs) => sql.run('UPDATE node SET last_seen_at = ? WHERE node_id = ?', at, id),
    lock: (id: RelayNodeId, at: EpochMs) => sql.run('UPDATE node SET locked_at = ? WHERE node_id = ?', at, id),
  };
}

function pairing(sql: Sql) {
  return {
    /** Takes the place of codes that nobody used. */
    putCode: (codeHash: string, expiresAt: EpochMs) =>
      sql.transaction(() => {
        sql.run('DELETE FROM code WHERE used_by IS NULL AND code_hash <> ?', codeHash);
        sql.run('INSERT OR IGNORE INTO code (code_hash, expires_at) VALUES (?, ?)', codeHash, expiresAt);
      }),
    code: (codeHash: string) =>
      rowsOf(sql, CodeRow, 'SELECT * FROM code WHERE code_hash = ?', codeHash).map((row) => ({
        expiresAt: row.expires_at,
        usedBy: row.used_by,
      }))[0] ?? null,
    useCode: (codeHash: string, node: RelayNodeId) =>
      sql.run('UPDATE code SET used_by = ? WHERE code_hash = ?', node, codeHash),
    putNonce: (nonce: string, codeHash: string, origin: string, expiresAt: EpochMs, now: EpochMs) =>
      sql.transaction(() => {
        sql.run('DELETE FROM nonce WHERE expires_at <= ?', now);
        sql.run(
          'INSERT INTO nonce (nonce, code_hash, origin, expires_at) VALUES (?, ?, ?, ?)',
          ...[nonce, codeHash, origin, expiresAt],
        );
        sql.run(
          'DELETE FROM nonce WHERE rowid NOT IN (SELECT rowid FROM nonce ORDER BY rowid DESC LIMIT ?)',
          NONCES_MAX,
        );
      }),
    nonce: (nonce: string) =>
      rowsOf(sql, NonceRow, 'SELECT * FROM nonce WHERE nonce = ?', nonce).map((row) => ({
        codeHash: row.code_hash,
        origin: row.origin,
        expiresAt: row.expires_at,
      }))[0] ?? null,
  };
}
