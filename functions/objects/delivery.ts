// Sends what is unsettled to the leading session, each frame signed (T6). One at a time: signing gives up the turn, and the
// numbers of the frames must rise by one.
import type { Command } from '../../shared/command.ts';
import type { EpochMs, GatewayId } from '../../shared/ids.ts';
import { type DeliverPayload, encodeFrame, PROTOCOL_VERSION } from '../../shared/tunnel-frame.ts';
import type { Asks } from './asks.ts';
import type { CommandQueue } from './command-queue.ts';
import { SingleFlight } from './single-flight.ts';
import {
  incarnationOf,
  leadSession,
  type ReadyState,
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
    const lead = this.#lead();
    if (gatewayId === null || lead === null) return false;
    const commands = this.#next(lead.state.sessionId);
    if (commands.length === 0) return false;
    const { sessionId, nodeId, seq } = lead.state;
    const content: DeliverPayload = { gatewayId, nodeId, sessionId, seq, at: this.#ports.now(), commands };
    const payload = JSON.stringify(content);
    const signature = await this.#ports.sign(payload);
    const now = this.#lead();
    // Signing took a moment: the session may be over, and a command withdrawn. Then it is put together anew.
    if (now?.state.sessionId !== sessionId || !commands.every((command) => this.#stands(command))) return true;
    this.#send(
      now.socket,
      now.state,
      commands,
      encodeFrame({ v: PROTOCOL_VERSION, type: 'deliver', payload, signature }),
    );
    return true;
  }

  #lead(): Session | null {
    return leadSession(readySessions(this.#ports.sockets), this.#ports.now());
  }

  /** One ask alone, since somebody waits for it; else the next frame's worth of the queue. */
  #next(session: string): Command[] {
    const asked = this.#ports.asks.unsent(session);
    return asked === null ? this.#ports.queue.unsent(session, COMMANDS_PER_FRAME_MAX) : [asked];
  }

  #stands({ commandId }: Command): boolean {
    return this.#ports.queue.has(commandId) || this.#ports.asks.has(commandId);
  }

  #send(socket: Session['socket'], state: ReadyState, commands: readonly Command[], frame: string): void {
    for (const { commandId } of commands) this.#ports.asks.sent(commandId, state.sessionId);
    this.#ports.queue.sent(commands, state.sessionId, incarnationOf(state));
    socket.keep({ ...state, seq: state.seq + 1 });
    socket.send(frame);
  }
}
