// A TCP proxy between relay and control plane, which can cut what runs through it, or leave both ends open and carry nothing:
// a firewall that has forgotten a connection.
import { createServer, type Server, Socket } from 'node:net';

export type SocketProxy = {
  readonly port: number;
  /** Both ends of every connection are reset. */
  cut(): void;
  /** Connections of now carry nothing any more, and neither end is told; later ones are whole. Gives how many. */
  halfOpen(): number;
  close(): Promise<void>;
};

type Pair = { readonly near: Socket; readonly far: Socket; deaf: boolean };

export async function startSocketProxy(port: number, targetPort: number): Promise<SocketProxy> {
  const pairs = new Set<Pair>();
  const server = createServer({ allowHalfOpen: true }, (near) => {
    const far = new Socket({ allowHalfOpen: true });
    const pair: Pair = { near, far, deaf: false };
    pairs.add(pair);
    join(pair, near, far, pairs);
    join(pair, far, near, pairs);
    far.connect(targetPort, '127.0.0.1');
  });
  await listen(server, port);
  return {
    port,
    cut: () => {
      for (const pair of pairs) end(pair, pairs);
    },
    halfOpen: () => {
      const hearing = [...pairs].filter(({ deaf }) => !deaf);
      for (const pair of hearing) pair.deaf = true;
      return hearing.length;
    },
    close: async () => {
      for (const pair of pairs) end(pair, pairs);
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function join(pair: Pair, from: Socket, to: Socket, pairs: Set<Pair>): void {
  from.on('data', (bytes) => {
    if (!pair.deaf) to.write(bytes);
  });
  from.on('end', () => {
    if (!pair.deaf) to.end();
  });
  // One that is deaf keeps its other end: nobody tells it. Errors are how a killed process looks from here.
  from.on('error', () => from.destroy());
  from.on('close', () => {
    if (!pair.deaf) end(pair, pairs);
  });
}

function end(pair: Pair, pairs: Set<Pair>): void {
  pairs.delete(pair);
  for (const socket of [pair.near, pair.far]) {
    if (socket.connecting) socket.destroy();
    else socket.resetAndDestroy();
  }
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
}
