// The HTTPS ports one stand-in answers on, and an orderly end of them all.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server, type ServerOptions } from 'node:https';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';

export type Handle = (request: IncomingMessage, response: ServerResponse, socket: TLSSocket) => Promise<void>;

export class Listeners {
  readonly #tls: ServerOptions;
  readonly #servers = new Set<Server>();
  readonly #sockets = new Set<Duplex>();
  #closed = false;
  /** Set right after the first port is known, before anybody can have connected. */
  handle: Handle = async (_request, response) => {
    response.writeHead(503).end();
  };

  constructor(tls: ServerOptions) {
    this.#tls = tls;
  }

  /** Opens a port (0: a free one) and gives its number. Rejects when it can't be bound. */
  open(address: string, port: number): Promise<{ readonly port: number; readonly server: Server }> {
    if (this.#closed) return Promise.reject(new Error('closed before the port was opened'));
    const server = createServer(this.#tls, (request, response) => {
      if (request.socket instanceof TLSSocket) void this.handle(request, response, request.socket);
    });
    server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, address, () => {
        server.removeListener('error', reject);
        this.#servers.add(server);
        const bound = server.address();
        resolve({ server, port: typeof bound === 'object' && bound !== null ? bound.port : port });
      });
    });
  }

  /** Closes one port and cuts what was connected to it. */
  async close(server: Server): Promise<void> {
    this.#servers.delete(server);
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  }

  async closeAll(): Promise<void> {
    this.#closed = true;
    const closing = [...this.#servers].map((server) => new Promise<void>((resolve) => server.close(() => resolve())));
    this.#servers.clear();
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(closing);
  }
}
