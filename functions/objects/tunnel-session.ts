// One WebSocket of a gateway as the logic sees it. Its state lives in the socket's attachment, so it outlives hibernation and
// costs no row; who leads is computed from it, never stored.
import { z } from 'zod';
import { EpochMs, RelayNodeId } from '../../shared/ids.ts';
import { TUNNEL_DEAD_MS } from '../../shared/limits.ts';

export const SessionState = z.discriminatedUnion('phase', [
  z.strictObject({ phase: z.literal('challenged'), nonce: z.string(), origin: z.string(), since: EpochMs }),
  /** A hello is being verified; anything more before that is done is out of order. */
  z.strictObject({ phase: z.literal('verifying'), nonce: z.string(), origin: z.string(), since: EpochMs }),
  z.strictObject({
    phase: z.literal('ready'),
    sessionId: z.string(),
    nodeId: RelayNodeId,
    bootId: z.string(),
    since: EpochMs,
    /** Of the next deliver frame (T6). */
    seq: z.int(),
    /** When the last frame came; pings are not counted here, the runtime keeps their time. */
    heardAt: EpochMs,
    /** Renewed in memory and here only (architecture ruling 13.9). */
    lease: z.strictObject({ epoch: z.int(), until: EpochMs }).nullable(),
    /** Let its lease lapse, or did not hear, with work to do: another one leads first. */
    lapsed: z.boolean(),
    /** Holds the gateway's key: it may lead. Attachments of before are of nodes that did. */
    active: z.boolean().default(true),
    /** Sends `node-status`, and so knows `standing`. */
    speaksOfItself: z.boolean().default(false),
  }),
  /** A new program that looks whether it gets through (U3): welcomed, and nothing more. No session of any other kind counts it. */
  z.strictObject({ phase: z.literal('trial'), sessionId: z.string(), nodeId: RelayNodeId, since: EpochMs }),
]);
export type SessionState = z.infer<typeof SessionState>;
export type ReadyState = Extract<SessionState, { phase: 'ready' }>;

export type TunnelSocket = {
  /** False as soon as either side has closed it. */
  isOpen(): boolean;
  state(): SessionState;
  keep(state: SessionState): void;
  /** Dropped in silence when the socket is gone: everything sent is sent again to the next session. */
  send(text: string): void;
  close(code: number, reason: string): void;
  /** When the runtime last answered a ping; null before the first. */
  lastPongAt(): EpochMs | null;
};

export type Sockets = {
  /** Those that are open. */
  all(): TunnelSocket[];
};

export type Session = { readonly socket: TunnelSocket; readonly state: ReadyState };

export function readySessions(sockets: Sockets): Session[] {
  return sockets.all().flatMap((socket) => {
    const state = socket.state();
    return state.phase === 'ready' ? [{ socket, state }] : [];
  });
}

/** Those whose node holds the gateway's key: one leads, the others stand by. */
export function activeSessions(sockets: Sockets): Session[] {
  return readySessions(sockets).filter(({ state }) => state.active);
}

/** The process of a relay: the same node after a restart is another one. */
export function incarnationOf(state: { nodeId: string; bootId: string }): string {
  return `${state.nodeId}/${state.bootId}`;
}

export function lastHeardAt(session: Session): EpochMs {
  return Math.max(session.state.heardAt, session.socket.lastPongAt() ?? 0);
}

export function isAlive(session: Session, now: EpochMs): boolean {
  return now - lastHeardAt(session) < TUNNEL_DEAD_MS;
}

/** Whether a relay that can act is heard of. */
export function isConnected(sockets: Sockets, now: EpochMs): boolean {
  return activeSessions(sockets).some((session) => isAlive(session, now));
}

/**
 * The session of `sessions`, all active, that commands go to: the lease's holder; without one the longest connected that is heard of and has not let a
 * lease lapse. A standby that joins changes nothing.
 */
export function leadSession(sessions: readonly Session[], now: EpochMs): Session | null {
  const holder = sessions.find(({ state }) => state.lease !== null && state.lease.until > now);
  if (holder !== undefined) return holder;
  const rank = (session: Session) => Number(session.state.lapsed) + (isAlive(session, now) ? 0 : 2);
  const [first] = [...sessions].sort((a, b) => rank(a) - rank(b) || a.state.since - b.state.since);
  return first ?? null;
}
