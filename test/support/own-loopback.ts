// A network of loopback for one lab, which no other process of this host has: machines' and virtual addresses are real sockets, so
// two labs on one network would take each other's.
import { createServer } from 'node:net';

const FIRST = 16;
const NETWORKS = 224;
/** No machine has this address; a listener on it is the claim, and ends with the process, however that ends. */
const claimOf = (network: number): { readonly host: string; readonly port: number } => ({
  host: `127.${network}.255.254`,
  port: 61_027,
});

/**
 * For `loopback` of an inventory: a network that is this process's until it ends. Another one at each call.
 *
 * @param from where to look first; processes begin apart, so that one seldom takes what another just left
 */
export async function ownLoopback(from = FIRST + ((process.pid * 11) % NETWORKS)): Promise<number> {
  for (let tried = 0; tried < NETWORKS; tried += 1) {
    const network = FIRST + ((from - FIRST + tried) % NETWORKS);
    if (await claim(network)) return network;
  }
  throw new Error(`all ${NETWORKS} loopback networks are taken: end the labs that run on this host`);
}

/** False when another has it. */
function claim(network: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve(false) : reject(error),
    );
    server.listen(claimOf(network), () => resolve(true));
    server.unref();
  });
}
