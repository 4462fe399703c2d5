// One-time pairing codes that a node makes for the relays of the gateway's own machines (I3). They stand beside the admin's code
// and never take its place.
import { z } from 'zod';
import { type Claim, parseClaim } from '../../shared/claim.ts';
import type { EpochMs } from '../../shared/ids.ts';
import { NODE_CODE_MS, NODE_CODES_MAX } from '../../shared/limits.ts';
import { encodeFrame, PROTOCOL_VERSION, type RelayFrame } from '../../shared/tunnel-frame.ts';
import type { LogRecord } from '../log.ts';
import type { GatewayStorage } from './gateway-storage.ts';
import { rowsOf, type Sql } from './sql.ts';
import type { Session } from './tunnel-session.ts';

export type NodeCodes = ReturnType<typeof nodeCodes>;

const CodeRow = z.object({ claim: z.string().nullable(), used_by: z.string().nullable() });
const CountRow = z.object({ n: z.int() });

export function nodeCodes(sql: Sql) {
  return {
    /** May be repeated. `full`: too many wait to be used. `taken`: the code was used, or is another's. `gone`: so is the machine. */
    put: (codeHash: string, claim: Claim, now: EpochMs): 'kept' | 'full' | 'taken' | 'gone' =>
      sql.transaction(() => {
        const isGone = (rowsOf(sql, CountRow, 'SELECT count(*) AS n FROM gone WHERE claim = ?', claim)[0]?.n ?? 0) > 0;
        if (isGone) return 'gone';
        sql.run('DELETE FROM code WHERE claim IS NOT NULL AND used_by IS NULL AND expires_at <= ?', now);
        const [known] = rowsOf(sql, CodeRow, 'SELECT claim, used_by FROM code WHERE code_hash = ?', codeHash);
        if (known !== undefined) return known.claim === claim && known.used_by === null ? 'kept' : 'taken';
        const unused = 'SELECT count(*) AS n FROM code WHERE claim IS NOT NULL AND used_by IS NULL';
        if ((rowsOf(sql, CountRow, unused)[0]?.n ?? 0) >= NODE_CODES_MAX) return 'full';
        const insert = 'INSERT INTO code (code_hash, expires_at, claim) VALUES (?, ?, ?)';
        sql.run(insert, codeHash, now + NODE_CODE_MS, claim);
        return 'kept';
      }),
    /**
     * The machine is given back: none of its codes is worth anything any more, and one that comes late is not taken. May be repeated.
     * Claims are never used again, so what is too old to come is forgotten.
     */
    drop: (claim: Claim, now: EpochMs): void =>
      sql.transaction(() => {
        sql.run('DELETE FROM code WHERE claim = ?', claim);
        sql.run('DELETE FROM gone WHERE at <= ?', now - NODE_CODE_MS);
        sql.run('INSERT OR REPLACE INTO gone (claim, at) VALUES (?, ?)', claim, now);
      }),
  };
}

export type NodeCodePorts = {
  now(): EpochMs;
  readonly storage: GatewayStorage;
  log(record: LogRecord): void;
};

/** Acknowledged only when the code may be given out; whoever hears nothing makes another one later. */
export function takeNodeCode(
  { now, storage, log }: NodeCodePorts,
  { socket, state }: Session,
  { codeHash, claim }: Extract<RelayFrame, { type: 'pairing-code' }>,
): void {
  const refused = refusal(storage, state.active, claim) ?? storage.codes.put(codeHash, claim, now());
  if (refused === 'kept') return socket.send(encodeFrame({ v: PROTOCOL_VERSION, type: 'pairing-code-ack', codeHash }));
  log({ event: 'node-code-refused', node: state.nodeId, claim, code: refused });
}

/** A node makes codes for the machines of its own gateway only, and only one that could lead it. */
function refusal(
  storage: GatewayStorage,
  active: boolean,
  claim: Claim,
): 'not-active' | 'deleting' | 'not-ours' | null {
  const gateway = storage.gateway();
  const parts = parseClaim(claim);
  if (!active) return 'not-active';
  if (gateway === null || gateway.deletingAt !== null) return 'deleting';
  const own = storage.own.read().cluster;
  const isOurs = parts?.gatewayId === gateway.gatewayId && own !== null && parts.clusterId === own.id;
  return isOurs ? null : 'not-ours';
}
