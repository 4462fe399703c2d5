// The one port through which the driver reaches a MAAS: a request goes out, status and body come back, or a failure that
// says whether the request could have been sent. undici-transport.ts is the real one; a simulator passes its own.
import type { Result } from '../../shared/result.ts';

export type MaasRequest = {
  readonly method: 'GET' | 'POST';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
  /** Over the whole exchange: connect, send, wait, read the body. */
  readonly timeoutMs: number;
};

/** Header names in lower case. */
export type MaasAnswer = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
};

export type TransportFailure =
  /** No byte of the request left: refused, no such name, no route, handshake failed. */
  | { readonly code: 'NEVER_SENT'; readonly detail: string }
  /** No byte of the request left: the certificate is not the one trusted. */
  | { readonly code: 'UNTRUSTED'; readonly fingerprint: string; readonly detail: string }
  /** Cut or timed out at a moment when the request may already have been read. */
  | { readonly code: 'MAYBE_SENT'; readonly detail: string }
  /** Answered with more than the bound. */
  | { readonly code: 'ANSWER_TOO_LARGE'; readonly detail: string };

/** Never throws. Repeats nothing by itself: a repeated allocate takes a second machine. */
export type MaasTransport = (request: MaasRequest) => Promise<Result<MaasAnswer, TransportFailure>>;
