// What the chaos is let loose on: control plane and relay as processes, a proxy between them, and the lab in this process.
// Both can be killed and started again on the same folder and port, as whoever supervises them would.

import { mkdirSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import type { EdgeWaits } from '../../shared/limits.ts';
import { defaultInventory } from '../lab/inventory.ts';
import { type Lab, startLab } from '../lab/lab.ts';
import { loadDriver } from '../lab/load-driver.ts';
import { type ApiClient, apiClient } from '../support/api-client.ts';
import { connectedAccount } from '../support/connected-account.ts';
import { freePort } from '../support/control-plane.ts';
import { type EdgeProcess, startEdgeProcess } from '../support/edge-process.ts';
import { ownLoopback } from '../support/own-loopback.ts';
import { pairRelay, type RelayProcess, type RelaySettings, runRelay } from '../support/relay-process.ts';
import { type SmallDisk, smallDisk } from './small-disk.ts';
import { type SocketProxy, startSocketProxy } from './socket-proxy.ts';

const WORKER = 'test/edge/failpoint-worker.ts';
/** Enough for every lane's cluster, and some that are still being given back. */
const MACHINES_PER_LANE = 5;

export type Rig = {
  readonly lab: Lab;
  readonly api: ApiClient;
  readonly url: string;
  readonly apiKey: string;
  readonly gatewayId: string;
  readonly accountId: string;
  readonly proxy: SocketProxy;
  readonly disk: SmallDisk;
  readonly relayStateDir: string;
  /** Resolves when the next armed point of the edge is reached; it waits there for its end. */
  edgeReached(): Promise<string>;
  startEdge(failpoint: string | null): Promise<EdgeProcess>;
  stopEdge(): Promise<void>;
  stopRelay(): Promise<void>;
  startRelay(failpoint: string | null): RelayProcess;
};

export type RigOptions = {
  readonly stateDir: string;
  readonly lanes: number;
  readonly waits: Partial<EdgeWaits>;
  readonly closers: (() => Promise<void>)[];
  log(line: string): void;
};

/** Whatever has been started when this throws is in `closers`. */
export async function startRig({ stateDir, lanes, waits, closers, log }: RigOptions): Promise<Rig> {
  const [edgePort, proxyPort, enrolmentPort] = [await freePort(), await freePort(), await freePort()];
  const origin = `http://127.0.0.1:${proxyPort}`;
  const failpoints = await listenForFailpoints(closers);
  let edge: EdgeProcess | null = null;
  let relay: RelayProcess | null = null;
  const startEdge = async (failpoint: string | null): Promise<EdgeProcess> => {
    const environment = { FAILPOINT_URL: failpoints.url, FAILPOINT: failpoint ?? '' };
    const worker = { entry: WORKER, environment };
    const edgeDir = join(stateDir, 'control-plane');
    edge = await startEdgeProcess({ stateDir: edgeDir, port: edgePort, publicOrigin: origin, waits, worker }, (line) =>
      log(`edge: ${line}`),
    );
    return edge;
  };
  const stopEdge = async (): Promise<void> => edge?.stop();
  closers.push(stopEdge);
  const { url, setupSecret } = await startEdge(null);
  const proxy = await startSocketProxy(proxyPort, edgePort);
  closers.push(() => proxy.close());
  const lab = await openLab(lanes * MACHINES_PER_LANE, log);
  closers.push(() => lab.close());

  const disk = smallDisk(join(stateDir, 'relay-disk'), log);
  closers.push(async () => disk.close());
  const { apiKey } = await apiClient(url, '').setup(setupSecret);
  const api = apiClient(url, apiKey.key);
  const gateway = await api.createGateway('datacentre');
  const settings: RelaySettings = {
    stateDir: join(disk.folder, 'state'),
    consoleUrl: origin,
    enrolment: `127.0.0.1:${enrolmentPort}`,
    log: (line) => log(`relay: ${line}`),
  };
  mkdirSync(settings.stateDir, { recursive: true, mode: 0o700 });
  await pairRelay(settings, gateway.pairingCode);
  const startRelay = (failpoint: string | null): RelayProcess => {
    relay = runRelay({ ...settings, environment: failpoint === null ? {} : { SLIPWAY_FAILPOINT: failpoint } });
    return relay;
  };
  const stopRelay = async (): Promise<void> => {
    relay?.kill('SIGCONT');
    await relay?.stop();
  };
  closers.push(stopRelay);
  startRelay(null);
  const account = await connectedAccount(api, gateway.id, lab);
  return {
    ...{ lab, api, url, apiKey: apiKey.key, gatewayId: gateway.id, accountId: account.id, proxy, disk },
    ...{ relayStateDir: settings.stateDir, edgeReached: failpoints.next },
    ...{ startEdge, stopEdge, startRelay, stopRelay },
  };
}

async function openLab(machines: number, log: (line: string) => void): Promise<Lab> {
  let lab: Lab | null = null;
  const driver = await loadDriver('simulated', {
    now: () => Date.now(),
    recordDelay: (delay) => lab?.recordDelay(delay),
    log: (line) => log(`lab: ${line}`),
  });
  if (!driver.ok) throw new Error(driver.error.detail);
  const timings = { deployMs: 400, powerOnMs: 50, releaseMs: 50, eraseMs: 50, kubeadmInitMs: 200, kubeadmJoinMs: 100 };
  lab = await startLab({
    inventory: defaultInventory({ machines, loopback: await ownLoopback(), timings }),
    driver: driver.value,
    bind: '127.0.0.1',
  });
  return lab;
}

/** Where an armed edge says that it has reached its point. It gets no answer: it is killed. */
async function listenForFailpoints(closers: (() => Promise<void>)[]) {
  let reached = Promise.withResolvers<string>();
  const server = createServer(({ url = '' }) => {
    const point = reached;
    reached = Promise.withResolvers<string>();
    point.resolve(url.slice(1));
  });
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  closers.push(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { url: `http://127.0.0.1:${port}`, next: () => reached.promise };
}
