// A gateway that is being deleted gives its own machines back, so a relay on one of them can't see the end: whoever stands outside
// leads (I5). Nothing here acts at any other time.
import type { EpochMs } from '../../shared/ids.ts';
import type { GatewayStorage } from './gateway-storage.ts';
import { activeSessions, isAlive, type Session, type Sockets } from './tunnel-session.ts';

export type OutsideLeadPorts = { now(): EpochMs; readonly storage: GatewayStorage; readonly sockets: Sockets };

export type OutsideLead = ReturnType<typeof outsideLead>;

export function outsideLead(ports: OutsideLeadPorts) {
  const isInside = ({ state }: Session): boolean => (ports.storage.node(state.nodeId)?.claim ?? null) !== null;
  /** The relays that have to stand back; none while nobody outside works. */
  const standingBack = (): Session[] => {
    const { storage, sockets, now } = ports;
    const { deletingAt = null } = storage.gateway() ?? {};
    if (deletingAt === null) return [];
    const sessions = activeSessions(sockets);
    const works = (session: Session) => !isInside(session) && isAlive(session, now()) && !session.state.lapsed;
    return sessions.some(works) ? sessions.filter(isInside) : [];
  };
  return {
    mayLead: (session: Session): boolean =>
      !standingBack().some(({ state }) => state.sessionId === session.state.sessionId),
    /** Those inside are passed over as soon as the lease they may have runs out. */
    passOver(): void {
      for (const { socket, state } of standingBack()) if (!state.lapsed) socket.keep({ ...state, lapsed: true });
    },
    /** When the lease of one inside runs out, and its work goes to one outside. */
    dueAt(): EpochMs | null {
      const now = ports.now();
      const ends = standingBack().flatMap(({ state }) =>
        state.lease !== null && state.lease.until > now ? [state.lease.until] : [],
      );
      return ends.length === 0 ? null : Math.min(...ends);
    },
  };
}
