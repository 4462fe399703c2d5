// The SQLite of one gateway: who it is and its pairing codes. Nodes, queue, what has ended, exposure, epochs, notices, codes
// made by nodes, the gateway's own machines, its upgrade, its timeline, the clusters in line and its recovery key have their own
// files over the same tables (relay-nodes.ts, command-queue.ts, ended-commands.ts, exposure.ts, lease.ts, cluster-notices.ts,
// node-codes.ts, own-cluster.ts, upgrade-records.ts, gateway-timeline.ts, cluster-line.ts, recovery-copy.ts).
import { z } from 'zod';
import { Claim } from '../../shared/claim.ts';
import { EpochMs, GatewayId, RelayNodeId, Scope } from '../../shared/ids.ts';
import { clusterLine } from './cluster-line.ts';
import { gatewayTimeline } from './gateway-timeline.ts';
import { nodeCodes } from './node-codes.ts';
import { ownCluster } from './own-cluster.ts';
import { recoveryCopy } from './recovery-copy.ts';
import { relayNodes } from './relay-nodes.ts';
import { rowsOf, type Sql, type SqlValue, tablesOf } from './sql.ts';
import { upgradeRecords } from './upgrade-records.ts';

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
  [
    'ALTER TABLE gateway ADD COLUMN key_version INTEGER NOT NULL DEFAULT 1',
    'ALTER TABLE gateway ADD COLUMN key_reset_at INTEGER',
    'ALTER TABLE node ADD COLUMN key_agreement_key TEXT',
    // Every node of before brought the gateway's key with it.
    'ALTER TABLE node ADD COLUMN holds_key INTEGER NOT NULL DEFAULT 1',
    'ALTER TABLE node ADD COLUMN key_at INTEGER',
    'ALTER TABLE node ADD COLUMN key_attempt INTEGER NOT NULL DEFAULT 0',
    'ALTER TABLE node ADD COLUMN key_asked_at INTEGER',
    'ALTER TABLE node ADD COLUMN wrapped TEXT',
    "ALTER TABLE node ADD COLUMN addresses TEXT NOT NULL DEFAULT '[]'",
    'ALTER TABLE node ADD COLUMN clock_skew_ms INTEGER',
    'ALTER TABLE node ADD COLUMN status_at INTEGER',
    // For one node; null for whoever leads.
    'ALTER TABLE queue ADD COLUMN node_id TEXT',
    'ALTER TABLE queue ADD COLUMN sent_at INTEGER',
  ],
  // The incarnation of a relay that watches it (L7).
  ['ALTER TABLE cluster ADD COLUMN watcher TEXT'],
  // It was last told that no relay is connected.
  ['ALTER TABLE cluster ADD COLUMN away INTEGER NOT NULL DEFAULT 0'],
  [
    // Of the machine that the relay runs on; null on any other host.
    'ALTER TABLE node ADD COLUMN claim TEXT',
    // Made by a relay for the machine under this claim; null for a code that an admin asked for.
    'ALTER TABLE code ADD COLUMN claim TEXT',
    'ALTER TABLE gateway ADD COLUMN deleting_at INTEGER',
    'ALTER TABLE gateway ADD COLUMN deleting_by TEXT',
    `CREATE TABLE own (one INTEGER PRIMARY KEY CHECK (one = 1), installation TEXT, cluster_id TEXT, machines TEXT,
       relays_told TEXT, giving_back INTEGER NOT NULL DEFAULT 0)`,
  ],
  // The runs of an installer that had a part in the cluster before it failed, or hear of its failure (I2).
  ["ALTER TABLE own ADD COLUMN runs TEXT NOT NULL DEFAULT '[]'"],
  // C5: what is not taken again.
  ['CREATE TABLE ended (id INTEGER PRIMARY KEY, command_id TEXT NOT NULL UNIQUE)'],
  // What the node found when it was last asked to look around (N8).
  ['ALTER TABLE node ADD COLUMN found TEXT'],
  // Of the cluster; null: the gateway's own (C13).
  ['ALTER TABLE cluster ADD COLUMN project_id TEXT'],
  [
    'CREATE TABLE upgrade (one INTEGER PRIMARY KEY CHECK (one = 1), state TEXT NOT NULL)',
    'CREATE TABLE release (one INTEGER PRIMARY KEY CHECK (one = 1), published TEXT NOT NULL, announced TEXT)',
    'CREATE TABLE timeline (seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, kind TEXT NOT NULL, message TEXT NOT NULL)',
    // AUTOINCREMENT: the order of arrival, never used again.
    'CREATE TABLE queued (seq INTEGER PRIMARY KEY AUTOINCREMENT, cluster_id TEXT NOT NULL UNIQUE, at INTEGER NOT NULL)',
    // What the machines run, as they were made or last changed; null when that was before it was remembered.
    'ALTER TABLE own ADD COLUMN release TEXT',
  ],
  // The recovery key, and the gateway's key sealed to it (N9).
  [
    `CREATE TABLE recovery (one INTEGER PRIMARY KEY CHECK (one = 1), recovery_key TEXT NOT NULL,
       attempt INTEGER NOT NULL DEFAULT 0, ask_at INTEGER NOT NULL DEFAULT 0, copy TEXT)`,
  ],
  // Notices to the machines' cluster are numbered: an old one may come late.
  ['ALTER TABLE own ADD COLUMN notices INTEGER NOT NULL DEFAULT 0'],
  // Machines that were given back: a code for their relay may come late (I3).
  ['CREATE TABLE gone (claim TEXT PRIMARY KEY, at INTEGER NOT NULL)'],
  // The highest number reserved for a letter to a cluster (L9).
  ['ALTER TABLE gateway ADD COLUMN letters INTEGER NOT NULL DEFAULT 0'],
];

/** All but the gateway's own row. */
const TABLES = [
  ...['code', 'nonce', 'node', 'queue', 'ended', 'exposure', 'epoch', 'cluster', 'notice', 'own'],
  ...['upgrade', 'release', 'timeline', 'queued', 'recovery', 'gone'],
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
    key_version: z.int(),
    key_reset_at: EpochMs.nullable(),
    removed_at: EpochMs.nullable(),
    deleting_at: EpochMs.nullable(),
    deleting_by: z.string().nullable(),
  })
  .transform((row) => ({
    scope: Scope.parse(JSON.parse(row.scope)),
    gatewayId: row.gateway_id,
    name: row.name,
    createdAt: row.created_at,
    /** What secrets are sealed to; null until the first node has brought it, and again after a loss. */
    sealingKey: row.sealing_key,
    keyVersion: row.key_version,
    /** When the key before was given up as lost. */
    keyResetAt: row.key_reset_at,
    removedAt: row.removed_at,
    /** Since when its own machines are to be given back, so that it may end. */
    deletingAt: row.deleting_at,
    /** Who asked for it. */
    deletingBy: row.deleting_by,
  }));
export type GatewayRecord = z.infer<typeof GatewayRow>;
type NewGateway = Pick<GatewayRecord, 'scope' | 'gatewayId' | 'name' | 'createdAt'> & {
  readonly recoveryKey?: string | undefined;
};

const LettersRow = z.object({ letters: z.int() });
const CodeRow = z.object({
  code_hash: z.string(),
  expires_at: EpochMs,
  used_by: RelayNodeId.nullable(),
  claim: Claim.nullable(),
});
const NonceRow = z.object({ nonce: z.string(), code_hash: z.string(), origin: z.string(), expires_at: EpochMs });

export type GatewayStorage = ReturnType<typeof gatewayStorage>;

export function gatewayStorage(sql: Sql) {
  const tables = tablesOf(sql, STEPS);
  const nodes = relayNodes(sql);
  const upgrades = upgradeRecords(sql);
  const recovery = recoveryCopy(sql);
  /** As it stands in its row; undefined: not read since it changed. Asked for with every call and frame. */
  let known: GatewayRecord | null | undefined;
  const change = (statement: string, ...values: readonly SqlValue[]): void => {
    known = undefined;
    sql.run(statement, ...values);
  };
  const forget = (): void => {
    known = undefined;
    nodes.forget();
    upgrades.forget();
  };
  const atomically = <T>(work: () => T): T => {
    try {
      return sql.transaction(work);
    } catch (error) {
      // What was read on the way is undone too.
      forget();
      throw error;
    }
  };
  return {
    ...{ upgrade: tables.upgrade, atomically },
    /** Null when no gateway was ever created under this name. */
    gateway(): GatewayRecord | null {
      if (!tables.exists()) return null;
      known ??= rowsOf(sql, GatewayRow, 'SELECT * FROM gateway')[0] ?? null;
      return known;
    },
    create(record: NewGateway): void {
      tables.make();
      const { scope, gatewayId, name, createdAt, recoveryKey } = record;
      const insert = 'INSERT OR IGNORE INTO gateway (one, scope, gateway_id, name, created_at) VALUES (1, ?, ?, ?, ?)';
      change(insert, JSON.stringify(scope), gatewayId, name, createdAt);
      if (recoveryKey !== undefined) recovery.begin(recoveryKey);
    },
    /** N1: of a gateway that has none. One that has keeps it, whatever a relay offers. */
    setFirstSealingKey: (key: string) => change('UPDATE gateway SET sealing_key = ? WHERE sealing_key IS NULL', key),
    /** N6: the key is lost with every node that had it. */
    resetKey: (at: EpochMs) =>
      atomically(() => {
        forget();
        sql.run('DELETE FROM node WHERE holds_key = 1');
        sql.run('UPDATE node SET wrapped = NULL, key_attempt = key_attempt + 1, key_asked_at = NULL');
        sql.run('UPDATE gateway SET sealing_key = NULL, key_version = key_version + 1, key_reset_at = ?', at);
      }),
    /** What is left says only that there was one: a relay that dials must be told that it is revoked. */
    remove: (at: EpochMs) =>
      atomically(() => {
        forget();
        for (const table of TABLES) sql.run(`DELETE FROM ${table}`);
        sql.run('UPDATE gateway SET removed_at = ?, sealing_key = NULL', at);
      }),
    /** Numbers for so many letters to clusters, none of which was given before. @returns the first */
    reserveLetters: (count: number): number => {
      const reserved = rowsOf(sql, LettersRow, 'UPDATE gateway SET letters = letters + ? RETURNING letters', count)[0];
      if (reserved === undefined) throw new Error('letters of a gateway that was not created');
      return reserved.letters - count + 1;
    },
    /** Once asked, it stays asked. */
    beginDeletion: (at: EpochMs, by: string) =>
      change('UPDATE gateway SET deleting_at = ?, deleting_by = ? WHERE deleting_at IS NULL', at, by),
    ...pairing(sql),
    ...nodes,
    codes: nodeCodes(sql),
    own: ownCluster(sql),
    upgrades,
    timeline: gatewayTimeline(sql),
    line: clusterLine(sql),
    recovery,
  };
}

function pairing(sql: Sql) {
  return {
    /** Takes the place of an admin's codes that nobody used; those that relays made stand. */
    putCode: (codeHash: string, expiresAt: EpochMs) =>
      sql.transaction(() => {
        sql.run('DELETE FROM code WHERE used_by IS NULL AND claim IS NULL AND code_hash <> ?', codeHash);
        sql.run('INSERT OR IGNORE INTO code (code_hash, expires_at) VALUES (?, ?)', codeHash, expiresAt);
      }),
    code: (codeHash: string) =>
      rowsOf(sql, CodeRow, 'SELECT * FROM code WHERE code_hash = ?', codeHash).map((row) => ({
        expiresAt: row.expires_at,
        usedBy: row.used_by,
        claim: row.claim,
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
