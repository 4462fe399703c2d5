// Sockets that have not said hello yet: few, and not for long (T2).
import type { EpochMs } from '../../shared/ids.ts';
import { TUNNEL_HANDSHAKE_MS } from '../../shared/limits.ts';
import { CLOSE } from '../../shared/tunnel-frame.ts';
import type { Sockets, TunnelSocket } from './tunnel-session.ts';

/** Beyond, the oldest goes. */
const HANDSHAKES_MAX = 32;

export function closeSurplus(sockets: Sockets): void {
  const waiting = handshakes(sockets);
  for (const { socket } of waiting.slice(0, Math.max(0, waiting.length - HANDSHAKES_MAX)))
    socket.close(CLOSE.HANDSHAKE_TIMEOUT, 'too many handshakes');
}

export function closeOverdue(sockets: Sockets, now: EpochMs): void {
  for (const { socket, since } of handshakes(sockets)) {
    if (since + TUNNEL_HANDSHAKE_MS <= now) socket.close(CLOSE.HANDSHAKE_TIMEOUT, 'no hello within 10 s');
  }
}

/** When the next one is overdue. */
export function overdueAt(sockets: Sockets): EpochMs | null {
  const first = handshakes(sockets)[0];
  return first === undefined ? null : first.since + TUNNEL_HANDSHAKE_MS;
}

/** The oldest first. */
function handshakes(sockets: Sockets): { socket: TunnelSocket; since: EpochMs }[] {
  return sockets
    .all()
    .flatMap((socket) => {
      const state = socket.state();
      return state.phase === 'ready' || state.phase === 'trial' ? [] : [{ socket, since: state.since }];
    })
    .sort((a, b) => a.since - b.since);
}
