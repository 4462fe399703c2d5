// The relays on a gateway's own machines: `slipway-relay install --node` as a bootstrap document runs it (rule I3), and the
// service it leaves, which lives and dies with its machine.

import { readConfig } from '../../relay/config.ts';
import type { RelayOffer } from '../../relay/enrolment/relay-offer.ts';
import { pairNode } from '../../relay/install/node-install.ts';
import { readNodeSettings, renderNodeSettings } from '../../relay/install/node-settings.ts';
import type { Standing } from '../../relay/tunnel/node-status.ts';
import type { PairingCodes } from '../../relay/tunnel/pairing-codes.ts';
import { ok } from '../../shared/result.ts';
import type { MemoryDisk } from '../lab/machines/memory-disk.ts';
import { drainMicrotasks } from './microtasks.ts';
import { NodePrograms } from './node-programs.ts';
import type { OwnConsole } from './own-console.ts';
import { type NodeWatch, RelayNode } from './relay-node.ts';
import type { RelayProcess } from './relay-process.ts';
import { type Opened, openFolder, ownAddress, type RelaySurroundings, serveRelay } from './serve-relay.ts';
import type { Site } from './site.ts';
import type { SiteReleases } from './site-releases.ts';

/** A machine that boots with a disk, for as long as it is on. */
export type RelayMachine = {
  readonly systemId: string;
  readonly hostname: string;
  readonly address: string;
  readonly files: MemoryDisk;
  readonly isOn: () => boolean;
  readonly reboot: () => void;
  /** Which relay the program is fetched from, and the digest that it or the document names. */
  readonly origin: string;
  readonly digest: string;
};

/** What machines need of it. */
export type MachineRelayPort = {
  install(machine: RelayMachine): Promise<{ readonly exitCode: number; readonly output: string }>;
  /** It has booted with its disk. */
  booted(systemId: string): void;
  off(systemId: string, isWiped: boolean): void;
};

export const NO_MACHINE_RELAYS: MachineRelayPort = {
  install: async () => ({ exitCode: 1, output: 'no gateway of this life has machines' }),
  booted: () => {},
  off: () => {},
};

const FOLDER = '/var/lib/slipway/relay';
const STATE = '/var/lib/slipway-relay';
const CONNECTED_MS_MAX = 90_000;
const PROGRAM = { kind: 'executable', sizeBytes: 1, architecture: 'x86_64' } as const;
const NO_DIGEST = '0'.repeat(64);

export type MachineRelaysParts = {
  readonly site: Site;
  readonly seed: number;
  readonly console: OwnConsole;
  readonly surroundings: RelaySurroundings;
  readonly watch: NodeWatch;
  readonly isCutOff: (name: string) => boolean;
  readonly isConnected: (name: string) => boolean;
  readonly opened: (node: RelayNode) => void;
  readonly closed: (node: RelayNode) => void;
  /** The relay that machines reach there. */
  readonly nodeAt: (host: string) => RelayNode | null;
};

type Installed = { readonly node: RelayNode; isService: boolean; programs: NodePrograms | null };

export class MachineRelays implements MachineRelayPort {
  readonly #parts: MachineRelaysParts;
  readonly #hosts = new Map<string, Installed>();
  #made = 0;

  constructor(parts: MachineRelaysParts) {
    this.#parts = parts;
  }

  of(systemId: string): RelayNode | null {
    return this.#hosts.get(systemId)?.node ?? null;
  }

  /** Those of which the disk is there, whether or not they run. */
  nodes(): RelayNode[] {
    return [...this.#hosts.values()].map(({ node }) => node);
  }

  programsOf(node: RelayNode): NodePrograms | null {
    return [...this.#hosts.values()].find((host) => host.node === node)?.programs ?? null;
  }

  async install(machine: RelayMachine): Promise<{ readonly exitCode: number; readonly output: string }> {
    const { site, console, surroundings, isCutOff } = this.#parts;
    const settings = readNodeSettings(machine.files.read(`${FOLDER}/relay.yaml`) ?? '');
    if (!settings.ok) return failed(settings.error);
    const host = this.#hosts.get(machine.systemId) ?? this.#format(machine);
    if (surroundings.releases !== null && !this.#download(host, machine, surroundings.releases))
      return failed(`what ${machine.origin} sent is not the program it announced`);
    const hear = (delayMs: number, work: () => void) =>
      site.timeline.after(delayMs, () => {
        if (machine.isOn()) work();
        drainMicrotasks();
      });
    const point = (label: string): void => {
      site.point(machine.systemId, label, 'relay');
      if (site.blowFor(machine.systemId, label) !== null) machine.reboot();
    };
    const disk = host.node.disk.openFor({ hear, point, isGone: () => !machine.isOn() });
    const caller = { name: machine.systemId, hear, out: (effect: () => void) => effect() };
    const paired = await pairNode(FOLDER, settings.value, STATE, machine.hostname, {
      system: { read: async (path) => ok(machine.files.read(path)) },
      openState: async () => ok(disk),
      post: console.postFor(caller, () => isCutOff(host.node.name)),
      now: () => site.timeline.now,
      craft: surroundings.craft,
      ...(surroundings.releases === null ? {} : { version: surroundings.releases.runningOn(host.node).version }),
    });
    if (!paired.ok) return failed(paired.error.detail);
    host.isService = true;
    host.node.switchOn();
    return (await this.#isConnected(host.node, hear)) ? { exitCode: 0, output: 'connected' } : failed('NOT_CONNECTED');
  }

  booted(systemId: string): void {
    const host = this.#hosts.get(systemId);
    if (host?.isService) host.node.switchOn();
  }

  off(systemId: string, isWiped: boolean): void {
    const host = this.#hosts.get(systemId);
    if (host === undefined) return;
    host.node.switchOff(isWiped);
    if (!isWiped) return;
    this.#hosts.delete(systemId);
    this.#parts.closed(host.node);
  }

  /** Once: a program that is there is not fetched again. */
  #download(host: Installed, { origin, digest }: RelayMachine, releases: SiteReleases): boolean {
    if (host.programs !== null) return true;
    const from = this.#parts.nodeAt(origin);
    const installed = from === null ? null : releases.runningOn(from);
    if (installed?.sha256 !== digest) return false;
    releases.runs(host.node, installed);
    const { surroundings, isCutOff } = this.#parts;
    host.programs = new NodePrograms(host.node, { releases, surroundings, isCutOff, installed });
    return true;
  }

  async #isConnected({ name }: RelayNode, hear: (delayMs: number, work: () => void) => unknown): Promise<boolean> {
    const { site, isConnected } = this.#parts;
    const until = site.timeline.now + CONNECTED_MS_MAX;
    while (site.timeline.now < until) {
      if (isConnected(name)) return true;
      await new Promise<void>((resolve) => void hear(1_000, resolve));
    }
    return false;
  }

  #format({ systemId, hostname, address }: RelayMachine): Installed {
    const { site, seed, watch, opened } = this.#parts;
    this.#made += 1;
    const program = (node: RelayNode, process: RelayProcess) => this.#serve(node, process);
    const name = `relay-${hostname}-${this.#made}`;
    const node = new RelayNode({ site, seed, name, host: address, program, watch });
    node.isOff = true;
    const host: Installed = { node, isService: false, programs: null };
    this.#hosts.set(systemId, host);
    opened(node);
    return host;
  }

  async #serve(node: RelayNode, process: RelayProcess): Promise<void> {
    const { surroundings } = this.#parts;
    const programs = this.programsOf(node);
    if (programs !== null) return programs.run(process);
    const opened = await openFolder(node, process, surroundings.craft, node.wasDamaged);
    if (opened === null) return process.lose('it can not start');
    const { ended } = await serveRelay(servedBy(surroundings, node, process, opened));
    await ended;
  }
}

/** As relay/serving-relay.ts says what a relay with keys of its own offers, and where machines reach it. */
export function servedBy(surroundings: RelaySurroundings, node: RelayNode, process: RelayProcess, opened: Opened) {
  return {
    ...surroundings,
    ...{ node, process, opened },
    // Here first if this relay leads, else where the others are.
    addresses: ({ leader, peers }: Standing) =>
      [...new Set(leader ? [ownAddress(node), ...peers] : [...peers, ownAddress(node)])].map((text) => {
        const [host = '', port = ''] = text.split(':');
        return { host, port: Number(port) };
      }),
    offer: (codes: PairingCodes): RelayOffer =>
      offerOf(node, opened, codes, surroundings.releases?.runningOn(node).sha256 ?? NO_DIGEST),
  };
}

function offerOf(node: RelayNode, { identity, keyring }: Opened, codes: PairingCodes, sha256: string): RelayOffer {
  return {
    mintPairingCode: codes.mint,
    settingsFor: (address, virtualAddress) => renderNodeSettings(LOADED, identity, address, virtualAddress),
    authorityPem: async () => keyring?.held()?.authority.certPem ?? '',
    addresses: () => [ownAddress(node)],
    program: async () => ok({ ...PROGRAM, sha256, open: never }),
  };
}

const never = (): never => {
  throw new Error('no program is sent in a simulation');
};

const LOADED: Parameters<typeof renderNodeSettings>[0] = { config: defaultConfig(), siteAuthorities: null };

function defaultConfig() {
  const config = readConfig(null, {});
  if (!config.ok) throw new Error('the settings of a relay have no defaults');
  return config.value;
}

const failed = (output: string) => ({ exitCode: 1, output });
