// The right to mutate, given to one incarnation at a time (L1-L3). Only the epoch is stored, and how long a lease runs whose
// socket is gone; a lease in use is renewed in the socket's attachment.
import { z } from 'zod';
import { EpochMs } from '../../shared/ids.ts';
import { LEASE_MS, LEASE_RELAY_MS } from '../../shared/limits.ts';
import { type EdgeFrame, PROTOCOL_VERSION } from '../../shared/tunnel-frame.ts';
import { exposedToOthers } from './exposure.ts';
import { rowsOf, type Sql } from './sql.ts';
import { incarnationOf, type Session } from './tunnel-session.ts';

/** Epochs kept, to know which incarnations ever could mutate. */
const EPOCHS_KEPT = 100;

const EpochRow = z.object({
  epoch: z.int(),
  incarnation: z.string(),
  granted_at: EpochMs,
  until: EpochMs.nullable(),
});

export type LeasePorts = {
  readonly sql: Sql;
  readonly guardMs: number;
  /** LEASE_MS when left out. */
  readonly leaseMs?: number | undefined;
  /** False for a relay on a machine that it would have to give away (I5). */
  mayLead(session: Session): boolean;
};

/** How soon one that waits for the gateway's key, or may not lead, may ask again. */
const NOT_ACTIVE_RETRY_MS = 10_000;

/** Answers a `lease-request`; keeps the grant in the session's attachment. May be repeated: that is how it is renewed. */
export function answerLease(
  ports: LeasePorts,
  asking: Session,
  sessions: readonly Session[],
  now: EpochMs,
): Extract<EdgeFrame, { type: 'lease' | 'lease-refused' }> {
  if (!asking.state.active || !ports.mayLead(asking)) {
    return { v: PROTOCOL_VERSION, type: 'lease-refused', retryAfterMs: NOT_ACTIVE_RETRY_MS };
  }
  const mine = incarnationOf(asking.state);
  const latest = latestEpoch(ports.sql);
  const leaseMs = ports.leaseMs ?? LEASE_MS;
  const isFree = latest === null || latest.incarnation === mine || isSuccessor(asking, sessions, latest.incarnation);
  const runsUntil = isFree ? 0 : leaseEnd(latest, sessions, now, leaseMs);
  if (runsUntil > now) {
    return { v: PROTOCOL_VERSION, type: 'lease-refused', retryAfterMs: runsUntil - now };
  }
  const held = latest?.incarnation === mine ? latest : newEpoch(ports.sql, (latest?.epoch ?? 0) + 1, mine, now);
  asking.socket.keep({ ...asking.state, lapsed: false, lease: { epoch: held.epoch, until: now + leaseMs } });
  const waitMs = Math.max(0, held.granted_at + ports.guardMs - now);
  const guards =
    waitMs === 0 ? [] : exposedToOthers(ports.sql, mine, now, ports.guardMs).map((subject) => ({ ...subject, waitMs }));
  // The relay counts from its request and must be through before the edge is.
  const durationMs = Math.floor((leaseMs * LEASE_RELAY_MS) / LEASE_MS);
  return { v: PROTOCOL_VERSION, type: 'lease', epoch: held.epoch, durationMs, guards };
}

/**
 * L8: the process that the node runs now, after the one that had the lease. Only one can serve its state folder, and the newest
 * session wins (T4): a frame that the former had on its way is of a session that is closed, and takes nothing back.
 */
function isSuccessor({ state }: Session, sessions: readonly Session[], holder: string): boolean {
  const isOpen = sessions.some((session) => session.state.sessionId === state.sessionId);
  return isOpen && holder.startsWith(`${state.nodeId}/`);
}

/** The holder needs it no more: whoever asks next has it at once. Its epoch stays, and so do the guards. */
export function releaseLease({ socket, state }: Session, epoch: number): void {
  if (state.lease?.epoch === epoch) socket.keep({ ...state, lease: null });
}

/** The socket of the lease's holder is gone; the lease runs on, so its end must outlive the attachment. */
export function keepLeaseEnd(sql: Sql, session: Session): void {
  const { lease } = session.state;
  if (lease !== null) sql.run('UPDATE epoch SET until = ? WHERE epoch = ?', lease.until, lease.epoch);
}

function leaseEnd(
  latest: z.infer<typeof EpochRow>,
  sessions: readonly Session[],
  now: EpochMs,
  leaseMs: number,
): EpochMs {
  const holder = sessions.find(({ state }) => state.lease?.epoch === latest.epoch);
  // An object that was lost with its sockets does not know the end; the guards of L3 cover what may still run.
  return holder?.state.lease?.until ?? latest.until ?? Math.min(now, latest.granted_at + leaseMs);
}

function latestEpoch(sql: Sql): z.infer<typeof EpochRow> | null {
  return rowsOf(sql, EpochRow, 'SELECT * FROM epoch ORDER BY epoch DESC LIMIT 1')[0] ?? null;
}

function newEpoch(sql: Sql, epoch: number, incarnation: string, now: EpochMs): z.infer<typeof EpochRow> {
  sql.run('INSERT INTO epoch (epoch, incarnation, granted_at) VALUES (?, ?, ?)', epoch, incarnation, now);
  sql.run('DELETE FROM epoch WHERE epoch <= ?', epoch - EPOCHS_KEPT);
  return { epoch, incarnation, granted_at: now, until: null };
}
