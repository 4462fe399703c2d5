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
import type { OwnConsole } from './own-console.ts';
import { type NodeWatch, RelayNode } from './relay-node.ts';
import type { RelayProcess } from './relay-process.ts';
import { type Opened, openFolder, ownAddress, type RelaySurroundings, serveRelay } from './serve-relay.ts';
import type { Site } from './site.ts';

/** A machine that boots with a disk, for as long as it is on. */
export type RelayMachine = {
  readonly systemId: string;
  readonly hostname: string;
  readonly address: string;
  readonly files: MemoryDisk;
  readonly isOn: () => boolean;
  readonly reboot: () => void;
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
const PROGRAM = { kind: 'executable', sizeBytes: 1, sha256: '0'.repeat(64), architecture: 'x86_64' } as const;

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
};

type Installed = { readonly node: RelayNode; isService: boolean };

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

  async install(machine: RelayMachine): Promise<{ readonly exitCode: number; readonly output: string }> {
    const { site, console, surroundings, isCutOff } = this.#parts;
    const settings = readNodeSettings(machine.files.read(`${FOLDER}/relay.yaml`) ?? '');
    if (!settings.ok) return failed(settings.error);
    const host = this.#hosts.get(machine.systemId) ?? this.#format(machine);
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
    const host = { node, isService: false };
    this.#hosts.set(systemId, host);
    opened(node);
    return host;
  }

  async #serve(node: RelayNode, process: RelayProcess): Promise<void> {
    const { surroundings } = this.#parts;
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
    offer: (codes: PairingCodes): RelayOffer => offerOf(node, opened, codes),
  };
}

function offerOf(node: RelayNode, { identity, keyring }: Opened, codes: PairingCodes): RelayOffer {
  return {
    mintPairingCode: codes.mint,
    settingsFor: (address, virtualAddress) => renderNodeSettings(LOADED, identity, address, virtualAddress),
    authorityPem: async () => keyring?.held()?.authority.certPem ?? '',
    addresses: () => [ownAddress(node)],
    program: async () => ok({ ...PROGRAM, open: never }),
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
