// One WebSocket between a relay and a gateway's object, by the rules of TCP: in order, nothing twice, nothing missing in the
// middle. It can be late, be cut, or go silent in both directions while both ends believe in it (half-open).
import type { SessionState, TunnelSocket } from '../../functions/objects/tunnel-session.ts';
import type { DialEvents, TunnelSocket as RelaySocket } from '../../relay/tunnel/dial.ts';
import { PING, PONG } from '../../shared/tunnel-frame.ts';
import type { Site } from './site.ts';

/** The two ends, as the link reaches them. */
export type LinkEnds = {
  readonly label: string;
  /** Runs in the relay's process, if it still is the same one. */
  toRelay(delayMs: number, work: () => void): void;
  /** Sends leave when the turn under way is safe. */
  out(effect: () => void): void;
  received(socket: TunnelSocket, text: string): void;
  closed(socket: TunnelSocket): void;
  /** A frame has left one end. */
  onSend(direction: 'up' | 'down', text: string): void;
  readonly events: DialEvents;
};

const CUT = { code: 1006, reason: 'the connection was cut' };

export class TunnelLink {
  readonly edge: TunnelSocket;
  readonly relay: RelaySocket;
  readonly #site: Site;
  readonly #ends: LinkEnds;
  #state: SessionState = { phase: 'challenged', nonce: '', origin: '', since: 0 };
  #lastPongAt: number | null = null;
  #edgeOpen = false;
  #relayOpen = true;
  #silent = false;
  /** Nothing that is sent from here on arrives; what was under way may. */
  #isCut = false;
  /** Nothing overtakes: the moment of the last arrival, in each direction. */
  #edgeFreeAt = 0;
  #relayFreeAt = 0;

  constructor(site: Site, ends: LinkEnds) {
    this.#site = site;
    this.#ends = ends;
    this.edge = {
      isOpen: () => this.#edgeOpen,
      state: () => this.#state,
      keep: (state) => {
        this.#state = state;
      },
      send: (text) => {
        if (this.#edgeOpen) ends.out(() => this.#toRelay(text));
      },
      close: (code, reason) => this.#edgeCloses(code, reason),
      lastPongAt: () => this.#lastPongAt,
    };
    this.relay = {
      send: (text) => this.#toEdge(text),
      close: (code, reason) => this.#relayCloses(code, reason),
      destroy: () => this.#relayDestroys(),
    };
  }

  get isOpen(): boolean {
    return this.#edgeOpen || this.#relayOpen;
  }

  get isEdgeOpen(): boolean {
    return this.#edgeOpen;
  }

  /** The upgrade has been answered. */
  established(): void {
    this.#edgeOpen = true;
  }

  get wasGivenUp(): boolean {
    return !this.#relayOpen;
  }

  /** Both ends learn of it, each in its time. @param edgeKnows false when the edge has lost its sockets itself */
  cut(edgeKnows = true): void {
    if (!this.isOpen) return;
    this.#site.trace.say(this.#ends.label, 'is cut');
    this.#isCut = true;
    const { network } = this.#site;
    if (edgeKnows) this.#edgeHears(network.between(1, 2_000));
    else this.#edgeOpen = false;
    this.#relayHears(network.between(1, 2_000), CUT);
  }

  /** From now on nothing arrives, and nobody is told. */
  silence(): void {
    if (!this.isOpen || this.#silent) return;
    this.#site.trace.say(this.#ends.label, 'goes silent');
    this.#silent = true;
  }

  /** The relay's process is gone. @param told whether its host still says so */
  relayGone(told: boolean): void {
    this.#relayOpen = false;
    this.#edgeHears(told && !this.#silent ? this.#site.network.between(1, 100) : this.#silenceMs());
  }

  #toRelay(text: string): void {
    this.#ends.onSend('down', text);
    if (this.#silent || this.#isCut || !this.#relayOpen || this.#struck()) return;
    this.#relayFreeAt = this.#arrival(this.#relayFreeAt);
    this.#ends.toRelay(this.#relayFreeAt - this.#site.timeline.now, () => {
      if (this.#relayOpen && !this.#silent) this.#ends.events.message(text);
    });
  }

  #toEdge(text: string): void {
    if (this.#relayOpen) this.#ends.onSend('up', text);
    if (!this.#relayOpen || this.#silent || this.#isCut || this.#struck()) return;
    this.#edgeFreeAt = this.#arrival(this.#edgeFreeAt);
    this.#site.timeline.after(this.#edgeFreeAt - this.#site.timeline.now, () => {
      if (!this.#edgeOpen || this.#silent) return;
      // The runtime answers without waking the object.
      if (text === PING) {
        this.#lastPongAt = this.#site.timeline.now;
        return this.#toRelay(PONG);
      }
      this.#ends.received(this.edge, text);
    });
  }

  #arrival(freeAt: number): number {
    const { network, faults, timeline } = this.#site;
    const latencyMs = faults.strikes('frame-late') ? network.between(1_000, 60_000) : network.between(5, 40);
    return Math.max(freeAt, timeline.now + latencyMs);
  }

  #struck(): boolean {
    if (this.#site.faults.strikes('socket-half-open')) this.silence();
    else if (this.#site.faults.strikes('socket-cut')) this.cut();
    else return false;
    return true;
  }

  #edgeCloses(code: number, reason: string): void {
    if (!this.#edgeOpen) return;
    this.#edgeOpen = false;
    this.#ends.out(() => {
      if (this.#silent) return;
      this.#relayFreeAt = this.#arrival(this.#relayFreeAt);
      this.#relayHears(this.#relayFreeAt - this.#site.timeline.now, { code, reason });
      this.#site.timeline.after(this.#site.network.between(10, 200), () => {
        this.#ends.closed(this.edge);
      });
    });
  }

  #relayCloses(code: number, reason: string): void {
    if (!this.#relayOpen) return;
    this.#relayOpen = false;
    this.#edgeHears(this.#silent ? this.#silenceMs() : this.#site.network.between(5, 100));
    this.#ends.toRelay(this.#site.network.between(5, 100), () =>
      this.#ends.events.closed({ kind: 'closed', code, reason }),
    );
  }

  #relayDestroys(): void {
    if (!this.#relayOpen) return;
    this.#relayOpen = false;
    this.#edgeHears(this.#silent ? this.#silenceMs() : this.#site.network.between(5, 100));
  }

  #relayHears(delayMs: number, end: { code: number; reason: string }): void {
    this.#ends.toRelay(delayMs, () => {
      if (!this.#relayOpen) return;
      this.#relayOpen = false;
      this.#ends.events.closed({ kind: 'closed', ...end });
    });
  }

  #edgeHears(delayMs: number): void {
    this.#site.timeline.after(delayMs, () => {
      if (!this.#edgeOpen) return;
      this.#edgeOpen = false;
      this.#ends.closed(this.edge);
    });
  }

  /** What TCP needs to give a silent peer up. */
  #silenceMs(): number {
    return this.#site.network.between(120_000, 900_000);
  }
}
