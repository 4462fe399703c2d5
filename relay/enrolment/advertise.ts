// Which addresses of this host machines are told to enrol at, and why: what the settings name, else every IPv4 address that a
// machine could mean by this host. An address of a container bridge leads a machine to itself or nowhere, and a virtual one
// moves away; the networks that machines are known to live in come first.
import type { NetworkInterfaceInfo } from 'node:os';
import ipaddr from 'ipaddr.js';

export type HostInterfaces = Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>;

/** An address and the reason it is told to machines, or not. */
export type Verdict = { readonly address: string; readonly why: string };

export type Advertised = { readonly chosen: readonly Verdict[]; readonly skipped: readonly Verdict[] };

export type AdvertiseOrder = {
  /** From the settings: `host:port`, a network of this host, or `interface:NAME`. */
  readonly configured: readonly string[];
  readonly listenHost: string;
  readonly port: number;
  readonly interfaces: HostInterfaces;
  /** Addresses that machines are known to have. */
  readonly machines: readonly string[];
};

/** As many as the tunnel carries. */
const ADVERTISED_MAX = 16;

/** `address` is `host:port`, in the order to try. */
export function chooseAdvertised(order: AdvertiseOrder): Advertised {
  const { configured, listenHost, port } = order;
  const { chosen, skipped } =
    configured.length > 0
      ? { chosen: configured.flatMap((entry) => namedBy(entry, order)), skipped: [] }
      : listenHost !== '0.0.0.0' && listenHost !== '::'
        ? { chosen: [{ address: `${listenHost}:${port}`, why: 'it is what this relay listens on' }], skipped: [] }
        : fromInterfaces(order);
  const isFirst = (one: Verdict, index: number): boolean =>
    chosen.findIndex(({ address }) => address === one.address) === index;
  const distinct = chosen.filter(isFirst);
  const over = distinct.slice(ADVERTISED_MAX).map(({ address }) => ({ address, why: `${ADVERTISED_MAX} are enough` }));
  return { chosen: distinct.slice(0, ADVERTISED_MAX), skipped: [...skipped, ...over] };
}

export const INTERFACE_PREFIX = 'interface:';

function namedBy(entry: string, order: AdvertiseOrder): Verdict[] {
  const isNetwork = entry.includes('/');
  if (!isNetwork && !entry.startsWith(INTERFACE_PREFIX)) return [{ address: entry, why: 'the settings name it' }];
  const matches = isNetwork
    ? (one: HostAddress) => ipaddr.parse(one.address).match(ipaddr.parseCIDR(entry))
    : (one: HostAddress) => one.name === entry.slice(INTERFACE_PREFIX.length);
  return addressesOf(order.interfaces)
    .filter(matches)
    .map(({ name, address }) => ({
      address: `${address}:${order.port}`,
      why: `the settings name ${entry} (${name})`,
    }));
}

type HostAddress = { readonly name: string; readonly address: string; readonly cidr: string };

/** Not loopback, and IPv4: machines enrol by it. */
function addressesOf(interfaces: HostInterfaces): HostAddress[] {
  return Object.entries(interfaces).flatMap(([name, addresses]) =>
    (addresses ?? []).flatMap(({ family, internal, address, cidr }) =>
      family === 'IPv4' && !internal ? [{ name, address, cidr: cidr ?? `${address}/32` }] : [],
    ),
  );
}

function fromInterfaces({ interfaces, port, machines }: AdvertiseOrder): Advertised {
  const near: Verdict[] = [];
  const others: Verdict[] = [];
  const skipped: Verdict[] = [];
  for (const one of addressesOf(interfaces)) {
    const address = `${one.address}:${port}`;
    const reason = unfit(one);
    if (hasMachines(one, machines)) near.push({ address, why: `machines have addresses in its network (${one.name})` });
    else if (reason === null) others.push({ address, why: `an address of this host (${one.name})` });
    else skipped.push({ address, why: reason });
  }
  if (near.length + others.length > 0) return { chosen: [...near, ...others], skipped };
  // Better a doubtful address than none: some networks give hosts a /32.
  const isLast = ({ address }: Verdict): boolean => !address.startsWith(LINK_LOCAL);
  return {
    chosen: skipped.filter(isLast).map(({ address, why }) => ({ address, why: `there is no better one: ${why}` })),
    skipped: skipped.filter((one) => !isLast(one)),
  };
}

const LINK_LOCAL = '169.254.';

/** What container runtimes, network plugins and hypervisors call what they make. */
const INNER_INTERFACE =
  /^(docker\d*|br-[0-9a-f]{12}|veth.*|cni.*|flannel.*|cali.*|cilium.*|lxc.*|lxd.*|kube-.*|nodelocaldns|tunl\d+|vxlan.*|weave.*|antrea.*|ovn.*|ovs-.*|virbr\d+.*|vnet\d+|podman\d*|dummy\d+)$/;

function unfit({ name, address, cidr }: HostAddress): string | null {
  if (address.startsWith(LINK_LOCAL)) return `link-local: reached from its own wire only (${name})`;
  if (INNER_INTERFACE.test(name)) return `of containers or virtual machines (${name})`;
  // kube-vip and keepalived add theirs so. Who wants one told names it.
  if (cidr.endsWith('/32')) return `a virtual address, which may move to another host (${name})`;
  return null;
}

/** Not of a single address: a virtual one has no network, and the machine that holds it is not reached by it. */
function hasMachines({ address, cidr }: HostAddress, machines: readonly string[]): boolean {
  if (cidr.endsWith('/32')) return false;
  const network = ipaddr.parseCIDR(cidr);
  return machines.some((one) => one !== address && ipaddr.IPv4.isValid(one) && ipaddr.parse(one).match(network));
}
