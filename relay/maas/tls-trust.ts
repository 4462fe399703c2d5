// Which certificate of a MAAS is trusted, judged after the handshake and before the first byte of a request.
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { buildConnector } from 'undici';

export type TlsTrust =
  /** The host's own certificate authorities. */
  | { readonly kind: 'system' }
  /** Only the authorities of this PEM bundle. */
  | { readonly kind: 'ca'; readonly pem: string }
  /** Only the certificate with this SHA-256 fingerprint, whoever signed it. Hex, colons optional. */
  | { readonly kind: 'fingerprint'; readonly sha256: string };

/** A connection that was not made: nothing of the request has been sent. Never leaves undici-transport.ts. */
export class NeverSentError extends Error {
  readonly fingerprint: string | null;
  constructor(message: string, fingerprint: string | null) {
    super(message);
    this.fingerprint = fingerprint;
  }
}

/** `connect`, with its failures marked as never sent and its certificates judged by `trust`. */
export function checkedConnector(connect: buildConnector.connector, trust: TlsTrust): buildConnector.connector {
  return (options, callback) => {
    connect(options, (...outcome) => {
      const [error, socket] = outcome;
      if (error !== null) return callback(new NeverSentError(reasonOf(error), null), null);
      const refusal = refusalOf(socket, trust);
      if (refusal === null) return callback(null, socket);
      socket.destroy();
      return callback(refusal, null);
    });
  };
}

function refusalOf(socket: Socket, trust: TlsTrust): NeverSentError | null {
  if (!(socket instanceof TLSSocket)) return null;
  const presented = socket.getPeerCertificate().fingerprint256 ?? '';
  if (trust.kind === 'fingerprint') {
    if (bare(presented) === bare(trust.sha256)) return null;
    return new NeverSentError('the certificate is not the pinned one', presented);
  }
  if (socket.authorized) return null;
  return new NeverSentError(`the certificate is not trusted: ${socket.authorizationError}`, presented);
}

const bare = (fingerprint: string): string => fingerprint.replaceAll(':', '').toLowerCase();

/** Node tells a refused connection to several addresses as an AggregateError with an empty message. */
function reasonOf(error: Error): string {
  if (error instanceof AggregateError && error.message === '') {
    return error.errors.map((each) => (each instanceof Error ? each.message : String(each))).join('; ');
  }
  return error.message;
}
