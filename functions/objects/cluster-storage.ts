// The SQLite of one cluster: its state, the outbox of effects that are decided but not carried out, and the timeline.
// Whoever calls `commit` gets all three or none.
import { z } from 'zod';
import { Claim } from '../../shared/claim.ts';
import { ClusterSummary, TimelineEntry } from '../../shared/cluster-view.ts';
import { Command, CommandId } from '../../shared/command.ts';
import { EpochMs } from '../../shared/ids.ts';
import { TIMELINE_ENTRIES_MAX } from '../../shared/limits.ts';
import type { Effect } from '../plan/plan.ts';
import { rowsOf, type Sql, tablesOf } from './sql.ts';

/** A row holds at most 2 MB (Cloudflare), so the state is cut into pieces. */
export const STATE_CHUNK_BYTES = 1_500_000;
/** Far above the largest cluster (2,000 machines are about 8 MB), far below the 128 MB an object may use. */
export const STATE_BYTES_MAX = 24 * 1_048_576;

/** Read at once, and so sent at once through RPC (which takes 32 MiB). */
const OUTBOX_BATCH_BYTES_MAX = 8 * 1_048_576;

const STEPS: readonly (readonly string[])[] = [
  [
    'CREATE TABLE state (chunk INTEGER PRIMARY KEY, bytes BLOB NOT NULL)',
    'CREATE TABLE plan (one INTEGER PRIMARY KEY CHECK (one = 1), wake_at INTEGER)',
    // AUTOINCREMENT: an id is never used again, so that a drained row can't be taken for its replacement.
    'CREATE TABLE outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, lane TEXT NOT NULL, key TEXT NOT NULL UNIQUE, body TEXT NOT NULL)',
    'CREATE TABLE lane (name TEXT PRIMARY KEY, failures INTEGER NOT NULL, retry_at INTEGER NOT NULL)',
    'CREATE TABLE timeline (seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, kind TEXT NOT NULL, slot TEXT, message TEXT NOT NULL, log TEXT)',
  ],
];

/** Effects of one lane are carried out in order; lanes do not wait for each other. */
export const LANES = ['gateway', 'catalogue'] as const;
export type LaneName = (typeof LANES)[number];

export const OutboxBody = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('send-command'), command: Command }),
  z.strictObject({ kind: z.literal('withdraw-commands'), commandIds: z.array(CommandId) }),
  z.strictObject({ kind: z.literal('revoke-relay'), claim: Claim }),
  z.strictObject({ kind: z.literal('leave-queue') }),
  z.strictObject({
    kind: z.literal('project-cluster'),
    row: ClusterSummary.extend({ wakeAt: EpochMs.nullable() }),
  }),
]);
export type OutboxBody = z.infer<typeof OutboxBody>;
export type OutboxRow = { readonly id: number; readonly body: OutboxBody };

const PlanRow = z.object({ wake_at: EpochMs.nullable() });
const ChunkRow = z.object({ bytes: z.instanceof(Uint8Array) });
const SizeRow = z.object({ id: z.int(), bytes: z.int() });
const BodyRow = z.object({ body: z.string() });
const LaneRow = z.object({ failures: z.int(), retry_at: z.int() });

export type ClusterStorage = ReturnType<typeof clusterStorage>;

export function clusterStorage(sql: Sql) {
  const tables = tablesOf(sql, STEPS);
  return {
    /** Makes the tables; only when a cluster is created, so that asking for a stranger leaves nothing behind. */
    open: tables.make,
    exists: tables.exists,
    upgrade: tables.upgrade,
    erased: tables.erased,
    readState: () => readState(sql),
    /** When the last plan wants to be made again. */
    wakeAt: (): EpochMs | null => rowsOf(sql, PlanRow, 'SELECT wake_at FROM plan')[0]?.wake_at ?? null,
    /** State (null: unchanged), wake-up, outbox and timeline in one transaction. */
    commit(stateText: string | null, wakeAt: EpochMs | null, effects: readonly Effect[]): void {
      sql.transaction(() => {
        if (stateText !== null) writeState(sql, stateText);
        writePlan(sql, wakeAt);
        for (const effect of effects) addEffect(sql, effect);
      });
    },
    outbox: (lane: LaneName, limit: number) => readOutbox(sql, lane, limit),
    delivered(lane: LaneName, ids: readonly number[]): void {
      sql.transaction(() => {
        for (const id of ids) sql.run('DELETE FROM outbox WHERE id = ?', id);
        sql.run('DELETE FROM lane WHERE name = ?', lane);
      });
    },
    laneFailed(lane: LaneName, failures: number, retryAt: EpochMs): void {
      sql.run('INSERT OR REPLACE INTO lane (name, failures, retry_at) VALUES (?, ?, ?)', lane, failures, retryAt);
    },
    /** How the lane stands; null when nothing waits in it. */
    lane(name: LaneName): { failures: number; retryAt: EpochMs } | null {
      if (sql.run('SELECT 1 FROM outbox WHERE lane = ? LIMIT 1', name).length === 0) return null;
      const row = rowsOf(sql, LaneRow, 'SELECT failures, retry_at FROM lane WHERE name = ?', name)[0];
      return { failures: row?.failures ?? 0, retryAt: row?.retry_at ?? 0 };
    },
    timeline: (after: number, limit: number): TimelineEntry[] =>
      rowsOf(sql, TimelineEntry, 'SELECT * FROM timeline WHERE seq > ? ORDER BY seq LIMIT ?', after, limit),
  };
}

function readState(sql: Sql): string | null {
  const chunks = rowsOf(sql, ChunkRow, 'SELECT bytes FROM state ORDER BY chunk').map((row) => row.bytes);
  if (chunks.length === 0) return null;
  const whole = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0));
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.byteLength;
  }
  return new TextDecoder().decode(whole);
}

function writeState(sql: Sql, text: string): void {
  const bytes = new TextEncoder().encode(text);
  if (bytes.byteLength > STATE_BYTES_MAX) throw new Error(`the cluster's state has ${bytes.byteLength} bytes`);
  const chunks = Math.ceil(bytes.byteLength / STATE_CHUNK_BYTES);
  for (let chunk = 0; chunk < chunks; chunk += 1) {
    const piece = bytes.slice(chunk * STATE_CHUNK_BYTES, (chunk + 1) * STATE_CHUNK_BYTES);
    sql.run('INSERT OR REPLACE INTO state (chunk, bytes) VALUES (?, ?)', chunk, piece);
  }
  sql.run('DELETE FROM state WHERE chunk >= ?', chunks);
}

function writePlan(sql: Sql, wakeAt: EpochMs | null): void {
  const [same] = rowsOf(sql, PlanRow, 'SELECT wake_at FROM plan');
  // Written on change only: rows written are what an idle cluster would cost.
  if (same?.wake_at === wakeAt) return;
  sql.run('INSERT OR REPLACE INTO plan (one, wake_at) VALUES (1, ?)', wakeAt);
}

function addEffect(sql: Sql, effect: Effect): void {
  switch (effect.kind) {
    case 'send-command':
      return addToOutbox(sql, 'gateway', `command/${effect.command.commandId}`, effect);
    case 'withdraw-commands':
      // What was never handed over needs no withdrawal, but it may be on its way right now: so both.
      for (const id of effect.commandIds) sql.run('DELETE FROM outbox WHERE key = ?', `command/${id}`);
      return addToOutbox(sql, 'gateway', `withdraw/${effect.commandIds.join(' ')}`, effect);
    case 'revoke-relay':
      return addToOutbox(sql, 'gateway', `revoke/${effect.claim}`, effect);
    case 'leave-queue':
      return addToOutbox(sql, 'gateway', 'leave-queue', effect);
    case 'project-cluster':
      // Only the newest row matters.
      return addToOutbox(sql, 'catalogue', 'project', effect);
    case 'record-timeline':
      return addToTimeline(sql, effect.entries);
  }
}

function addToOutbox(sql: Sql, lane: LaneName, key: string, body: Exclude<Effect, { kind: 'record-timeline' }>): void {
  sql.run('INSERT OR REPLACE INTO outbox (lane, key, body) VALUES (?, ?, ?)', lane, key, JSON.stringify(body));
}

function addToTimeline(sql: Sql, entries: readonly Omit<TimelineEntry, 'seq'>[]): void {
  for (const entry of entries) {
    const { at, kind, slot, message, log } = entry;
    // The newest row is never pruned, so the number that SQLite gives always rises.
    sql.run(
      'INSERT INTO timeline (at, kind, slot, message, log) VALUES (?, ?, ?, ?, ?)',
      ...[at, kind, slot, message, log],
    );
  }
  sql.run('DELETE FROM timeline WHERE seq <= (SELECT max(seq) FROM timeline) - ?', TIMELINE_ENTRIES_MAX);
}

function readOutbox(sql: Sql, lane: LaneName, limit: number): OutboxRow[] {
  // The limit, one of a few, is part of the text: SQLite would compile the statement anew each time it is given as a value.
  const sized = `SELECT id, octet_length(body) AS bytes FROM outbox WHERE lane = ? ORDER BY id LIMIT ${limit}`;
  const sizes = rowsOf(sql, SizeRow, sized, lane);
  const rows: OutboxRow[] = [];
  let bytes = 0;
  for (const { id, bytes: size } of sizes) {
    bytes += size;
    if (rows.length > 0 && bytes > OUTBOX_BATCH_BYTES_MAX) break;
    const found = rowsOf(sql, BodyRow, 'SELECT body FROM outbox WHERE id = ?', id);
    rows.push(...found.map(({ body }) => ({ id, body: OutboxBody.parse(JSON.parse(body)) })));
  }
  return rows;
}
