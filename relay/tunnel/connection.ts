// One connection to the edge: dial → challenged → serving → closed (T1, T2, T5–T7, T9). It ends with an outcome; what to do
// about it is the supervisor's. Frames are taken strictly one after another.
import { z } from 'zod';
import { TUNNEL_HANDSHAKE_MS, TUNNEL_PING_MS, TUNNEL_PONG_MS } from '../../shared/limits.ts';
import {
  CLOSE,
  EdgeFrame,
  encodeFrame,
  helloText,
  PING,
  PONG,
  PROTOCOL_VERSION,
  type RelayFrame,
} from '../../shared/tunnel-frame.ts';
import type { Identity } from '../identity.ts';
import { type Log, reasonOf } from '../log.ts';
import type { Ports } from '../ports.ts';
import type { Dial, DialEnd, TunnelSocket } from './dial.ts';
import { type Delivery, readDelivery } from './read-delivery.ts';

type FrameOf<T extends EdgeFrame['type']> = Extract<EdgeFrame, { type: T }>;
export type Welcome = FrameOf<'welcome'>;

/** What the rest of the relay does with a session. `ended` comes once for each `began`. */
export type SessionEvents = {
  readonly began: (welcome: Welcome, send: (frame: RelayFrame) => void) => void;
  /** The next frame is taken when this has resolved: a withdrawal must not overtake what it withdraws. */
  readonly delivered: (delivery: Delivery, send: (frame: RelayFrame) => void) => Promise<void>;
  readonly other: (frame: Exclude<EdgeFrame, { type: 'challenge' | 'welcome' | 'deliver' }>) => void;
  readonly ended: () => void;
};

export type ConnectionOutcome = {
  readonly end: DialEnd | { readonly kind: 'dead' | 'handshake-timeout' | 'stopped' };
  /** Null when no session came to be. */
  readonly welcome: Welcome | null;
  readonly servedMs: number;
};

export type Caller = {
  readonly identity: Identity;
  readonly bootId: string;
  readonly relayVersion: string;
  readonly joinCounter: number;
  readonly sign: (text: string) => Promise<string>;
  /** Ed25519 by the command key that pairing pinned. */
  readonly verify: (payload: string, signature: string) => Promise<boolean>;
  /** A session to see whether this program gets through, and for nothing else (U3). */
  readonly trial?: true;
  readonly heartbeat?: Heartbeat;
};

/** Who is watched is asked at once after the welcome, and says of each ping that it was answered. */
export type Heartbeat = {
  /** Null: as in every session. */
  readonly everyMs: number | null;
  readonly heard: () => void;
};

/** Each state owns what it needs; there is nothing beside it. */
type AttemptState =
  | { readonly kind: 'dialling' }
  | { readonly kind: 'challenged' }
  | { readonly kind: 'serving'; readonly welcome: Welcome; readonly sinceMs: number; lastSeq: number | null }
  | { readonly kind: 'closed' };

/** Runs one connection until it ends. Never rejects. */
export function connect(
  caller: Caller,
  dial: Dial,
  session: SessionEvents,
  ports: Ports,
  log: Log,
  signal: AbortSignal,
): Promise<ConnectionOutcome> {
  return new Promise((resolve) => {
    const attempt = new Attempt(caller, session, ports, log, resolve);
    const { origin, tunnelPath } = caller.identity;
    attempt.start(dial, `${origin.replace(/^http/, 'ws')}${tunnelPath}`, signal);
  });
}

class Attempt {
  readonly #caller: Caller;
  readonly #session: SessionEvents;
  readonly #ports: Ports;
  readonly #log: Log;
  readonly #resolve: (outcome: ConnectionOutcome) => void;
  #state: AttemptState = { kind: 'dialling' };
  #socket: TunnelSocket | null = null;
  #heardAtMs: number;
  /** A ping was sent, and not answered yet. */
  #isAsked = false;
  #cancelTimer: () => void = () => {};
  #unlisten: () => void = () => {};
  /** Verifying is asynchronous; the order of frames must not depend on it. */
  #inOrder: Promise<void> = Promise.resolve();

  constructor(
    caller: Caller,
    session: SessionEvents,
    ports: Ports,
    log: Log,
    resolve: (outcome: ConnectionOutcome) => void,
  ) {
    this.#caller = caller;
    this.#session = session;
    this.#ports = ports;
    this.#log = log;
    this.#resolve = resolve;
    this.#heardAtMs = ports.clock.monotonicMs();
  }

  start(dial: Dial, url: string, signal: AbortSignal): void {
    const stop = (): void => {
      this.#socket?.close(1000, 'the relay ends');
      this.#end({ kind: 'stopped' });
    };
    this.#cancelTimer = this.#ports.timers.after(TUNNEL_HANDSHAKE_MS * 2, () =>
      this.#end({ kind: 'handshake-timeout' }),
    );
    this.#socket = dial(url, {
      opened: () => this.#log.debug('tunnel-open', {}),
      message: (text) => {
        // As it comes: what is still being worked on before it says nothing about the other side.
        this.#heardAtMs = this.#ports.clock.monotonicMs();
        this.#inOrder = this.#inOrder.then(() => this.#take(text)).catch((error: unknown) => this.#broken(error));
      },
      closed: (end) => this.#end(end),
    });
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop);
    this.#unlisten = () => signal.removeEventListener('abort', stop);
  }

  readonly #send = (frame: RelayFrame): void => {
    if (this.#state.kind !== 'closed') this.#socket?.send(encodeFrame(frame));
  };

  async #take(text: string): Promise<void> {
    if (this.#state.kind === 'closed') return;
    if (text === PONG) return this.#answered();
    const frame = EdgeFrame.safeParse(parseJson(text));
    if (!frame.success) return this.#unreadable(text);
    if (frame.data.type === 'challenge') return this.#answer(frame.data);
    if (frame.data.type === 'welcome') return this.#welcomed(frame.data);
    if (this.#state.kind !== 'serving') return this.#refuse(CLOSE.BAD_HANDSHAKE, `${frame.data.type} before welcome`);
    if (frame.data.type === 'deliver') return this.#deliver(frame.data, this.#state);
    this.#session.other(frame.data);
  }

  async #answer(challenge: FrameOf<'challenge'>): Promise<void> {
    const { identity, bootId, joinCounter, relayVersion, sign, trial } = this.#caller;
    if (this.#state.kind !== 'dialling') return this.#refuse(CLOSE.BAD_HANDSHAKE, 'a second challenge');
    // Signed is the origin that was dialled: a challenge passed on from elsewhere gets an answer that fits nowhere.
    if (challenge.origin !== identity.origin)
      return this.#refuse(CLOSE.BAD_HANDSHAKE, `the console calls itself ${challenge.origin}, not ${identity.origin}`);
    this.#state = { kind: 'challenged' };
    const { gatewayId, nodeId } = identity;
    const hello = { gatewayId, nodeId, bootId, joinCounter, relayVersion, ...(trial === true ? { trial } : {}) };
    const signature = await sign(helloText(challenge, hello));
    this.#send({ v: PROTOCOL_VERSION, type: 'hello', ...hello, signature });
  }

  #welcomed(welcome: Welcome): void {
    if (this.#state.kind !== 'challenged') return this.#refuse(CLOSE.BAD_HANDSHAKE, 'a welcome out of turn');
    this.#state = { kind: 'serving', welcome, sinceMs: this.#ports.clock.monotonicMs(), lastSeq: null };
    this.#pingLater(this.#caller.heartbeat === undefined ? this.#pingMs() : 0);
    this.#session.began(welcome, this.#send);
  }

  #pingMs(): number {
    return this.#caller.heartbeat?.everyMs ?? TUNNEL_PING_MS;
  }

  #pingLater(delayMs: number): void {
    const { clock, timers } = this.#ports;
    const pongMs = Math.min(TUNNEL_PONG_MS, this.#pingMs());
    this.#cancelTimer();
    this.#cancelTimer = timers.after(delayMs, () => {
      const askedAtMs = clock.monotonicMs();
      this.#isAsked = true;
      this.#socket?.send(PING);
      this.#cancelTimer = timers.after(pongMs, () => {
        if (this.#heardAtMs < askedAtMs) return this.#end({ kind: 'dead' });
        this.#pingLater(this.#pingMs() - pongMs);
      });
    });
  }

  #answered(): void {
    if (!this.#isAsked) return;
    this.#isAsked = false;
    this.#caller.heartbeat?.heard();
  }

  /** T6. */
  async #deliver(frame: FrameOf<'deliver'>, serving: Extract<AttemptState, { kind: 'serving' }>): Promise<void> {
    if (!(await this.#caller.verify(frame.payload, frame.signature)))
      return this.#refuse(CLOSE.BAD_FRAME, 'a command that the console did not sign');
    const delivery = readDelivery(parseJson(frame.payload), this.#caller.identity, serving.welcome.sessionId);
    if (!delivery.ok) return this.#refuse(CLOSE.BAD_FRAME, delivery.error);
    const { seq } = delivery.value;
    // The first of a session is 0 or 1; from then on a gap or a repeat is a frame lost or played again.
    const isNext = serving.lastSeq === null ? seq <= 1 : seq === serving.lastSeq + 1;
    if (!isNext) return this.#refuse(CLOSE.BAD_FRAME, `deliver ${seq} after ${serving.lastSeq}`);
    serving.lastSeq = seq;
    await this.#session.delivered(delivery.value, this.#send);
  }

  /** T9: a later version is told apart from nonsense, so that the operator knows which side to update. */
  #unreadable(text: string): void {
    const shape = z.object({ v: z.number().optional(), type: z.string().optional() }).safeParse(parseJson(text));
    const v = shape.success ? shape.data.v : undefined;
    const type = shape.success ? shape.data.type?.slice(0, 40) : undefined;
    const known = EdgeFrame.options.some((option) => option.shape.type.value === type);
    if (v === undefined || type === undefined) return this.#refuse(CLOSE.BAD_FRAME, 'something that is no frame');
    if (v === PROTOCOL_VERSION && known) return this.#refuse(CLOSE.BAD_FRAME, `a ${type} frame in an unknown form`);
    const older = v < PROTOCOL_VERSION ? 'console' : 'relay';
    this.#log.error('protocol-mismatch', {
      older,
      theirVersion: v,
      ourVersion: PROTOCOL_VERSION,
      frame: type,
    });
    this.#refuse(CLOSE.VERSION_UNSUPPORTED, `unknown frame ${type}`);
  }

  #broken(error: unknown): void {
    this.#log.error('tunnel-bug', { reason: reasonOf(error) });
    this.#refuse(CLOSE.BAD_FRAME, 'an unexpected error');
  }

  #refuse(code: number, reason: string): void {
    this.#log.warn('tunnel-refused-frame', { code, reason });
    this.#socket?.close(code, reason.slice(0, 120));
    this.#end({ kind: 'closed', code, reason });
  }

  #end(end: ConnectionOutcome['end']): void {
    const state = this.#state;
    if (state.kind === 'closed') return;
    this.#state = { kind: 'closed' };
    this.#cancelTimer();
    this.#unlisten();
    // A closing handshake under way may end by itself; anything else is cut.
    if (end.kind === 'dead' || end.kind === 'handshake-timeout') this.#socket?.destroy();
    const isServing = state.kind === 'serving';
    if (isServing) this.#session.ended();
    const servedMs = isServing ? this.#ports.clock.monotonicMs() - state.sinceMs : 0;
    this.#resolve({ end, welcome: isServing ? state.welcome : null, servedMs });
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
