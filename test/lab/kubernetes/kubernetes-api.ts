// The lab's stand-in for one cluster's Kubernetes API: real HTTPS, real client certificates, a played cluster behind.
// It is NOT Kubernetes: every answer says so in the header `x-slipway-lab`, objects it makes by itself carry the
// annotation `slipway.lab/stand-in`, /version names `slipway-lab-stand-in` as its commit, and whatever it does not model
// is refused with 501. Checked against recordings of a real v1.36.2 by test/contract/kubernetes-lab.test.ts.
import { ApiServer } from './api-server.ts';
import { bookedTo } from './apply.ts';
import { createAuthenticate } from './authenticate.ts';
import { bootstrapTokenSecret } from './bootstrap-tokens.ts';
import type { CertificateAuthority } from './certificate-authority.ts';
import { issueKeyPair, loadAuthority } from './certificate-authority.ts';
import type { Clock } from './clock.ts';
import { systemClock, timestamp } from './clock.ts';
import type { Cluster } from './cluster.ts';
import { createCluster } from './cluster.ts';
import { Listeners } from './listeners.ts';
import { SECRETS } from './resources.ts';
import { createServiceAccountTokens } from './service-account-tokens.ts';
import type { Startup } from './startup.ts';
import { IMMEDIATE, StartupPhases } from './startup.ts';
import type { Timings } from './timings.ts';
import { DEFAULT_TIMINGS } from './timings.ts';

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

const USUAL_NAMES = [
  'kubernetes',
  'kubernetes.default',
  'kubernetes.default.svc',
  'kubernetes.default.svc.cluster.local',
  '10.96.0.1',
];

/** Opens the main port now, or after the start-up's delay; `listening` settles when it is open. */
async function openMain(options: KubernetesApiOptions, listeners: Listeners, clock: Clock, begin: () => void) {
  const delayMs = options.startup?.listenAfterMs ?? 0;
  if (delayMs === 0) {
    const { port } = await listeners.open(options.address, options.port);
    begin();
    return { port, listening: Promise.resolve() };
  }
  const listening = new Promise<void>((resolve, reject) => {
    clock.after(delayMs, () => {
      listeners.open(options.address, options.port).then(() => {
        begin();
        resolve();
      }, reject);
    });
  });
  // Whoever awaits `listening` learns of it; nobody else needs to.
  listening.catch(() => undefined);
  return { port: options.port, listening };
}

function clusterOf(
  options: KubernetesApiOptions,
  endpoint: string,
  clock: Clock,
  authority: CertificateAuthority,
): Cluster {
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
  for (const { token, expiresAtMs } of options.bootstrapTokens ?? []) {
    cluster.store.create(
      SECRETS,
      bookedTo('kubeadm', bootstrapTokenSecret(token, expiresAtMs), timestamp(clock.now())),
    );
  }
  return cluster;
}

/**
 * Starts the stand-in. Resolves when it listens (with `startup.listenAfterMs` > 0: at once, and it listens later).
 * Rejects when the address can't be bound or the CA can't be read.
 */
export async function startKubernetesApi(options: KubernetesApiOptions) {
  const clock = options.clock ?? systemClock;
  const authority = await loadAuthority(options.ca);
  const names = [...new Set([options.address, ...options.serverSans, ...USUAL_NAMES])];
  const serving = await issueKeyPair(authority, { commonName: 'kube-apiserver', usage: 'server', names });
  // A stranger's certificate passes the handshake and gets 401, as recorded.
  const tls = {
    cert: `${serving.certPem}\n${options.ca.certPem}`,
    key: serving.keyPem,
    ca: options.ca.certPem,
    requestCert: true,
    rejectUnauthorized: false,
  };
  const listeners = new Listeners(tls);
  const phases = new StartupPhases(options.startup ?? IMMEDIATE, clock);
  const { port, listening } = await openMain(options, listeners, clock, () => phases.begin());
  const endpoint = options.controlPlaneEndpoint ?? `${options.address}:${port}`;
  const cluster = clusterOf(options, endpoint, clock, authority);
  const accounts = createServiceAccountTokens(cluster.store, clock);
  const authenticate = createAuthenticate(cluster.store, clock, accounts);
  listeners.handle = new ApiServer({ cluster, accounts, authenticate, endpoint, phase: phases.current }).handle;
  return {
    address: options.address,
    port,
    /** host:port that clients and join tokens use. */
    endpoint,
    url: `https://${options.address}:${port}`,
    /** Settles when the port is open. */
    listening,
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
      const opened = await listeners.open(address, alsoPort);
      return { port: opened.port, close: () => listeners.close(opened.server) };
    },
    /** A client certificate of the cluster's CA; `organisations` are its groups. Made outside the API, as kubeadm does. */
    clientCertificate: (commonName: string, organisations: readonly string[]) =>
      issueKeyPair(authority, { commonName, organisations, usage: 'client' }),
    close: async (): Promise<void> => {
      cluster.stop();
      await listeners.closeAll();
    },
  };
}
