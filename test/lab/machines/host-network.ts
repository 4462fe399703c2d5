// The wire between the lab and its namespaced machines: one bridge on this host, one network namespace with a veth pair for each
// machine. The addresses are of 198.18.0.0/15, which RFC 2544 keeps for bench tests, so they are nobody's.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);
const IP_MS_MAX = 10_000;

export const HOST_NETWORK = { cidr: '198.18.87.0/24', hostAddress: '198.18.87.1', prefix: 24 } as const;
const BRIDGE = 'slipway-lab0';

export type HostNetwork = {
  /** Makes a network namespace with `eth0` at `address`; returns its name. */
  addMachine(systemId: string, address: string, mac: string): Promise<string>;
  removeMachine(systemId: string): Promise<void>;
  /** Gives this host a further address on the wire, such as a cluster's virtual one. */
  addAddress(address: string): Promise<void>;
  removeAddress(address: string): Promise<void>;
  close(): Promise<void>;
};

/** Needs root. Throws when another lab has the bridge: two would share addresses. */
export async function openHostNetwork(): Promise<HostNetwork> {
  await ip('link', 'add', BRIDGE, 'type', 'bridge').catch((error: unknown) => {
    throw new Error(
      `can't make the bridge ${BRIDGE}: is another lab running, or root missing? If one was killed: ip link delete ${BRIDGE}. (${String(error)})`,
    );
  });
  await ip('address', 'add', `${HOST_NETWORK.hostAddress}/${HOST_NETWORK.prefix}`, 'dev', BRIDGE);
  await ip('link', 'set', BRIDGE, 'up');
  const machines = new Set<string>();
  const removeMachine = async (systemId: string): Promise<void> => {
    if (!machines.delete(systemId)) return;
    // The veth pair goes with its namespace.
    await ip('netns', 'delete', namespaceOf(systemId));
  };
  return {
    addMachine: async (systemId, address, mac) => {
      const [namespace, outside] = [namespaceOf(systemId), `slw${systemId}`];
      await ip('netns', 'add', namespace);
      machines.add(systemId);
      await ip('link', 'add', outside, 'type', 'veth', 'peer', 'name', 'eth0', 'address', mac, 'netns', namespace);
      await ip('link', 'set', outside, 'master', BRIDGE, 'up');
      await ip('-n', namespace, 'link', 'set', 'lo', 'up');
      await ip('-n', namespace, 'address', 'add', `${address}/${HOST_NETWORK.prefix}`, 'dev', 'eth0');
      await ip('-n', namespace, 'link', 'set', 'eth0', 'up');
      return namespace;
    },
    removeMachine,
    addAddress: (address) => ip('address', 'add', `${address}/32`, 'dev', BRIDGE),
    removeAddress: (address) => ip('address', 'delete', `${address}/32`, 'dev', BRIDGE),
    close: async () => {
      for (const systemId of [...machines]) await removeMachine(systemId);
      await ip('link', 'delete', BRIDGE);
    },
  };
}

const namespaceOf = (systemId: string): string => `slipway-${systemId}`;

async function ip(...args: string[]): Promise<void> {
  await run('ip', args, { timeout: IP_MS_MAX });
}
