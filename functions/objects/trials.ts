// Sessions of new programs that look whether they get through (U3): welcomed, and nothing more. They are of a phase of their own,
// so that none of what counts, leads or is delivered to sees them.
import type { EpochMs, RelayNodeId } from '../../shared/ids.ts';
import { UPGRADE_TRIAL_MS } from '../../shared/limits.ts';
import { CLOSE } from '../../shared/tunnel-frame.ts';
import type { Sockets, TunnelSocket } from './tunnel-session.ts';

/** A trial that takes longer has failed, and its relay has gone back. */
const TRIAL_MS_MAX = 2 * UPGRADE_TRIAL_MS;

type Trial = { readonly socket: TunnelSocket; readonly nodeId: RelayNodeId; readonly since: EpochMs };

/** One of a node at a time. */
export function beginTrial(sockets: Sockets, { socket, nodeId, since }: Trial, sessionId: string): void {
  closeTrialsOf(sockets, nodeId, CLOSE.SUPERSEDED, 'a newer trial of this node');
  socket.keep({ phase: 'trial', sessionId, nodeId, since });
}

/** The node's real session has begun, or it is a node no more. */
export function closeTrialsOf(sockets: Sockets, nodeId: RelayNodeId, code: number, reason: string): void {
  for (const trial of trials(sockets)) if (trial.nodeId === nodeId) trial.socket.close(code, reason);
}

export function closeOverdueTrials(sockets: Sockets, now: EpochMs): void {
  for (const { socket, since } of trials(sockets)) {
    if (since + TRIAL_MS_MAX <= now) socket.close(CLOSE.HANDSHAKE_TIMEOUT, 'the trial took too long');
  }
}

/** When the next one is overdue. */
export function trialOverdueAt(sockets: Sockets): EpochMs | null {
  const ends = trials(sockets).map(({ since }) => since + TRIAL_MS_MAX);
  return ends.length === 0 ? null : Math.min(...ends);
}

function trials(sockets: Sockets): Trial[] {
  return sockets.all().flatMap((socket) => {
    const state = socket.state();
    return state.phase === 'trial' ? [{ socket, nodeId: state.nodeId, since: state.since }] : [];
  });
}
