// The unsettled commands of one gateway. A command stays until its outcome is
// stored by whom it belongs to (C3), is superseded (C5) or withdrawn.
import { z } from 'zod';
import { Command, type CommandId } from '../../shared/command.ts';
import { ClusterId, EpochMs, ProjectId, type RelayNodeId, type Scope } from '../../shared/ids.ts';
import { GATEWAY_QUEUE_MAX } from '../../shared/limits.ts';
import type { Observation } from '../../shared/observation.ts';
import { type ApiFailure, apiFailure } from '../../shared/problem.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import { hasEnded, keepEnded } from './ended-commands.ts';
import { endExposure, expose, settleExposure } from './exposure.ts';
import { rowsOf, type Sql } from './sql.ts';
import { isNews, keepWatcher } from './watchers.ts';

/**
 * One command, and the commands of one frame together. A row holds at most 2 MB (Cloudflare); a frame carries its commands
 * escaped once more, at most twice as long, and so stays within TUNNEL_FRAME_BYTES_MAX. The largest command, 786 kB of
 * manifests, is below.
 */
const COMMAND_BYTES_MAX = 1_900_000;

const QueueRow = z.object({ command_id: z.string(), body: z.string() });
const IdRow = z.object({ command_id: Command.shape.commandId });
const SizeRow = z.object({ command_id: z.string(), bytes: z.int() });
const CountRow = z.object({ n: z.int() });
const SentRow = z.object({ at: EpochMs.nullable() });
const ProjectRow = z.object({ project_id: ProjectId.nullable() });
const SessionRow = z.object({ session: z.string().nullable() });
const RivalRow = IdRow.extend({ generation: z.int(), attempt: z.int() });
type Rival = z.infer<typeof RivalRow>;

export type Enqueued = {
  readonly superseded: readonly CommandId[];
  /** Clusters that were never seen here before. */
  readonly strangers: readonly ClusterId[];
  /** Ids that came again with another body: a bug of the planner (C2). The first body stands. */
  readonly changed: readonly CommandId[];
};

export type CommandQueue = ReturnType<typeof commandQueue>;

export function commandQueue(sql: Sql) {
  return {
    /** @param node whom they are for; null for whoever leads @param project of their cluster; null for the gateway's own */
    add: (
      commands: readonly Command[],
      now: EpochMs,
      node: RelayNodeId | null = null,
      project: ProjectId | null = null,
    ) => add(sql, commands, now, node, project),
    /** The next frame's worth, in the order they came, of those that this session was not sent: its node's, and the leader's. */
    unsent: (session: string, limit: number, node: RelayNodeId | null = null, leads = true): Command[] =>
      unsent(sql, session, limit, node, leads),
    ids: (): CommandId[] => rowsOf(sql, IdRow, 'SELECT command_id FROM queue ORDER BY id').map((row) => row.command_id),
    count: (): number => count(sql),
    has: (id: CommandId): boolean => sql.run('SELECT 1 FROM queue WHERE command_id = ?', id).length > 0,
    /**
     * Written before the frame goes out: from here on `incarnation` may be acting on it.
     * @returns what other sessions were sent before, by session
     */
    sent: (
      commands: readonly Command[],
      session: string,
      incarnation: string,
      at: EpochMs = 0,
    ): Map<string, CommandId[]> =>
      sql.transaction(() => {
        const before = new Map<string, CommandId[]>();
        for (const command of commands) {
          const { commandId } = command;
          const had = rowsOf(sql, SessionRow, 'SELECT session FROM queue WHERE command_id = ?', commandId)[0]?.session;
          if (had && had !== session) before.set(had, [...(before.get(had) ?? []), commandId]);
          const update = 'UPDATE queue SET session = ?, sent_at = ?, receipt_at = NULL WHERE command_id = ?';
          sql.run(update, session, at, commandId);
          expose(sql, command, incarnation);
          keepWatcher(sql, command, incarnation);
        }
        return before;
      }),
    ...bySession(sql),
    received: (ids: readonly CommandId[], at: EpochMs) =>
      sql.transaction(() => {
        for (const id of ids) sql.run('UPDATE queue SET receipt_at = ? WHERE command_id = ?', at, id);
      }),
    /** @param by the incarnation that told the outcome; null when nobody did */
    settle: (ids: readonly CommandId[], by: string | null = null, now: EpochMs = 0) =>
      sql.transaction(() => {
        for (const id of ids) {
          sql.run('DELETE FROM queue WHERE command_id = ?', id);
          keepEnded(sql, id);
          settleExposure(sql, id, by, now);
        }
      }),
    /**
     * C5: what a withdrawn command would have superseded goes with it, also when it never came here.
     * @returns all that is withdrawn
     */
    withdraw: (ids: readonly CommandId[], now: EpochMs): CommandId[] =>
      sql.transaction(() => {
        const all = ids.flatMap((id) => [...olderThan(sql, id), id]);
        for (const id of all) drop(sql, id, now);
        return all;
      }),
    knowsCluster: (id: ClusterId): boolean => sql.run('SELECT 1 FROM cluster WHERE cluster_id = ?', id).length > 0,
    /** Of a cluster that stands on this gateway: one of another project by what its first command came with (C13). */
    scopeOf: (id: ClusterId, own: Scope): Scope => {
      const [row] = rowsOf(sql, ProjectRow, 'SELECT project_id FROM cluster WHERE cluster_id = ?', id);
      return { ...own, projectId: row?.project_id ?? own.projectId };
    },
    /** L7. */
    isNews: (observation: Observation, by: string | null): boolean => isNews(sql, observation, by),
    clustersWaiting: (): ClusterId[] =>
      rowsOf(
        sql,
        z.object({ cluster_id: ClusterId }),
        'SELECT DISTINCT cluster_id FROM queue WHERE cluster_id IS NOT NULL',
      ).map((row) => row.cluster_id),
  };
}

/** What is asked of it about one session or node. */
function bySession(sql: Sql) {
  return {
    /** The ids that a session may go on with when it begins (T5): a standby stands on nothing. */
    idsFor: (node: RelayNodeId, leads: boolean): CommandId[] =>
      rowsOf(
        sql,
        IdRow,
        'SELECT command_id FROM queue WHERE node_id = ? OR (node_id IS NULL AND ?) ORDER BY id',
        ...[node, Number(leads)],
      ).map((row) => row.command_id),
    /** The gateway's own commands about a node, or another subject of its own. */
    idsAbout: (subject: string): CommandId[] =>
      rowsOf(sql, IdRow, 'SELECT command_id FROM queue WHERE cluster_id IS NULL AND subject = ?', subject).map(
        (row) => row.command_id,
      ),
    /** When the oldest was sent to this session that it has not said to have received. */
    unreceiptedSince: (session: string): EpochMs | null =>
      rowsOf(sql, SentRow, 'SELECT min(sent_at) AS at FROM queue WHERE session = ? AND receipt_at IS NULL', session)[0]
        ?.at ?? null,
    /** Whether this session was sent anything that is to come to an end; looking goes on for ever. */
    isWorkOf: (session: string): boolean =>
      sql.run("SELECT 1 FROM queue WHERE session = ? AND verb NOT LIKE 'observe-%' LIMIT 1", session).length > 0,
  };
}

function unsent(sql: Sql, session: string, limit: number, node: RelayNodeId | null, leads: boolean): Command[] {
  // The limit, one of a few, is part of the text: SQLite would compile the statement anew each time it is given as a value.
  const sized = `SELECT command_id, octet_length(body) AS bytes FROM queue
     WHERE session IS NOT ? AND (node_id = ? OR (node_id IS NULL AND ?)) ORDER BY id LIMIT ${limit}`;
  const sizes = rowsOf(sql, SizeRow, sized, session, node, Number(leads));
  const commands: Command[] = [];
  let bytes = 0;
  for (const row of sizes) {
    bytes += row.bytes;
    if (commands.length > 0 && bytes > COMMAND_BYTES_MAX) break;
    const found = rowsOf(sql, QueueRow, 'SELECT command_id, body FROM queue WHERE command_id = ?', row.command_id);
    commands.push(...found.map(({ body }) => Command.parse(JSON.parse(body))));
  }
  return commands;
}

/** All or nothing. Known ids are left as they are, those that have ended are passed over. `GATEWAY_QUEUE_FULL` beyond GATEWAY_QUEUE_MAX (I17). */
function add(
  sql: Sql,
  commands: readonly Command[],
  now: EpochMs,
  node: RelayNodeId | null,
  project: ProjectId | null,
): Result<Enqueued, ApiFailure> {
  const offers = commands
    .filter(({ clusterId, commandId }) => clusterId === null || !hasEnded(sql, commandId))
    .map((command) => ({ command, body: JSON.stringify(command), held: heldBody(sql, command) }));
  const changed = offers.filter(({ body, held }) => held !== null && held !== body);
  const fresh = offers
    .filter(({ held }) => held === null)
    .map((offer) => ({ ...offer, ...rivalsOf(sql, offer.command) }));
  const tooLarge = fresh.find(({ body }) => new TextEncoder().encode(body).byteLength > COMMAND_BYTES_MAX);
  if (tooLarge !== undefined) return err(apiFailure('INTERNAL', `Command ${tooLarge.command.commandId} is too large.`));
  const growth = fresh.reduce((sum, { older, newer }) => sum + (newer ? 0 : 1 - older.length), 0);
  if (growth > 0 && count(sql) + growth > GATEWAY_QUEUE_MAX) return err(apiFailure('GATEWAY_QUEUE_FULL'));
  return sql.transaction(() => {
    const superseded: CommandId[] = [];
    const strangers = new Set<ClusterId>();
    for (const { command, body } of fresh) {
      if (command.clusterId !== null && isNewCluster(sql, command.clusterId, project)) strangers.add(command.clusterId);
      // Looked at again: commands of one batch may supersede each other.
      const { older, newer } = rivalsOf(sql, command);
      if (newer) continue;
      for (const id of older) drop(sql, id, now);
      superseded.push(...older);
      insert(sql, command, body, node);
    }
    return ok({ superseded, strangers: [...strangers], changed: changed.map(({ command }) => command.commandId) });
  });
}

function count(sql: Sql): number {
  return rowsOf(sql, CountRow, 'SELECT count(*) AS n FROM queue')[0]?.n ?? 0;
}

function heldBody(sql: Sql, { commandId }: Command): string | null {
  return rowsOf(sql, QueueRow, 'SELECT command_id, body FROM queue WHERE command_id = ?', commandId)[0]?.body ?? null;
}

function rivalsOf(sql: Sql, command: Command): { older: CommandId[]; newer: boolean } {
  if (command.clusterId === null) return { older: [], newer: false };
  const rivals = standing(sql, command.clusterId, command.subject, command.body.verb);
  const older = rivals.filter((rival) => isOlder(rival, command)).map((rival) => rival.command_id);
  return { older, newer: older.length < rivals.length };
}

function olderThan(sql: Sql, id: CommandId): CommandId[] {
  const [cluster = '', subject = '', verb = '', generation = '', attempt = ''] = id.split('/');
  const name = { generation: Number(generation), attempt: Number(attempt) };
  return standing(sql, cluster, subject, verb)
    .filter((rival) => isOlder(rival, name))
    .map((rival) => rival.command_id);
}

function standing(sql: Sql, cluster: string, subject: string, verb: string): Rival[] {
  const found = 'SELECT command_id, generation, attempt FROM queue WHERE cluster_id = ? AND subject = ? AND verb = ?';
  return rowsOf(sql, RivalRow, found, cluster, subject, verb);
}

const isOlder = (rival: Rival, than: Pick<Rival, 'generation' | 'attempt'>): boolean =>
  rival.generation < than.generation || (rival.generation === than.generation && rival.attempt < than.attempt);

function insert(sql: Sql, command: Command, body: string, node: RelayNodeId | null): void {
  sql.run(
    `INSERT INTO queue (command_id, cluster_id, subject, verb, generation, attempt, body, node_id)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    ...[command.commandId, command.clusterId, command.subject, command.body.verb, command.generation, command.attempt],
    ...[body, node],
  );
}

function isNewCluster(sql: Sql, id: ClusterId, project: ProjectId | null): boolean {
  if (sql.run('SELECT 1 FROM cluster WHERE cluster_id = ?', id).length > 0) return false;
  sql.run('INSERT INTO cluster (cluster_id, project_id) VALUES (?, ?)', id, project);
  return true;
}

function drop(sql: Sql, id: CommandId, now: EpochMs): void {
  sql.run('DELETE FROM queue WHERE command_id = ?', id);
  keepEnded(sql, id);
  endExposure(sql, id, now);
}
