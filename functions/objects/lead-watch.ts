// Whether the relay that leads still works, asked only while it has work and another active one stands by (ruling 13.9: a
// standby acts within 20 s). A leader that lets its lease lapse, or does not even say that it received what it was sent, is
// passed over. At rest nothing is asked and no alarm is set.
import type { EpochMs } from '../../shared/ids.ts';
import type { LogRecord } from '../log.ts';
import type { CommandQueue } from './command-queue.ts';
import { hasMutationsOf } from './exposure.ts';
import type { Sql } from './sql.ts';
import { activeSessions, incarnationOf, leadSession, type Session, type Sockets } from './tunnel-session.ts';

/** A relay journals and says so within milliseconds; below the 20 s in which a standby must act. */
const RECEIPT_MS_MAX = 10_000;

export type LeadWatchPorts = {
  now(): EpochMs;
  readonly sql: Sql;
  readonly sockets: Sockets;
  readonly queue: CommandQueue;
  log(record: LogRecord): void;
};

export function leadWatch(ports: LeadWatchPorts) {
  const { sockets, queue, sql } = ports;
  /** The leader, and until when it is trusted; null when there is nothing to watch. */
  const watched = (): { lead: Session; until: EpochMs } | null => {
    const sessions = activeSessions(sockets);
    const now = ports.now();
    const holder = sessions.find(
      (session) => session.state.lease !== null && !session.state.lapsed && isAtWork(session),
    );
    const lead = holder ?? leadSession(sessions, now);
    if (sessions.length < 2 || lead === null || lead.state.lapsed) return null;
    const leaseEnd = lead.state.lease?.until ?? 0;
    const unheard = queue.unreceiptedSince(lead.state.sessionId);
    if (unheard !== null && unheard + RECEIPT_MS_MAX >= leaseEnd) return { lead, until: unheard + RECEIPT_MS_MAX };
    return lead === holder ? { lead, until: leaseEnd } : null;
  };
  /** Who says when it gives a lease back has use for it as long as it has not. */
  const isAtWork = ({ state }: Session): boolean =>
    state.speaksOfItself || hasMutationsOf(sql, incarnationOf(state)) || queue.isWorkOf(state.sessionId);
  return {
    /** When to look again. */
    dueAt: (): EpochMs | null => watched()?.until ?? null,
    passOn(): void {
      const due = watched();
      if (due === null || due.until > ports.now()) return;
      due.lead.socket.keep({ ...due.lead.state, lapsed: true });
      ports.log({ event: 'lead-passed-on', node: due.lead.state.nodeId });
    },
  };
}
