// One etcd member's JSON gateway (`/v3/…` on the client port), as far as the membership of a cluster needs it: list,
// remove, status. Mutual TLS with the etcd authority. A stand-in too: it says so in a header and answers 501 to the rest.
import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { Duplex } from 'node:stream';
import { STAND_IN_HEADER } from './api-server.ts';
import { issueKeyPair, loadAuthority } from './certificate-authority.ts';
import type { Etcd, EtcdMember } from './etcd.ts';
import type { JsonObject } from './json.ts';

const BODY_MAX_BYTES = 65_536;
/** What etcd itself waits for a proposal without a quorum. */
const REQUEST_TIMEOUT_MS = 7_000;

export type EtcdGatewayOptions = {
  readonly etcd: Etcd;
  /** The etcd authority of the cluster, which is not its Kubernetes CA. */
  readonly ca: { readonly certPem: string; readonly keyPem: string };
  /** The member that answers here; while it is down, connections are cut. */
  readonly memberName: string;
  readonly address: string;
  /** 2379 on a real member; 0 picks a free one. */
  readonly port: number;
  /** A socket to listen on instead, for a member whose address is in a network namespace of its own. */
  readonly socketPath?: string;
  /** Milliseconds; for tests. */
  readonly requestTimeoutMs?: number;
};

export type EtcdGateway = { readonly port: number; close(): Promise<void> };

/** A member's 64-bit id in decimal text, as the gateway writes it. Stable for a name and an address. */
export function memberId(member: Pick<EtcdMember, 'name' | 'address'>): string {
  return createHash('sha256').update(`${member.name}/${member.address}`).digest().readBigUInt64BE(0).toString();
}

function described(member: EtcdMember): JsonObject {
  return {
    ID: memberId(member),
    name: member.name,
    peerURLs: [`https://${member.address}:2380`],
    clientURLs: [`https://${member.address}:2379`],
  };
}

function send(response: ServerResponse, status: number, body: JsonObject): void {
  response.writeHead(status, { 'content-type': 'application/json', [STAND_IN_HEADER]: 'stand-in for an etcd member' });
  response.end(JSON.stringify(body));
}

const refusal = (code: number, message: string): JsonObject => ({ error: message, code, message });

async function wantedId(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request)
    if (Buffer.isBuffer(chunk) && chunks.length * chunk.length <= BODY_MAX_BYTES) chunks.push(chunk);
  return /"ID"\s*:\s*"?(\d+)"?/.exec(Buffer.concat(chunks).toString('utf8'))?.[1] ?? '';
}

/** Serves one member. Rejects when the address can't be bound or the authority can't be read. */
export async function startEtcdGateway(options: EtcdGatewayOptions): Promise<EtcdGateway> {
  const { etcd, memberName } = options;
  const authority = await loadAuthority(options.ca);
  const serving = await issueKeyPair(authority, {
    commonName: memberName,
    usage: 'server',
    names: [options.address, memberName, 'localhost'],
  });
  const self = (): EtcdMember | undefined => etcd.members().find((member) => member.name === memberName);
  const header = (): JsonObject => ({
    cluster_id: '1',
    member_id: memberId(self() ?? { name: memberName, address: options.address }),
    raft_term: '2',
  });

  function status(): JsonObject {
    const leader = etcd.hasQuorum() ? etcd.members().find((member) => member.up) : undefined;
    const common = { header: header(), version: '3.6.8', dbSize: '4096', raftIndex: '1', raftTerm: '2' };
    return leader === undefined
      ? { ...common, errors: ['etcdserver: no leader'] }
      : { ...common, leader: memberId(leader) };
  }

  async function remove(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const id = await wantedId(request);
    const member = etcd.members().find((one) => memberId(one) === id);
    if (!etcd.hasQuorum()) {
      await new Promise((resolve) => setTimeout(resolve, options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS).unref());
      return send(response, 503, refusal(14, 'etcdserver: request timed out'));
    }
    const removed = etcd.remove(member?.name ?? '');
    if (!removed.ok) return send(response, 404, refusal(5, removed.error.detail));
    send(response, 200, { header: header(), members: etcd.members().map(described) });
  }

  const server = createServer(
    { cert: serving.certPem, key: serving.keyPem, ca: options.ca.certPem, requestCert: true, rejectUnauthorized: true },
    (request, response) => {
      if (self()?.up !== true) request.socket.destroy();
      else if (request.url === '/v3/cluster/member/list')
        send(response, 200, { header: header(), members: etcd.members().map(described) });
      else if (request.url === '/v3/maintenance/status') send(response, 200, status());
      else if (request.url === '/v3/cluster/member/remove') void remove(request, response);
      else send(response, 501, refusal(12, `the lab's stand-in etcd does not model ${request.url ?? ''}`));
    },
  );
  const sockets = new Set<Duplex>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.once('error', reject);
    const where = { port: options.port, host: options.address };
    server.listen(options.socketPath === undefined ? where : { path: options.socketPath }, () => {
      const bound = server.address();
      resolve(typeof bound === 'object' && bound !== null ? bound.port : options.port);
    });
  });
  return {
    port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}
