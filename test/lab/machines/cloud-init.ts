// Machines as namespaced hosts of this one (root needed): each boots the real cloud-init with the MAAS datasource against the
// lab's metadata service and runs the real bootstrap script. Stand-ins are kubeadm and the kubelet, and what would touch the
// kernel or init that all machines share with this host (boot-host.sh lists them).
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { err, ok } from '../../../shared/result.ts';
import type { BootingMachine, CreateMachineDriver, DriverContext } from '../machine-driver.ts';
import { type HostNetwork, openHostNetwork } from './host-network.ts';
import { type KubeadmSocket, serveKubeadm } from './kubeadm-socket.ts';
import { type KubernetesHub, startKubernetesHub } from './kubernetes-hub.ts';

const PARTS = fileURLToPath(new URL('.', import.meta.url));
/** How often the end of a boot is looked for. */
const LOOK_MS = 100;
const NEEDED = ['/usr/bin/cloud-init', '/usr/bin/curl', '/usr/bin/python3', '/usr/bin/setpriv'];

type Host = {
  readonly process: ChildProcess;
  readonly folder: string;
  readonly socket: KubeadmSocket;
  readonly ended: Promise<void>;
  readonly stop: AbortController;
};

export const createMachineDriver: CreateMachineDriver = async (context) => {
  const missing = NEEDED.filter((path) => !existsSync(path));
  if (process.getuid?.() !== 0)
    throw new Error('the cloud-init driver needs root: its machines are namespaces of this host');
  if (missing.length > 0)
    throw new Error(`the cloud-init driver needs ${missing.join(', ')}: apt-get install cloud-init curl iproute2`);
  const folder = mkdtempSync(join(tmpdir(), 'slipway-hosts-'));
  const network = await openHostNetwork();
  const hub = startKubernetesHub({
    claimAddress: (address) => network.addAddress(address),
    releaseAddress: (address) => network.removeAddress(address),
    etcdPath: (systemId) => join(folder, systemId, 'machine', 'etcd.sock'),
  });
  const hosts = new Map<string, Host>();
  const powerOff = async (systemId: string): Promise<void> => {
    const host = hosts.get(systemId);
    hosts.delete(systemId);
    if (host === undefined) return;
    await stopHost(host);
    await hub.powerOff(systemId);
    await network.removeMachine(systemId);
    rmSync(host.folder, { recursive: true, force: true });
  };
  return {
    name: 'cloud-init',
    powerOn: async (machine) => {
      if (hosts.has(machine.systemId)) return ok(undefined);
      try {
        hosts.set(machine.systemId, await startHost(machine, join(folder, machine.systemId), network, hub, context));
        return ok(undefined);
      } catch (error) {
        return err({ code: 'DRIVER_FAILED', detail: String(error) });
      }
    },
    powerOff: async (systemId) => {
      await powerOff(systemId);
      return ok(undefined);
    },
    status: async (systemId) => (hosts.has(systemId) ? 'on' : 'off'),
    close: async () => {
      for (const systemId of [...hosts.keys()]) await powerOff(systemId);
      await hub.close();
      await network.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
};

async function startHost(
  machine: BootingMachine,
  folder: string,
  network: HostNetwork,
  hub: KubernetesHub,
  context: DriverContext,
): Promise<Host> {
  const shared = join(folder, 'machine');
  mkdirSync(shared, { recursive: true });
  chmodSync(folder, 0o700);
  const stop = new AbortController();
  const socket = await serveKubeadm(join(shared, 'lab.sock'), machine, hub, (verb) =>
    spend(context, machine, verb, stop.signal),
  );
  const namespace = await network.addMachine(machine.systemId, machine.address, machine.mac);
  const child = spawn(
    'ip',
    [
      'netns',
      'exec',
      namespace,
      'unshare',
      '--mount',
      '--uts',
      '--ipc',
      '--pid',
      '--fork',
      '--kill-child',
      'bash',
      join(PARTS, 'boot-host.sh'),
    ],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: process.env.PATH ?? '',
        LAB_SHARE: folder,
        LAB_PARTS: PARTS,
        LAB_HOSTNAME: machine.hostname,
        LAB_SYSTEM_ID: machine.systemId,
        LAB_METADATA_URL: machine.metadataUrl,
        LAB_CONSUMER_KEY: machine.metadataOauth.consumerKey,
        LAB_TOKEN_KEY: machine.metadataOauth.tokenKey,
        LAB_TOKEN_SECRET: machine.metadataOauth.tokenSecret,
      },
    },
  );
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => context.log(`${machine.hostname}: ${text.trimEnd()}`));
  const ended = new Promise<void>((resolve) => {
    child.on('error', () => resolve());
    child.on('close', () => resolve());
  });
  noteBoot(machine, join(shared, 'booted'), context, stop.signal);
  return { process: child, folder, socket, ended, stop };
}

/** Records the boot as the machine's own time: from the power button to the moment the bootstrap program says hello. */
function noteBoot(machine: BootingMachine, mark: string, context: DriverContext, signal: AbortSignal): void {
  const startMs = context.now();
  const look = async (): Promise<void> => {
    while (!existsSync(mark) || readFileSync(mark, 'utf8').trim() === '') await delay(LOOK_MS, undefined, { signal });
    context.recordDelay({
      machine: machine.systemId,
      kind: 'boot',
      startMs,
      endMs: Number(readFileSync(mark, 'utf8')),
    });
  };
  look().catch((error: unknown) => {
    if (!signal.aborted) context.log(`${machine.hostname}: ${String(error)}`);
  });
}

async function spend(
  context: DriverContext,
  machine: BootingMachine,
  verb: string,
  signal: AbortSignal,
): Promise<void> {
  const ms = verb === 'init' ? machine.timings.kubeadmInitMs : verb === 'join' ? machine.timings.kubeadmJoinMs : 0;
  const startMs = context.now();
  await delay(ms, undefined, { signal });
  if (ms > 0)
    context.recordDelay({ machine: machine.systemId, kind: `kubeadm-${verb}`, startMs, endMs: context.now() });
}

async function stopHost(host: Host): Promise<void> {
  host.stop.abort();
  host.process.kill('SIGKILL');
  await host.ended;
  await host.socket.close();
}
