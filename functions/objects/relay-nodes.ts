// The relay nodes of one gateway in its SQLite: who they are, what they told of themselves, and how far each is with the
// gateway's key (N1-N5).
import { z } from 'zod';
import { Claim } from '../../shared/claim.ts';
import { type NodeState, WrappedGatewayKey } from '../../shared/gateway-key.ts';
import { EpochMs, RelayNodeId } from '../../shared/ids.ts';
import { NODE_CHECKS_MAX, NodeCheck } from '../../shared/node-check.ts';
import { rowsOf, type Sql, type SqlValue } from './sql.ts';

const json = <T>(schema: z.ZodType<T>) => z.string().transform((text) => schema.parse(JSON.parse(text)));

/** What a node found when it was last asked to look around, and since when each kind of check is as it is. */
const Found = z.object({
  at: EpochMs,
  checks: z.array(NodeCheck).max(NODE_CHECKS_MAX),
  since: z.record(z.string(), EpochMs),
});

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
    key_agreement_key: z.string().nullable(),
    holds_key: z.int(),
    key_at: EpochMs.nullable(),
    key_attempt: z.int(),
    key_asked_at: EpochMs.nullable(),
    wrapped: json(WrappedGatewayKey).nullable(),
    addresses: json(z.array(z.string())),
    clock_skew_ms: z.int().nullable(),
    status_at: EpochMs.nullable(),
    claim: Claim.nullable(),
    found: json(Found).nullable(),
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
    keyAgreementKey: row.key_agreement_key,
    /** It said that it holds the key which the gateway's secrets are sealed to. */
    holdsKey: row.holds_key === 1,
    /** Since when it holds the key, or does not. */
    keyAt: row.key_at,
    /** Rises with each try to give it the key, and with each pairing. */
    keyAttempt: row.key_attempt,
    /** When this try begins, or began. */
    keyAskedAt: row.key_asked_at,
    wrapped: row.wrapped,
    addresses: row.addresses,
    /** Its clock less ours, when it last told. */
    clockSkewMs: row.clock_skew_ms,
    statusAt: row.status_at,
    /** Of the machine it runs on, one of the gateway's own; null on any other host. */
    claim: row.claim,
    /** Null: it was never asked to look around. */
    found: row.found,
  }));
export type NodeRecord = z.infer<typeof NodeRow>;

export type NewNode = Pick<
  NodeRecord,
  'nodeId' | 'identityKey' | 'hostname' | 'relayVersion' | 'pairedAt' | 'holdsKey' | 'claim'
> & {
  readonly keyAgreementKey: string | null;
};

export type RelayNodes = ReturnType<typeof relayNodes>;

export function relayNodes(sql: Sql) {
  const one = (where: string, value: string): NodeRecord | null =>
    rowsOf(sql, NodeRow, `SELECT * FROM node WHERE ${where} = ?`, value)[0] ?? null;
  /** All of them; null: not read since one changed. Asked for with every frame. */
  let known: readonly NodeRecord[] | null = null;
  const change = (statement: string, ...values: readonly SqlValue[]): void => {
    known = null;
    sql.run(statement, ...values);
  };
  return {
    /** They were changed elsewhere. */
    forget: (): void => {
      known = null;
    },
    nodes(): readonly NodeRecord[] {
      known ??= rowsOf(sql, NodeRow, 'SELECT * FROM node ORDER BY paired_at, node_id');
      return known;
    },
    node: (id: RelayNodeId) => one('node_id', id),
    nodeByKey: (key: string) => one('identity_key', key),
    /** Pairing again gives a node its freedom back: unlocked, and its counter starts anew. */
    putNode: (node: NewNode) => {
      const attempt = (one('node_id', node.nodeId)?.keyAttempt ?? -1) + 1;
      change(
        `INSERT OR REPLACE INTO node (node_id, identity_key, hostname, relay_version, join_counter, paired_at,
           key_agreement_key, holds_key, key_at, key_attempt, claim) VALUES (?, ?, ?, ?, -1, ?, ?, ?, ?, ?, ?)`,
        ...[node.nodeId, node.identityKey, node.hostname, node.relayVersion, node.pairedAt],
        ...[node.keyAgreementKey, Number(node.holdsKey), node.pairedAt, attempt, node.claim],
      );
    },
    nodesOfClaim: (claim: Claim) =>
      rowsOf(sql, NodeRow, 'SELECT * FROM node WHERE claim = ? ORDER BY paired_at, node_id', claim),
    removeNode: (id: RelayNodeId) => change('DELETE FROM node WHERE node_id = ?', id),
    joined: (id: RelayNodeId, joinCounter: number, relayVersion: string, at: EpochMs) =>
      change(
        'UPDATE node SET join_counter = ?, relay_version = ?, last_seen_at = ? WHERE node_id = ?',
        ...[joinCounter, relayVersion, at, id],
      ),
    seen: (id: RelayNodeId, at: EpochMs) => change('UPDATE node SET last_seen_at = ? WHERE node_id = ?', at, id),
    lock: (id: RelayNodeId, at: EpochMs) => change('UPDATE node SET locked_at = ? WHERE node_id = ?', at, id),
    reported: (id: RelayNodeId, addresses: readonly string[], clockSkewMs: number, at: EpochMs) =>
      change(
        'UPDATE node SET addresses = ?, clock_skew_ms = ?, status_at = ? WHERE node_id = ?',
        ...[JSON.stringify(addresses), clockSkewMs, at, id],
      ),
    looked: (id: RelayNodeId, found: z.infer<typeof Found>) =>
      change('UPDATE node SET found = ? WHERE node_id = ?', JSON.stringify(found), id),
    /** A try to give it the key begins. */
    keyAsked: (id: RelayNodeId, at: EpochMs) => change('UPDATE node SET key_asked_at = ? WHERE node_id = ?', at, id),
    keyWrapped: (id: RelayNodeId, wrapped: WrappedGatewayKey) =>
      change('UPDATE node SET wrapped = ? WHERE node_id = ?', JSON.stringify(wrapped), id),
    /** Whatever was tried is over; the next try has another number, and begins at `askAt` if it is to. */
    keyHeld: (id: RelayNodeId, holds: boolean, at: EpochMs, askAt: EpochMs | null = null) =>
      change(
        `UPDATE node SET key_at = CASE WHEN holds_key = ? THEN key_at ELSE ? END, holds_key = ?, wrapped = NULL,
           key_attempt = key_attempt + 1, key_asked_at = ? WHERE node_id = ?`,
        ...[Number(holds), at, Number(holds), askAt, id],
      ),
  };
}

export function stateOf(node: Pick<NodeRecord, 'holdsKey' | 'joinCounter'>): NodeState {
  if (node.holdsKey) return 'active';
  return node.joinCounter < 0 ? 'paired' : 'waiting-for-key';
}
