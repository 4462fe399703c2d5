// The lab's stand-in for one cluster's Kubernetes API: real HTTPS, real client certificates, a played cluster behind.
// It is NOT Kubernetes: every answer says so in the header `x-slipway-lab`, objects it makes by itself carry the
// annotation `slipway.lab/stand-in`, /version names `slipway-lab-stand-in` as its commit, and whatever it does not model
// is refused with 501. Checked against recordings of a real v1.36.2 by test/contract/kubernetes-lab.test.ts.
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { createHandler } from './api-server.ts';
import { bookedTo } from './apply.ts';
import { createAuthenticate } from './authenticate.ts';
import { bootstrapTokenSecret } from './bootstrap-tokens.ts';
import { issueKeyPair, loadAuthority } from './certificate-authority.ts';
import type { Clock } from './clock.ts';
import { systemClock, timestamp } from './clock.ts';
import { createCluster } from './cluster.ts';
import type { Phase } from './health.ts';
import { SECRETS } from './resources.ts';
import { createServiceAccountTokens } from './service-account-tokens.ts';
import type { Timings } from './timings.ts';
import { DEFAULT_TIMINGS } from './timings.ts';

/** A server's first minute: refused, then 403 for all but system:masters, then 500 with the list, then ok. */
export type Startup = {
  /** Until the port is open. Needs a port given, since nobody could know a chosen one. */
  readonly listenAfterMs: number;
  /** From then until roles are known. About 2,000 on a real server. */
  readonly rolesAfterMs: number;
  /** From then until /readyz says ok. About 600 on a real server. */
  readonly readyAfterMs: number;
};

export type KubernetesApiOptions = {
  readonly address: string;
  /** 0 picks a free one. */
  readonly port: number;
  readonly ca: { readonly certPem: string; readonly keyPem: string };
  /** Names and addresses of the serving certificate, beside the usual in-cluster names and `address`. */
  readonly serverSans: readonly string[];
  /** With the leading v. */
  readonly kubernetesVersion: string;
  readonly clusterName?: string;
  readonly podSubnet?: string;
  readonly serviceSubnet?: string;
  /** host:port that cluster-info names; address:port when absent. */
  readonly controlPlaneEndpoint?: string;
  /** Join tokens `id.secret` there from the start. */
  readonly bootstrapTokens?: readonly { readonly token: string; readonly expiresAtMs: number }[];
  readonly startup?: Startup;
  readonly timings?: Partial<Timings>;
  readonly clock?: Clock;
};

export type KubernetesApi = Awaited<ReturnType<typeof startKubernetesApi>>;

const IMMEDIATE: Startup = { listenAfterMs: 0, rolesAfterMs: 0, readyAfterMs: 0 };
const USUAL_NAMES = [
  'kubernetes',
  'kubernetes.default',
  'kubernetes.default.svc',
  'kubernetes.default.svc.cluster.local',
  '10.96.0.1',
];

function listen(server: Server, address: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, address, () => {
      server.removeListener('error', reject);
      const bound = server.address();
      resolve(isAddressInfo(bound) ? bound.port : port);
    });
  });
}

const isAddressInfo = (value: AddressInfo | string | null): value is AddressInfo =>
  typeof value === 'object' && value !== null;

/**
 * Starts the stand-in. Resolves when it listens (with `startup.listenAfterMs` > 0: at once, and it listens later).
 * Rejects when the address can't be bound or the CA can't be read.
 */
export async function startKubernetesApi(options: KubernetesApiOptions) {
  const clock = options.clock ?? systemClock;
  const startup = options.startup ?? IMMEDIATE;
  const authority = await loadAuthority(options.ca);
  const serving = await issueKeyPair(authority, {
    commonName: 'kube-apiserver',
    usage: 'server',
    names: [...new Set([options.address, ...options.serverSans, ...USUAL_NAMES])],
  });
  let phase: Phase = startup.rolesAfterMs > 0 ? 'roles' : startup.readyAfterMs > 0 ? 'hooks' : 'ready';
  const servers: Server[] = [];
  const sockets = new Set<Duplex>();
  const tls = {
    cert: `${serving.certPem}\n${options.ca.certPem}`,
    key: serving.keyPem,
    ca: options.ca.certPem,
    requestCert: true,
    rejectUnauthorized: false,
  };

  const main = createServer(tls);
  servers.push(main);
  const port = startup.listenAfterMs > 0 ? options.port : await listen(main, options.address, options.port);
  const endpoint = options.controlPlaneEndpoint ?? `${options.address}:${port}`;
  const cluster = createCluster({
    clock,
    timings: { ...DEFAULT_TIMINGS, ...options.timings },
    authority,
    clusterName: options.clusterName ?? 'lab',
    kubernetesVersion: options.kubernetesVersion,
    endpoint,
    caPem: options.ca.certPem,
    podSubnet: options.podSubnet ?? '10.244.0.0/16',
    serviceSubnet: options.serviceSubnet ?? '10.96.0.0/12',
  });
  for (const { token, expiresAtMs } of options.bootstrapTokens ?? [])
    cluster.store.create(
      SECRETS,
      bookedTo('kubeadm', bootstrapTokenSecret(token, expiresAtMs), timestamp(clock.now())),
    );
  const accounts = createServiceAccountTokens(cluster.store, clock);
  const handle = createHandler({
    cluster,
    accounts,
    authenticate: createAuthenticate(cluster.store, clock, accounts),
    endpoint,
    phase: () => phase,
  });

  const attach = (server: Server): void => {
    server.on('connection', (socket) => {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
    });
    server.on('request', (request, response) => {
      if (request.socket instanceof TLSSocket) void handle(request, response, request.socket);
    });
  };
  attach(main);

  const becomeReady = (): void => {
    phase = 'ready';
  };
  const knowRoles = (): void => {
    phase = startup.readyAfterMs > 0 ? 'hooks' : 'ready';
    if (startup.readyAfterMs > 0) clock.after(startup.readyAfterMs, becomeReady);
  };
  const begin = (): void => {
    if (startup.rolesAfterMs > 0) clock.after(startup.rolesAfterMs, knowRoles);
    else if (startup.readyAfterMs > 0) clock.after(startup.readyAfterMs, becomeReady);
  };
  let opened: Promise<void> = Promise.resolve();
  if (startup.listenAfterMs === 0) begin();
  else {
    opened = new Promise((resolve, reject) => {
      clock.after(startup.listenAfterMs, () => {
        listen(main, options.address, options.port).then(() => {
          begin();
          resolve();
        }, reject);
      });
    });
    // Whoever awaits `listening` learns of it; nobody else needs to.
    opened.catch(() => undefined);
  }

  return {
    address: options.address,
    port,
    /** host:port that clients and join tokens use. */
    endpoint,
    url: `https://${options.address}:${port}`,
    /** Settles when the port is open. */
    listening: opened,
    cluster,
    registerNode: cluster.nodes.registerNode,
    setNodeReady: cluster.nodes.setNodeReady,
    kubeletGone: cluster.nodes.kubeletGone,
    heartbeat: cluster.nodes.heartbeat,
    listNodes: cluster.nodes.listNodes,
    addControlPlane: cluster.addControlPlane,
    removeControlPlane: cluster.removeControlPlane,
    powerOff: cluster.powerOff,
    powerOn: cluster.powerOn,
    /** A further address of the same API (another control plane, a virtual IP). The certificate must already name it. */
    listenAlso: async (address: string, alsoPort: number): Promise<{ port: number; close(): Promise<void> }> => {
      const server = createServer(tls);
      attach(server);
      servers.push(server);
      const bound = await listen(server, address, alsoPort);
      return {
        port: bound,
        close: () =>
          new Promise((resolve) => {
            server.close(() => resolve());
            server.closeAllConnections();
          }),
      };
    },
    /** A client certificate of the cluster's CA; `organisations` are its groups. Made outside the API, as kubeadm does. */
    clientCertificate: (commonName: string, organisations: readonly string[]) =>
      issueKeyPair(authority, { commonName, organisations, usage: 'client' }),
    close: async (): Promise<void> => {
      cluster.stop();
      for (const socket of sockets) socket.destroy();
      await Promise.all(
        servers.map(
          (server) => new Promise<void>((resolve) => (server.listening ? server.close(() => resolve()) : resolve())),
        ),
      );
    },
  };
}
