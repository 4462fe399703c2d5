// A cluster for these tests: the lab's Kubernetes API with the authorities of a real cluster identity, the relay's client on
// it, and an HTTPS server whose answers a test writes itself.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { Socket } from 'node:net';
import type { KeyAndCertificate } from '../../relay/bootstrap/certificate-authority.ts';
import {
  type ClusterIdentity,
  makeClusterIdentity,
  serialiseIdentity,
} from '../../relay/bootstrap/cluster-identity.ts';
import { createKubernetesApi } from '../../relay/kubernetes/client.ts';
import type { KubernetesApi } from '../../relay/kubernetes/kubernetes-api.ts';
import type { ClusterAccess } from '../../shared/command.ts';
import { issueKeyPair, loadAuthority } from '../lab/kubernetes/certificate-authority.ts';
import { startKubernetesApi } from '../lab/kubernetes/kubernetes-api.ts';
import { realPorts, sealedFor } from '../relay-bootstrap/bench.ts';

export const identity: ClusterIdentity = await makeClusterIdentity('berlin', Date.now());

export const accessTo = (server: string): ClusterAccess => ({
  server,
  identity: sealedFor(serialiseIdentity(identity), { purpose: 'cluster-identity', recordId: 'clu_1', version: 1 }),
});

/** Ends what a test has started, the newest first. */
export function createEnding() {
  const ends: (() => unknown)[] = [];
  return {
    add: (end: () => unknown): void => {
      ends.push(end);
    },
    run: async (): Promise<void> => {
      for (const end of ends.splice(0).toReversed()) await end();
    },
  };
}
export type Ending = ReturnType<typeof createEnding>;

/** A server's first minute, as the lab plays it. */
type Startup = NonNullable<Parameters<typeof startKubernetesApi>[0]['startup']>;

export async function startCluster(ending: Ending, startup?: Startup) {
  const lab = await startKubernetesApi({
    address: '127.0.0.1',
    port: 0,
    ca: identity.ca,
    serverSans: [],
    kubernetesVersion: 'v1.36.2',
    timings: { kubeletGraceMs: 300, podStopMs: 50, podStartMs: 50, cniReadyMs: 50 },
    ...(startup === undefined ? {} : { startup }),
  });
  ending.add(() => lab.close());
  const api = createKubernetesApi(lab.url, identity, realPorts().clock);
  ending.add(() => api.close());
  return { lab, api };
}

export type Script = (request: IncomingMessage, response: ServerResponse) => void;

/** A server that answers as it is told, with a certificate of the given authority for an address that is given. */
export async function startScripted(
  ending: Ending,
  script: Script,
  given: { authority?: KeyAndCertificate; address?: string; port?: number } = {},
): Promise<{ url: string; port: number; api: KubernetesApi; sockets: Set<Socket> }> {
  const authority = given.authority ?? identity.ca;
  const address = given.address ?? '127.0.0.1';
  const serving = await issueKeyPair(await loadAuthority(authority), {
    commonName: 'kube-apiserver',
    usage: 'server',
    names: ['localhost', address],
  });
  const server = createServer(
    { cert: serving.certPem, key: serving.keyPem, ca: authority.certPem, requestCert: true, rejectUnauthorized: true },
    script,
  );
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(given.port ?? 0, address, resolve));
  const bound = server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
  ending.add(
    () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  );
  const url = `https://localhost:${port}`;
  const api = createKubernetesApi(url, identity, realPorts().clock);
  ending.add(() => api.close());
  return { url, port, api, sockets };
}

export function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

export const nodeObject = (name: string, resourceVersion: string, ready = 'True') => ({
  kind: 'Node',
  apiVersion: 'v1',
  metadata: { name, resourceVersion },
  spec: {},
  status: { conditions: [{ type: 'Ready', status: ready }], addresses: [], nodeInfo: { kubeletVersion: 'v1.36.2' } },
});
