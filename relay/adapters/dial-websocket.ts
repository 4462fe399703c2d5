// The one socket of the relay to the world: a WebSocket, directly or through an HTTP proxy by CONNECT.
import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import { WebSocket } from 'ws';
import { TUNNEL_FRAME_BYTES_MAX, TUNNEL_HANDSHAKE_MS } from '../../shared/limits.ts';
import type { ProxySettings } from '../config.ts';
import { reasonOf } from '../log.ts';
import type { Dial, DialEvents, TunnelSocket } from '../tunnel/dial.ts';
import { connectThrough, proxyFor } from './proxy.ts';

/** What may wait unsent before the connection counts as dead: the outbox keeps everything anyway. */
const UNSENT_BYTES_MAX = 4 * TUNNEL_FRAME_BYTES_MAX;

/** @param ca all authorities to trust */
export function createDial(proxy: ProxySettings, ca: string[], agent: string): Dial {
  return (url, events) => {
    const attempt = new AbortController();
    let socket: WebSocket | null = null;
    open(new URL(url), proxy, ca, agent).then(
      (opened) => {
        socket = opened;
        attend(opened, events);
        if (attempt.signal.aborted) opened.terminate();
      },
      (error: unknown) => events.closed({ kind: 'unreachable', detail: reasonOf(error) }),
    );
    return {
      send: (text) => {
        if (socket === null || socket.readyState !== WebSocket.OPEN) return;
        if (socket.bufferedAmount > UNSENT_BYTES_MAX) socket.terminate();
        else socket.send(text);
      },
      close: (code, reason) => socket?.close(code, reason),
      destroy: () => {
        attempt.abort();
        socket?.terminate();
      },
    } satisfies TunnelSocket;
  };
}

async function open(url: URL, proxy: ProxySettings, ca: string[], agent: string): Promise<WebSocket> {
  const through = proxyFor(url, proxy);
  const tunnel = through === null ? null : await connectThrough(through, url, ca);
  return new WebSocket(url, {
    ca,
    headers: { 'user-agent': agent },
    handshakeTimeout: TUNNEL_HANDSHAKE_MS,
    maxPayload: TUNNEL_FRAME_BYTES_MAX,
    perMessageDeflate: false,
    followRedirects: false,
    ...(tunnel === null ? {} : { createConnection: () => secured(tunnel, url, ca) }),
  });
}

function secured(tunnel: Duplex, url: URL, ca: string[]): Duplex {
  if (url.protocol !== 'wss:') return tunnel;
  const host = url.hostname.replace(/^\[|\]$/g, '');
  // TLS knows no server name that is an address; the certificate is checked against `host` then.
  return connectTls({ socket: tunnel, ca, host, ...(isIP(host) === 0 ? { servername: host } : {}) });
}

function attend(socket: WebSocket, events: DialEvents): void {
  let refused: { status: number; detail: string } | null = null;
  let problem = '';
  let opened = false;
  socket.on('open', () => {
    opened = true;
    events.opened();
  });
  socket.on('message', (data, isBinary) => {
    if (isBinary) socket.close(1003, 'text only');
    else events.message(data.toString());
  });
  socket.on('unexpected-response', (request, response) => {
    refused = { status: response.statusCode ?? 0, detail: `the console answered with status ${response.statusCode}` };
    request.destroy();
    socket.terminate();
  });
  socket.on('error', (error) => {
    problem = error.message;
  });
  socket.on('close', (code, reason) => {
    if (refused !== null) events.closed({ kind: 'refused', ...refused });
    else if (opened) events.closed({ kind: 'closed', code, reason: reason.toString() || problem });
    else events.closed({ kind: 'unreachable', detail: problem });
  });
}
