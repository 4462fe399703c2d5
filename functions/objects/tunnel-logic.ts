// The tunnel's side of a gateway: challenge, hello, and the frames of a session (T2-T5, L1, N5). What it receives for others
// goes to the inbox; what it sends comes from the delivery.
import type { EpochMs, RelayNodeId } from '../../shared/ids.ts';
import {
  CLOSE,
  type EdgeFrame,
  encodeFrame,
  helloText,
  PROTOCOL_VERSION,
  type RelayFrame,
} from '../../shared/tunnel-frame.ts';
import { type LogRecord, messageOf } from '../log.ts';
import { toBase64url } from '../sign-command.ts';
import type { Asks } from './asks.ts';
import type { CommandQueue } from './command-queue.ts';
import type { Delivery } from './delivery.ts';
import type { GatewayStorage } from './gateway-storage.ts';
import type { GatewayUpgrade } from './gateway-upgrade.ts';
import { closeOverdue, closeSurplus, overdueAt } from './handshakes.ts';
import type { KeyExchange } from './key-exchange.ts';
import { answerLease, keepLeaseEnd, releaseLease } from './lease.ts';
import type { OwnMachines } from './own-machines.ts';
import { readFrame } from './read-frame.ts';
import type { ReportInbox } from './report-inbox.ts';
import type { Sql } from './sql.ts';
import type { Standings } from './standings.ts';
import { beginTrial, closeOverdueTrials, closeTrialsOf, trialOverdueAt } from './trials.ts';
import {
  activeSessions,
  isAlive,
  lastHeardAt,
  leadSession,
  readySessions,
  type Session,
  type Sockets,
  type TunnelSocket,
} from './tunnel-session.ts';
import { newSessionId, welcomeOf } from './welcome.ts';

const NONCE_BYTES = 32;

type Hello = Extract<RelayFrame, { type: 'hello' }>;
type Report = Extract<RelayFrame, { type: 'report' }>;
type NodeStatus = Extract<RelayFrame, { type: 'node-status' }>;

export type TunnelPorts = {
  now(): EpochMs;
  readonly sql: Sql;
  readonly sockets: Sockets;
  readonly storage: GatewayStorage;
  readonly queue: CommandQueue;
  readonly asks: Asks;
  readonly delivery: Delivery;
  readonly inbox: ReportInbox;
  readonly keys: KeyExchange;
  readonly standings: Standings;
  readonly ownMachines: Pick<OwnMachines, 'take'>;
  readonly upgrade: Pick<GatewayUpgrade, 'settle'>;
  mayLead(session: Session): boolean;
  readonly guardMs: number;
  /** LEASE_MS when left out. */
  readonly leaseMs?: number | undefined;
  randomBytes(count: number): Uint8Array;
  verify(key: string, text: string, signature: string): Promise<boolean>;
  /** The gateway has its first session that can act, or has lost its last. */
  connectedChanged(connected: boolean): void;
  log(record: LogRecord): void;
};

export class TunnelLogic {
  readonly #ports: TunnelPorts;

  constructor(ports: TunnelPorts) {
    this.#ports = ports;
  }

  /** A new socket: the edge speaks first. @param origin what the relay must have dialled */
  opened(socket: TunnelSocket, origin: string): void {
    const nonce = toBase64url(this.#ports.randomBytes(NONCE_BYTES));
    socket.keep({ phase: 'challenged', nonce, origin, since: this.#ports.now() });
    closeSurplus(this.#ports.sockets);
    send(socket, { v: PROTOCOL_VERSION, type: 'challenge', nonce, origin });
  }

  async received(socket: TunnelSocket, message: string | ArrayBuffer): Promise<void> {
    const frame = readFrame(message);
    const state = socket.state();
    if (!frame.ok) {
      const early = state.phase !== 'ready' && frame.error.code === CLOSE.BAD_FRAME;
      this.#ports.log({ event: 'tunnel-bad-frame', reason: frame.error.reason });
      return socket.close(early ? CLOSE.BAD_HANDSHAKE : frame.error.code, frame.error.reason);
    }
    if (state.phase === 'ready') return this.#serve({ socket, state }, frame.value, message);
    // U3: nothing that a trial says counts.
    if (state.phase === 'trial') return;
    if (frame.value.type !== 'hello' || state.phase !== 'challenged')
      return socket.close(CLOSE.BAD_HANDSHAKE, 'a hello is expected');
    return this.#greet(socket, state, frame.value);
  }

  /** The socket is gone. Its lease runs on; its commands go to whoever leads now. */
  async closed(socket: TunnelSocket): Promise<void> {
    const state = socket.state();
    if (state.phase !== 'ready') return;
    this.#retire({ socket, state });
    const others = this.#activeBut(state.sessionId);
    if (state.active && others.length === 0) this.#ports.connectedChanged(false);
    else await this.#deliver();
  }

  /** Closes what never said hello, and trials that take too long. */
  closeOverdue(now: EpochMs): void {
    closeOverdue(this.#ports.sockets, now);
    closeOverdueTrials(this.#ports.sockets, now);
  }

  /** T10. */
  closeSilent(now: EpochMs): void {
    const { sockets, connectedChanged } = this.#ports;
    const silent = activeSessions(sockets).filter((session) => !isAlive(session, now));
    for (const session of silent) this.#retire(session);
    for (const { socket } of silent) socket.close(CLOSE.SILENT, 'nothing was heard for too long');
    if (silent.length > 0 && activeSessions(sockets).length === 0) connectedChanged(false);
  }

  /** When the next of these is overdue. */
  overdueAt(): (EpochMs | null)[] {
    return [overdueAt(this.#ports.sockets), trialOverdueAt(this.#ports.sockets)];
  }

  async #greet(
    socket: TunnelSocket,
    state: { nonce: string; origin: string; since: EpochMs },
    hello: Hello,
  ): Promise<void> {
    socket.keep({ ...state, phase: 'verifying' });
    const { storage, verify } = this.#ports;
    const gateway = storage.gateway();
    const node = gateway === null || gateway.removedAt !== null ? null : storage.node(hello.nodeId);
    if (gateway === null || node === null) return socket.close(CLOSE.REVOKED, 'not a node of this gateway');
    const fits = await verify(node.identityKey, helloText(state, hello), hello.signature);
    if (!socket.isOpen()) return;
    if (!fits || hello.gatewayId !== gateway.gatewayId) {
      this.#ports.log({ event: 'tunnel-bad-hello', gateway: gateway.gatewayId, node: hello.nodeId });
      return socket.close(CLOSE.BAD_HANDSHAKE, 'the signature does not fit');
    }
    if (!this.#joins(socket, hello)) return;
    await (hello.trial === true ? this.#try(socket, hello) : this.#welcome(socket, hello));
  }

  /** T3: whether the counter is new. One that is not means two copies of one folder: both are shut out. */
  #joins(socket: TunnelSocket, hello: Hello): boolean {
    const { storage, now, log } = this.#ports;
    const node = storage.node(hello.nodeId);
    if (node !== null && node.lockedAt === null && hello.joinCounter > node.joinCounter) {
      // Of a trial the number is used; what the node runs is what its session says.
      const version = hello.trial === true ? node.relayVersion : hello.relayVersion;
      storage.joined(hello.nodeId, hello.joinCounter, version, now());
      return true;
    }
    if (node?.lockedAt === null) {
      storage.lock(hello.nodeId, now());
      log({ event: 'tunnel-clone-detected', node: hello.nodeId, counter: hello.joinCounter, last: node.joinCounter });
    }
    this.#closeSessionsOf(hello, CLOSE.CLONE_DETECTED, 'join counter is stale: this node was cloned');
    socket.close(CLOSE.CLONE_DETECTED, 'join counter is stale: this node was cloned');
    return false;
  }

  /** U3: the node's session goes on, and nothing is delivered here. */
  async #try(socket: TunnelSocket, { nodeId }: Hello): Promise<void> {
    const [sessionId, at] = [newSessionId(this.#ports.randomBytes), this.#ports.now()];
    beginTrial(this.#ports.sockets, { socket, nodeId, since: at }, sessionId);
    send(socket, welcomeOf(sessionId, at, []));
  }

  async #welcome(socket: TunnelSocket, hello: Hello): Promise<void> {
    const { now, queue, asks } = this.#ports;
    const before = activeSessions(this.#ports.sockets);
    const active = this.#ports.storage.node(hello.nodeId)?.holdsKey ?? false;
    this.#closeSessionsOf(hello, CLOSE.SUPERSEDED, 'a newer session of this node');
    const sessionId = newSessionId(this.#ports.randomBytes);
    const at = now();
    const { nodeId, bootId } = hello;
    socket.keep({
      ...{ phase: 'ready', sessionId, nodeId, bootId, since: at, seq: 0, heardAt: at },
      ...{ lease: null, lapsed: false, active, speaksOfItself: false },
    });
    // T5. A standby stands on nothing, whatever it had before.
    const lead = leadSession(activeSessions(this.#ports.sockets), at);
    const leads = lead?.state.sessionId === sessionId;
    send(socket, welcomeOf(sessionId, at, [...queue.idsFor(nodeId, leads), ...(leads ? asks.ids() : [])]));
    if (active && before.length === 0) this.#ports.connectedChanged(true);
    await this.#deliver();
  }

  async #serve(session: Session, frame: RelayFrame, message: string | ArrayBuffer): Promise<void> {
    const { now, queue, inbox, sockets, upgrade, keys } = this.#ports;
    const { socket } = session;
    const state = { ...session.state, heardAt: now() };
    socket.keep(state);
    switch (frame.type) {
      case 'hello':
        return socket.close(CLOSE.BAD_FRAME, 'a second hello');
      case 'receipt':
        queue.received(frame.commandIds, now());
        return;
      case 'lease-request':
        return send(socket, answerLease(this.#ports, { socket, state }, readySessions(sockets), now()));
      case 'lease-release':
        return releaseLease({ socket, state }, frame.epoch);
      case 'node-status':
        return this.#nodeStatus({ socket, state }, frame);
      case 'report':
        if ([upgrade, keys].some((own) => own.settle(frame.commandId, frame.outcome, state.nodeId)))
          return this.#ownSettled({ socket, state }, frame);
        return inbox.take(socket, frame, typeof message === 'string' ? message.length : 0);
      case 'observations':
        return inbox.take(socket, frame, typeof message === 'string' ? message.length : 0);
      case 'pairing-code':
      case 'installation':
      case 'node-leave':
        return this.#ports.ownMachines.take({ socket, state }, frame);
    }
  }

  /** N5. What a node says of the key it holds is the truth about it: it alone can look. */
  async #nodeStatus({ socket, state }: Session, frame: NodeStatus): Promise<void> {
    const { storage, keys, standings, now } = this.#ports;
    const gateway = storage.gateway();
    const node = storage.node(state.nodeId);
    if (gateway === null || node === null) return socket.close(CLOSE.REVOKED, 'not a node of this gateway');
    storage.reported(state.nodeId, frame.addresses, frame.at - now(), now());
    standings.changed();
    const holds = frame.sealingKey !== null && frame.sealingKey === gateway.sealingKey;
    if (holds !== node.holdsKey) {
      keys.drop(state.nodeId);
      storage.keyHeld(state.nodeId, holds, now());
    }
    this.#setActive({ socket, state: { ...state, speaksOfItself: true } }, holds);
    await keys.plan();
    await this.#deliver();
  }

  /** The outcome of one of the gateway's own commands is stored: acknowledged, and what follows from it is done. */
  async #ownSettled({ socket, state }: Session, { commandId }: Report): Promise<void> {
    const { queue, storage, keys, standings } = this.#ports;
    queue.settle([commandId]);
    standings.changed();
    send(socket, { v: PROTOCOL_VERSION, type: 'report-ack', commandIds: [commandId] });
    this.#setActive({ socket, state }, storage.node(state.nodeId)?.holdsKey ?? false);
    await keys.plan();
    await this.#deliver();
  }

  #setActive({ socket, state }: Session, active: boolean): void {
    socket.keep({ ...state, active });
    if (state.active !== active && this.#activeBut(state.sessionId).length === 0) this.#ports.connectedChanged(active);
  }

  #activeBut(sessionId: string): Session[] {
    return activeSessions(this.#ports.sockets).filter(({ state }) => state.sessionId !== sessionId);
  }

  /** The node is revoked: its sessions end at once. */
  revoke(nodeId: RelayNodeId): void {
    this.#closeSessionsOf({ nodeId }, CLOSE.REVOKED, 'this node was removed from its gateway');
    this.#ports.standings.changed();
  }

  #closeSessionsOf(node: Pick<Hello, 'nodeId'>, code: number, reason: string): void {
    for (const session of readySessions(this.#ports.sockets)) {
      if (session.state.nodeId !== node.nodeId) continue;
      this.#retire(session);
      session.socket.close(code, reason);
    }
    closeTrialsOf(this.#ports.sockets, node.nodeId, code, reason);
  }

  #retire(session: Session): void {
    this.#ports.storage.seen(session.state.nodeId, lastHeardAt(session));
    keepLeaseEnd(this.#ports.sql, session);
  }

  async #deliver(): Promise<void> {
    try {
      await this.#ports.delivery.run();
    } catch (error) {
      // Nothing is lost: all of it is unsent and goes out with the next session or command.
      this.#ports.log({ event: 'delivery-failed', cause: messageOf(error) });
    }
  }
}

function send(socket: TunnelSocket, frame: EdgeFrame): void {
  socket.send(encodeFrame(frame));
}
