// The enrolment endpoint on the network: HTTPS with bounds on everything a stranger in the datacentre can send.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { Socket } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { createSecureContext, type SecureContext, TLSSocket, type TlsOptions } from 'node:tls';
import { PROGRAM_DIGEST_HEADER, RELAYS_HEADER } from '../../shared/enrolment.ts';
import type { Result } from '../../shared/result.ts';
import { err, ok } from '../../shared/result.ts';
import type { KeyAndCertificate } from '../bootstrap/certificate-authority.ts';
import { type Log, reasonOf } from '../log.ts';
import type { Endpoint } from './endpoint.ts';
import type { MachineAnswer } from './machine-request.ts';
import type { Program } from './relay-offer.ts';

export type EnrolmentServer = {
  readonly port: number;
  readonly close: () => Promise<void>;
};

export type ListenFailure = { readonly code: 'CANNOT_LISTEN'; readonly detail: string };

/** A report is at most 16 KiB of log, which JSON may escape to six times that. */
const BODY_BYTES_MAX = 131_072;
const HEADER_BYTES_MAX = 8_192;
const CONNECTIONS_MAX = 4_096;
const HANDSHAKE_MS_MAX = 10_000;
const HEADERS_MS_MAX = 10_000;
/** To receive a request whole; waiting for a turn comes after it. */
const REQUEST_MS_MAX = 20_000;

/** For 120 MB at 400 KB/s; whoever is slower begins anew. */
const PROGRAM_MS_MAX = 300_000;

export type ServeOptions = {
  readonly host: string;
  readonly port: number;
  /** For who names no server, or none of ours: no machine does. */
  readonly certificate: KeyAndCertificate;
  /** Asked in each handshake, by the name that the machine checks. Never rejects for a name. */
  readonly certificateFor: (serverName: string) => Promise<KeyAndCertificate | null>;
  readonly log: Log;
};

/** Port 0 takes a free one. */
export async function serveEnrolment(
  options: ServeOptions,
  endpoint: Endpoint,
): Promise<Result<EnrolmentServer, ListenFailure>> {
  const server = createServer(
    {
      ...contextOf(options.certificate),
      SNICallback: chooseCertificate(options),
      handshakeTimeout: HANDSHAKE_MS_MAX,
      headersTimeout: HEADERS_MS_MAX,
      requestTimeout: REQUEST_MS_MAX,
      maxHeaderSize: HEADER_BYTES_MAX,
    },
    (request, response) => {
      respond(endpoint, request, response).catch((error: unknown) => {
        options.log.error('enrolment-broken', { detail: reasonOf(error) });
        response.destroy();
      });
    },
  );
  server.maxConnections = CONNECTIONS_MAX;
  const sockets = trackSockets(server);
  const listening = await listen(server, options.host, options.port);
  if (!listening.ok) return listening;
  return ok({
    port: listening.value,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  });
}

const contextOf = ({ certPem, keyPem }: KeyAndCertificate) =>
  ({ cert: certPem, key: keyPem, minVersion: 'TLSv1.2' }) as const;

function chooseCertificate({ certificateFor, log }: ServeOptions): NonNullable<TlsOptions['SNICallback']> {
  const contexts = new WeakMap<KeyAndCertificate, SecureContext>();
  return (serverName, choose) => {
    certificateFor(serverName)
      .then((certificate) => {
        if (certificate === null) return choose(null);
        const context = contexts.get(certificate) ?? createSecureContext(contextOf(certificate));
        contexts.set(certificate, context);
        choose(null, context);
      })
      .catch((error: unknown) => {
        log.error('enrolment-broken', { detail: reasonOf(error) });
        choose(null);
      });
  };
}

/** Also those still in their handshake, which `closeAllConnections` does not know. */
function trackSockets(server: Server): Set<Socket> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  return sockets;
}

function listen(server: Server, host: string, port: number): Promise<Result<number, ListenFailure>> {
  return new Promise((resolve) => {
    server.once('error', (error) => resolve(err({ code: 'CANNOT_LISTEN', detail: reasonOf(error) })));
    server.listen(port, host, () => {
      const address = server.address();
      resolve(ok(typeof address === 'object' && address !== null ? address.port : port));
    });
  });
}

async function respond(endpoint: Endpoint, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const hungUp = new AbortController();
  response.on('close', () => hungUp.abort());
  const read = await readBody(request);
  if (!read.ok) return send(response, read.error);
  const { authorization, accept } = request.headers;
  const { localAddress } = request.socket;
  const answer = await endpoint({
    method: request.method ?? '',
    path: (request.url ?? '/').split('?')[0] ?? '/',
    source: plainAddress(request.socket.remoteAddress),
    ...(localAddress === undefined ? {} : { destination: plainAddress(localAddress) }),
    serverName: serverNameOf(request),
    token: authorization?.startsWith('Bearer ') ? authorization.slice('Bearer '.length) : null,
    wantsJson: accept?.includes('application/json') ?? false,
    body: read.value,
    signal: hungUp.signal,
  });
  if (answer.program === undefined) send(response, answer);
  else await sendProgram(response, answer.program, hungUp.signal);
}

/** The name the machine checks, and so the authority it pins; empty when it named none. */
function serverNameOf({ socket }: IncomingMessage): string {
  const name = socket instanceof TLSSocket ? socket.servername : false;
  return typeof name === 'string' ? name : '';
}

/** An IPv4 address as a socket of both families tells it. */
const plainAddress = (address: string | undefined): string => (address ?? '').replace(/^::ffff:/, '');

async function sendProgram(response: ServerResponse, program: Program, hungUp: AbortSignal): Promise<void> {
  response.writeHead(200, {
    'content-type': 'application/octet-stream',
    'content-length': program.sizeBytes,
    'x-slipway-program': program.kind,
    [PROGRAM_DIGEST_HEADER]: program.sha256,
  });
  try {
    const signal = AbortSignal.any([hungUp, AbortSignal.timeout(PROGRAM_MS_MAX)]);
    await pipeline(program.open(), response, { signal });
  } catch (error) {
    // Cut short: the machine sees that by its length and begins anew.
    if (!isCut(error)) throw error;
    response.destroy();
  }
}

const CUT = ['ABORT_ERR', 'ERR_STREAM_PREMATURE_CLOSE', 'ECONNRESET', 'EPIPE', 'ERR_STREAM_DESTROYED'];
const isCut = (error: unknown): boolean =>
  error instanceof Error &&
  (error.name === 'AbortError' || ('code' in error && CUT.some((code) => code === error.code)));

function send(response: ServerResponse, answer: MachineAnswer): void {
  if (response.destroyed) return;
  response.writeHead(answer.status, {
    'cache-control': 'no-store',
    ...(answer.body === undefined ? {} : { 'content-type': answer.contentType ?? 'text/plain' }),
    ...(answer.relays === undefined ? {} : { [RELAYS_HEADER]: answer.relays }),
    ...(answer.status === 413 ? { connection: 'close' } : {}),
  });
  response.end(answer.body);
}

/** Null for no body. Bytes that are not UTF-8 (a log cut in the middle of a character) become the replacement character. */
async function readBody(request: IncomingMessage): Promise<Result<unknown, MachineAnswer>> {
  const parts: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const part of request) {
      if (!(part instanceof Uint8Array)) continue;
      length += part.length;
      if (length > BODY_BYTES_MAX) return err({ status: 413, body: 'too large\n' });
      parts.push(part);
    }
    return ok(length === 0 ? null : JSON.parse(new TextDecoder().decode(Buffer.concat(parts))));
  } catch {
    // Not JSON, or hung up in the middle; then nobody hears this.
    return err({ status: 400, body: 'not JSON\n' });
  }
}
