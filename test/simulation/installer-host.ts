// A person's host outside of the gateway, where `install -s` or `uninstall` runs: the shipped programs over a state folder that
// stays when they are killed. They are run again until they have done their work.

import type { InstallProblem } from '../../relay/install/install-problem.ts';
import { installOnMachines, type MachinesWorld } from '../../relay/install/machines-install.ts';
import type { Settings } from '../../relay/install/settings.ts';
import { serveForNow } from '../../relay/install/temporary-relay.ts';
import { uninstallGateway } from '../../relay/install/uninstall-gateway.ts';
import type { AccountFacts } from '../../shared/inventory.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import { ORIGIN } from './edge.ts';
import { servedBy } from './machine-relays.ts';
import type { OwnConsole } from './own-console.ts';
import { type NodeWatch, RelayNode } from './relay-node.ts';
import type { RelayProcess } from './relay-process.ts';
import { openFolder, type RelaySurroundings, serveRelay } from './serve-relay.ts';
import type { Site } from './site.ts';
import { ENDPOINT, GATEWAY_NAME } from './world.ts';

export type Work = 'install' | 'uninstall';

export type InstallerParts = {
  readonly site: Site;
  readonly seed: number;
  readonly work: Work;
  readonly console: OwnConsole;
  readonly surroundings: RelaySurroundings;
  readonly watch: NodeWatch;
  readonly isCutOff: (name: string) => boolean;
  readonly maasKey: string;
  readonly pairingCode: string | null;
  readonly size: 1 | 3;
  /** It will not be run again. */
  readonly done: (host: InstallerHost) => void;
};

const FACTS: AccountFacts = {
  ...{ maasVersion: '3.5', user: 'slipway', isAdmin: false, zones: ['default'], pools: ['default'], domains: ['maas'] },
  ...{ images: ['ubuntu/noble'], readyMachines: 9, permissionsMissing: [] },
};
const AGAIN_MS = [30_000, 120_000] as const;

export class InstallerHost {
  readonly node: RelayNode;
  readonly #parts: InstallerParts;
  isDone = false;

  constructor(parts: InstallerParts) {
    this.#parts = parts;
    const { site, seed, work, watch } = parts;
    const program = (node: RelayNode, process: RelayProcess) => this.#run(node, process);
    this.node = new RelayNode({ site, seed, name: `${work}er`, host: `${work}er`, program, watch });
  }

  async #run(node: RelayNode, process: RelayProcess): Promise<void> {
    const { site, work } = this.#parts;
    const world = this.#world(node, process);
    const ended = await (work === 'install'
      ? installOnMachines({ ...this.#settings(), placement: this.#placement() }, FACTS, world)
      : uninstallGateway(this.#settings(), world));
    const said = ended.ok ? 'done' : `${ended.error.code}: ${ended.error.detail}`;
    site.trace.say(node.name, `ends, ${said}`);
    // Its node was ended, and it was killed before it read that: the person sees in the console that all is well.
    this.isDone = ended.ok || ended.error.code === 'NODE_REMOVED';
    if (!this.isDone) node.downUntil = site.timeline.now + site.network.between(...AGAIN_MS);
    if (!this.isDone) return process.lose('for now');
    node.switchOff(true);
    this.#parts.done(this);
  }

  #world(node: RelayNode, process: RelayProcess): MachinesWorld {
    const { site, console, surroundings, isCutOff, work } = this.#parts;
    const ports = process.ports();
    const disk = node.diskFor(process);
    const caller = {
      name: node.name,
      hear: (delayMs: number, then: () => void) => process.hear(delayMs, then),
      out: (effect: () => void) => effect(),
    };
    return {
      state: { folder: 'state', disk },
      hostname: node.name,
      openState: async () => ok(disk),
      post: console.postFor(caller, () => isCutOff(node.name)),
      api: work === 'install' ? null : console.apiFor(caller),
      timers: ports.timers,
      now: ports.clock.now,
      random: ports.random.bytes,
      elapsedMs: ports.clock.monotonicMs,
      interrupted: new AbortController().signal,
      say: (text) => site.trace.say(node.name, text.trim()),
      craft: surroundings.craft,
      startRelay: (note, heard) => this.#startRelay(node, process, note, heard),
    };
  }

  async #startRelay(
    node: RelayNode,
    process: RelayProcess,
    ...[note, heard]: Parameters<MachinesWorld['startRelay']>
  ): ReturnType<MachinesWorld['startRelay']> {
    const { surroundings } = this.#parts;
    const opened = await openFolder(node, process, surroundings.craft, true);
    if (opened === null || opened.keyring === null) return notStarted();
    const { identity, keyring } = opened;
    const parts = servedBy(surroundings, node, process, opened);
    return serveForNow({
      ...{ state: { identity, keyring }, timers: process.ports().timers, note, heard, ended: () => {} },
      serve: async (hooks) => ok(await serveRelay({ ...parts, hooks })),
    });
  }

  #settings(): Settings {
    return {
      ...{ name: GATEWAY_NAME, console: ORIGIN, pairingCode: this.#parts.pairingCode, apiKey: null, caFile: null },
      proxy: { https: null, http: null, no: [] },
      networks: { podCidr: '10.244.0.0/16', serviceIpRange: '10.96.0.0/16' },
      maas: { endpoint: ENDPOINT, apiKey: this.#parts.maasKey, caPem: null },
      placement: this.#placement(),
      enrolment: { listen: '0.0.0.0:8443', advertise: [] },
    };
  }

  #placement() {
    return { zone: null, flavour: 'small' as const, nodes: this.#parts.size };
  }
}

const notStarted = (): Result<never, InstallProblem> =>
  err({ where: 'relay', code: 'RELAY_NOT_STARTED', detail: 'the state folder can not be read' });
