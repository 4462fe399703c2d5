// Sends what is unsettled to the leading session, and what is for one node to that one, each frame signed (T6). One at a time:
// signing gives up the turn, and the numbers of the frames must rise by one.
import type { Command, CommandId } from '../../shared/command.ts';
import type { EpochMs, GatewayId } from '../../shared/ids.ts';
import { type DeliverPayload, encodeFrame, PROTOCOL_VERSION } from '../../shared/tunnel-frame.ts';
import type { Asks } from './asks.ts';
import type { CommandQueue } from './command-queue.ts';
import { SingleFlight } from './single-flight.ts';
import {
  activeSessions,
  incarnationOf,
  leadSession,
  readySessions,
  type Session,
  type Sockets,
} from './tunnel-session.ts';

/** Commands in one frame (shared/tunnel-frame.ts). */
const COMMANDS_PER_FRAME_MAX = 100;

export type DeliveryPorts = {
  now(): EpochMs;
  readonly sockets: Sockets;
  readonly queue: CommandQueue;
  readonly asks: Asks;
  gatewayId(): GatewayId | null;
  sign(text: string): Promise<string>;
};

export class Delivery {
  readonly #ports: DeliveryPorts;
  readonly #flight: SingleFlight;

  constructor(ports: DeliveryPorts) {
    this.#ports = ports;
    this.#flight = new SingleFlight(async () => {
      while (await this.#deliverOne());
    });
  }

  /** Resolves when nothing is left to send to the session that leads. Rejects when signing fails; what is unsent stays. */
  run(): Promise<void> {
    return this.#flight.run();
  }

  /** False when there is nothing to send, or nobody to send it to. */
  async #deliverOne(): Promise<boolean> {
    const gatewayId = this.#ports.gatewayId();
    const next = this.#next();
    if (gatewayId === null || next === null) return false;
    const { sessionId, nodeId, seq } = next.session.state;
    const { commands } = next;
    const content: DeliverPayload = { gatewayId, nodeId, sessionId, seq, at: this.#ports.now(), commands };
    const payload = JSON.stringify(content);
    const signature = await this.#ports.sign(payload);
    // Signing took a moment: the session may be over or lead no more, and a command withdrawn. Then it is put together anew.
    const now = this.#sessions().find(({ session }) => session.state.sessionId === sessionId);
    const isSame = now !== undefined && (now.leads || !next.leads) && now.session.state.seq === seq;
    if (!isSame || !commands.every((command) => this.#stands(command))) return true;
    this.#send(now.session, commands, encodeFrame({ v: PROTOCOL_VERSION, type: 'deliver', payload, signature }));
    return true;
  }

  /** The one that leads first: the others get only what is for their node alone. */
  #sessions(): { session: Session; leads: boolean }[] {
    const lead = leadSession(activeSessions(this.#ports.sockets), this.#ports.now());
    const others = readySessions(this.#ports.sockets).filter(({ state }) => state.sessionId !== lead?.state.sessionId);
    const standing = others.map((session) => ({ session, leads: false }));
    return lead === null ? standing : [{ session: lead, leads: true }, ...standing];
  }

  /** One ask alone, since somebody waits for it; else the next frame's worth of the queue. */
  #next(): { session: Session; leads: boolean; commands: Command[] } | null {
    const { asks, queue } = this.#ports;
    for (const { session, leads } of this.#sessions()) {
      const { sessionId, nodeId } = session.state;
      const asked = asks.unsent(sessionId, nodeId, leads);
      const commands = asked === null ? queue.unsent(sessionId, COMMANDS_PER_FRAME_MAX, nodeId, leads) : [asked];
      if (commands.length > 0) return { session, leads, commands };
    }
    return null;
  }

  #stands({ commandId }: Command): boolean {
    return this.#ports.queue.has(commandId) || this.#ports.asks.has(commandId);
  }

  #send({ socket, state }: Session, commands: readonly Command[], frame: string): void {
    const { asks, queue, now } = this.#ports;
    for (const { commandId } of commands) asks.sent(commandId, state.sessionId);
    this.#takeBack(queue.sent(commands, state.sessionId, incarnationOf(state), now()));
    socket.keep({ ...state, seq: state.seq + 1 });
    socket.send(frame);
  }

  /** L5: who led before and is still there stops, now that another one is to do it. */
  #takeBack(before: ReadonlyMap<string, readonly CommandId[]>): void {
    if (before.size === 0) return;
    for (const { socket, state } of readySessions(this.#ports.sockets)) {
      const commandIds = before.get(state.sessionId);
      if (commandIds === undefined) continue;
      socket.send(encodeFrame({ v: PROTOCOL_VERSION, type: 'withdraw', commandIds: [...commandIds] }));
    }
  }
}
