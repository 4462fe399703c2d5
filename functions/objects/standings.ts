// Tells each relay what it is now (N5): waiting for the key, leading or standing by, and where the others serve enrolment.
// Said only to relays that speak of themselves, and again only when it changes.
import type { EpochMs } from '../../shared/ids.ts';
import { encodeFrame, PROTOCOL_VERSION } from '../../shared/tunnel-frame.ts';
import { type NodeRecord, type RelayNodes, stateOf } from './relay-nodes.ts';
import { activeSessions, leadSession, readySessions, type Sockets } from './tunnel-session.ts';

/** As many as the frame takes. */
const PEERS_MAX = 64;

export type StandingsPorts = {
  now(): EpochMs;
  readonly sockets: Sockets;
  readonly storage: Pick<RelayNodes, 'nodes'>;
};

export class Standings {
  readonly #ports: StandingsPorts;
  /** By session. Memory only: after a hibernation it is said once more. */
  readonly #told = new Map<string, string>();
  #nodes: readonly NodeRecord[] | null = null;

  constructor(ports: StandingsPorts) {
    this.#ports = ports;
  }

  /** The nodes have changed. */
  changed(): void {
    this.#nodes = null;
  }

  tell(): void {
    const { sockets, storage, now } = this.#ports;
    const sessions = readySessions(sockets).filter(({ state }) => state.speaksOfItself);
    const open = new Set(sessions.map(({ state }) => state.sessionId));
    for (const session of this.#told.keys()) if (!open.has(session)) this.#told.delete(session);
    if (sessions.length === 0) return;
    const lead = leadSession(activeSessions(sockets), now());
    const isLeader = ({ nodeId }: NodeRecord): boolean => nodeId === lead?.state.nodeId;
    this.#nodes ??= storage.nodes();
    for (const { socket, state } of sessions) {
      const node = this.#nodes.find(({ nodeId }) => nodeId === state.nodeId);
      if (node === undefined) continue;
      const others = this.#nodes
        .filter((one) => one !== node && one.holdsKey && one.lockedAt === null)
        .toSorted((one, other) => Number(isLeader(other)) - Number(isLeader(one)));
      const text = encodeFrame({
        v: PROTOCOL_VERSION,
        type: 'standing',
        state: stateOf(node),
        leader: lead?.state.sessionId === state.sessionId,
        peers: others.flatMap(({ addresses }) => addresses).slice(0, PEERS_MAX),
      });
      if (this.#told.get(state.sessionId) === text) continue;
      this.#told.set(state.sessionId, text);
      socket.send(text);
    }
  }
}
