// The real transport: undici over TCP or TLS, directly or through a proxy. TLS is trusted by the host's CAs, by a CA
// bundle, or by the certificate's pinned fingerprint; there is no way to skip the check.
import type { IncomingHttpHeaders } from 'node:http';
import { Agent, buildConnector, type Dispatcher, Pool, ProxyAgent, request as send } from 'undici';
import { err, ok, type Result } from '../../shared/result.ts';
import { checkedConnector, NeverSentError, type TlsTrust } from './tls-trust.ts';
import type { MaasAnswer, MaasRequest, MaasTransport, TransportFailure } from './transport.ts';

/** A list of 3,000 machines is about 60 MB (18 KB each, recorded). More would not fit the relay's memory budget. */
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;
/** Ends before the 30 s of a whole call, so that "never connected" is told apart from "no answer". */
const CONNECT_TIMEOUT_MS = 10_000;

export type TransportOptions = {
  readonly trust: TlsTrust;
  /** Such as HTTPS_PROXY; null connects directly. */
  readonly proxyUrl: string | null;
  readonly answerBytesMax?: number;
};

/** `close` ends every connection; calls in flight fail as MAYBE_SENT. */
export type UndiciTransport = { readonly send: MaasTransport; readonly close: () => Promise<void> };

export function createUndiciTransport(options: TransportOptions): UndiciTransport {
  const dispatcher = dispatcherFor(options);
  const bytesMax = options.answerBytesMax ?? ANSWER_BYTES_MAX;
  return {
    send: (request) => exchange(dispatcher, request, bytesMax),
    close: () => dispatcher.destroy(),
  };
}

async function exchange(
  dispatcher: Dispatcher,
  request: MaasRequest,
  bytesMax: number,
): Promise<Result<MaasAnswer, TransportFailure>> {
  const signal = AbortSignal.timeout(request.timeoutMs);
  try {
    const answer = await send(request.url, {
      dispatcher,
      method: request.method,
      headers: { ...request.headers },
      body: request.body ?? null,
      signal,
      headersTimeout: request.timeoutMs,
      bodyTimeout: request.timeoutMs,
    });
    const body = await readBounded(answer.body, bytesMax);
    if (body === null) return err({ code: 'ANSWER_TOO_LARGE', detail: `the answer is larger than ${bytesMax} bytes` });
    return ok({ status: answer.statusCode, headers: flatHeaders(answer.headers), body });
  } catch (error) {
    return err(failureOf(error, signal.aborted, request.timeoutMs));
  }
}

/** The body as text; null when it is larger than `bytesMax` (the rest is not read). */
async function readBounded(body: AsyncIterable<Uint8Array>, bytesMax: number): Promise<string | null> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.byteLength;
    if (bytes > bytesMax) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function failureOf(error: unknown, timedOut: boolean, timeoutMs: number): TransportFailure {
  if (error instanceof NeverSentError) {
    if (error.fingerprint !== null) return { code: 'UNTRUSTED', fingerprint: error.fingerprint, detail: error.message };
    return { code: 'NEVER_SENT', detail: error.message };
  }
  if (timedOut) return { code: 'MAYBE_SENT', detail: `no answer within ${timeoutMs} ms` };
  const reason = error instanceof Error ? error.message : String(error);
  return { code: 'MAYBE_SENT', detail: `the connection broke: ${reason}` };
}

function flatHeaders(headers: IncomingHttpHeaders): Record<string, string> {
  const flat: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) flat[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return flat;
}

function dispatcherFor({ trust, proxyUrl }: TransportOptions): Dispatcher {
  // The certificate is judged by checkedConnector, which can say its fingerprint; a TLS session kept from a refused
  // connection would skip the check of the host name, so none is kept.
  const tls = {
    rejectUnauthorized: false,
    maxCachedSessions: 0,
    timeout: CONNECT_TIMEOUT_MS,
    allowH2: false,
    ...(trust.kind === 'ca' ? { ca: trust.pem } : {}),
  };
  if (proxyUrl === null) return new Agent({ connect: checkedConnector(buildConnector(tls), trust) });
  return new ProxyAgent({
    uri: proxyUrl,
    requestTls: tls,
    connectTimeout: CONNECT_TIMEOUT_MS,
    factory: (origin, pool: Pool.Options) =>
      new Pool(origin, {
        ...pool,
        ...(typeof pool.connect === 'function' ? { connect: checkedConnector(pool.connect, trust) } : {}),
      }),
  });
}
