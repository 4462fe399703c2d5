// The port through which the tunnel reaches the edge. relay/adapters/dial-websocket.ts is the real one.

export type TunnelSocket = {
  /** Never throws; what can't be sent is lost, and `closed` follows. */
  readonly send: (text: string) => void;
  readonly close: (code: number, reason: string) => void;
  /** Ends at once, also while dialling; `closed` may follow. */
  readonly destroy: () => void;
};

export type DialEnd =
  /** No WebSocket came to be: no such name, no route, TLS not trusted, a proxy that refuses, no answer in time. */
  | { readonly kind: 'unreachable'; readonly detail: string }
  /** Something answered, but not as a tunnel. */
  | { readonly kind: 'refused'; readonly status: number; readonly detail: string }
  | { readonly kind: 'closed'; readonly code: number; readonly reason: string };

/** `closed` comes once and last. */
export type DialEvents = {
  readonly opened: () => void;
  readonly message: (text: string) => void;
  readonly closed: (end: DialEnd) => void;
};

export type Dial = (url: string, events: DialEvents) => TunnelSocket;
