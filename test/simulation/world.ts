// A whole Slipway in one thread and no real time: the shipped planner, objects, tunnel, relay and driver, the lab's MAAS, machines
// that enrol, and a light Kubernetes. One seed decides everything.
//
// Map: scenario.ts, gateway-scenario.ts, upgrade-scenario.ts, wishes.ts (what is asked) · faults.ts, nemesis.ts, gateway-nemesis.ts, human-hand.ts (what
// goes wrong) · timeline.ts, prng.ts, microtasks.ts, trace.ts, site.ts (time, chance, order) · edge.ts, object-host.ts,
// object-storage.ts, project-row.ts, site-catalogue.ts (workerd's part) · relay-node.ts, serve-relay.ts, relay-process.ts,
// relay-disk.ts, tunnel-link.ts, maas-wire.ts (the relay's ports) · site-machines.ts, site-kubernetes.ts, simulated-cluster.ts ·
// own-gateway.ts, own-console.ts, installer-host.ts, machine-relays.ts (a gateway on machines) · own-upgrade.ts, site-releases.ts, node-programs.ts (its upgrade) · stand-in-crypto.ts,
// stand-in-craft.ts · invariants.ts, standing-audit.ts, maas-audit.ts, gateway-audit.ts, upgrade-audit.ts, edge-count.ts, coverage.ts (what is checked)
// · run-seed.ts, many-seeds.ts, crash-points.ts, mutant-hunt.ts, soak.ts, crew.ts, job.ts, options.ts, main.ts (how it is run)

import type { LogFields } from '../../relay/log.ts';
import type { Dial } from '../../relay/tunnel/dial.ts';
import { BUILTIN_PROFILE } from '../../shared/builtin-profile.ts';
import { ClusterProfile } from '../../shared/cluster-profile.ts';
import { AccountAccess } from '../../shared/command.ts';
import { AccountId, type ClusterId, GatewayId, Scope } from '../../shared/ids.ts';
import { defaultInventory } from '../lab/inventory.ts';
import { createRegion, type Region } from '../lab/maas/region.ts';
import { addToken, addUser, keyOf } from '../lab/maas/users-and-keys.ts';
import { Edge } from './edge.ts';
import { Faults } from './faults.ts';
import { type MaasWatch, MaasWire } from './maas-wire.ts';
import { drainMicrotasks } from './microtasks.ts';
import { OwnGateway } from './own-gateway.ts';
import { pairNode } from './pair-node.ts';
import { randomOf } from './prng.ts';
import { type NodeWatch, RelayNode } from './relay-node.ts';
import type { RelayProcess } from './relay-process.ts';
import { type Scenario, SIMULATED_WAITS } from './scenario.ts';
import { openHost, serveRelay } from './serve-relay.ts';
import { type CrashPlan, Site } from './site.ts';
import { SiteKubernetes } from './site-kubernetes.ts';
import { SiteMachines } from './site-machines.ts';
import { StandInSafe } from './stand-in-crypto.ts';
import { Timeline } from './timeline.ts';
import { Trace } from './trace.ts';

export const START_MS = 1_800_000_000_000;
export const SCOPE = Scope.parse({ tenantId: 'ten_1', projectId: 'prj_1', jurisdiction: 'default' });
export const GATEWAY_ID = GatewayId.parse('gw_1');
const ACCOUNT_ID = AccountId.parse('acc_1');
export const GATEWAY_NAME = 'simulated';
export const ENDPOINT = 'http://maas.simulated:5240/MAAS';
export const MAAS_USER = 'slipway';
export const HUMAN = 'human';

export type WorldOptions = {
  readonly print?: (line: string) => void;
  readonly plan?: readonly CrashPlan[];
  readonly recordPoints?: boolean;
};

/** The network plugin's manifest is of no interest here, and parsing it would be half of the work. */
export const SIMULATED_PROFILE = ClusterProfile.parse({
  ...BUILTIN_PROFILE,
  layers: BUILTIN_PROFILE.layers.map((layer) =>
    layer.kind === 'cni'
      ? {
          ...layer,
          manifests: 'apiVersion: apps/v1\nkind: DaemonSet\nmetadata:\n  name: network\n  namespace: kube-system\n',
        }
      : layer,
  ),
});

export class World {
  readonly scenario: Scenario;
  readonly site: Site;
  readonly timeline = new Timeline(START_MS);
  readonly edge: Edge;
  readonly region: Region;
  readonly machines: SiteMachines;
  readonly kubernetes: SiteKubernetes;
  readonly wire: MaasWire;
  readonly safe = new StandInSafe();
  readonly nodes: RelayNode[] = [];
  readonly #account: AccountAccess;
  /** Null: its relays run on hosts of their own. */
  readonly gateway: OwnGateway | null;
  /** Relay nodes that can't reach the edge now, and until when. */
  readonly partitioned = new Map<string, number>();
  readonly #watches: MaasWatch[] = [];
  onRelayLog: NodeWatch['onLog'] = () => {};
  onJournal: NodeWatch['onJournal'] = () => {};
  onNode: (node: RelayNode) => void = () => {};
  readonly watch: NodeWatch = {
    onLog: (node: RelayNode, process: RelayProcess, event: string, fields: LogFields) =>
      this.onRelayLog(node, process, event, fields),
    onJournal: (...read) => this.onJournal(...read),
  };
  readonly dialFor = (node: RelayNode, process: RelayProcess): Dial =>
    this.edge.dialFor(process, () => this.isCutOff(node.name));

  constructor(scenario: Scenario, options: WorldOptions = {}) {
    this.scenario = scenario;
    const { seed } = scenario;
    const now = () => this.timeline.now;
    const faults = new Faults(seed, now, START_MS + scenario.stormMs, scenario.withFaults, scenario.bias);
    const trace = new Trace(now, options.print ?? null);
    const parts = { timeline: this.timeline, faults, trace, network: randomOf(seed, 'network') };
    this.site = new Site(parts, options.plan ?? [], options.recordPoints ?? false);
    this.kubernetes = new SiteKubernetes(this.site);
    this.machines = new SiteMachines(this.site, this.kubernetes, (host, call, answer) => {
      const node = this.nodes.find((one) => one.host === host);
      if (node === undefined) answer(null);
      else node.ask(call, answer);
    });
    this.region = this.#makeRegion();
    this.machines.region = this.region;
    const key = addToken(this.region, MAAS_USER, 'slipway');
    const api = { region: this.region, nonces: new Set<string>(), isDenied: () => false };
    this.wire = new MaasWire(this.site, api, {
      before: (call) => {
        for (const watch of this.#watches) watch.before(call);
      },
      after: (call, status, about) => {
        for (const watch of this.#watches) watch.after(call, status, about);
      },
    });
    const about = { purpose: 'maas-key' as const, recordId: ACCOUNT_ID, version: 1 };
    const sealedKey = this.safe.seal(Buffer.from(keyOf(key)), { scope: SCOPE, gatewayId: GATEWAY_ID }, about);
    this.#account = AccountAccess.parse({ accountId: ACCOUNT_ID, endpoint: ENDPOINT, sealedKey, caBundlePem: null });
    this.edge = new Edge(this.site, seed, SCOPE, SIMULATED_WAITS);
    this.gateway = scenario.gateway === null ? null : new OwnGateway(this, scenario.gateway, keyOf(key));
    if (this.gateway !== null) this.machines.relays = this.gateway.relays;
  }

  /** What clusters stand on; null before an installer has registered it. */
  get account(): AccountAccess | null {
    return this.gateway === null ? this.#account : this.gateway.account;
  }

  watchMaas(watch: MaasWatch): void {
    this.#watches.push(watch);
  }

  /** Creates the gateway, and starts its relays or its installer. */
  open(): void {
    if (this.gateway === null) this.#openHosts();
    else this.gateway.open();
    this.edge.sweepForever();
    this.site.faults.isArmed = true;
  }

  addNode(node: RelayNode): void {
    node.onLost = (told) => this.edge.relayGone(node.name, told);
    this.nodes.push(node);
    this.onNode(node);
  }

  removeNode(node: RelayNode): void {
    const at = this.nodes.indexOf(node);
    if (at >= 0) this.nodes.splice(at, 1);
  }

  #openHosts(): void {
    const names = ['relay-a', 'relay-b'].slice(0, this.scenario.relays);
    const addresses = names.map((host) => ({ host, port: 8443 }));
    for (const name of names) {
      const paired = pairNode(this.edge, name, GATEWAY_ID, SCOPE);
      const program = async (node: RelayNode, process: RelayProcess): Promise<void> => {
        const opened = await openHost(node, process, paired, this.safe);
        if (opened === null) return process.lose('its journal can not be read');
        const { safe, wire, kubernetes, dialFor } = this;
        const parts = { safe, wire, kubernetes, dialFor, node, process, opened, addresses: () => addresses };
        await (await serveRelay(parts)).ended;
      };
      const node = new RelayNode({
        site: this.site,
        seed: this.scenario.seed,
        name,
        host: name,
        program,
        watch: this.watch,
      });
      this.addNode(node);
      this.timeline.after(10, () => node.start());
    }
  }

  /** As an operator does with a node whose folder was damaged: it is shut out as a clone until it is paired again. */
  pairAnew(node: RelayNode): void {
    if (this.gateway !== null) return this.gateway.pairAnew(node);
    this.site.faults.isArmed = false;
    pairNode(this.edge, node.name, GATEWAY_ID, SCOPE, this.timeline.now);
    this.site.faults.isArmed = true;
  }

  isCutOff(name: string): boolean {
    return (this.partitioned.get(name) ?? 0) > this.timeline.now;
  }

  /** Runs one event and what follows from it. False when nothing is left before `untilMs`. */
  step(untilMs: number): boolean {
    const stepped = this.timeline.step(untilMs);
    drainMicrotasks();
    return stepped;
  }

  processes(): RelayProcess[] {
    return this.nodes.flatMap(({ process }) => process ?? []);
  }

  record(id: ClusterId) {
    return this.edge.clusters.get(id) ?? null;
  }

  close(): void {
    this.edge.close();
  }

  #makeRegion(): Region {
    const { machines, hostnames, seed } = this.scenario;
    const inventory = defaultInventory({
      machines,
      hostnames,
      network: { cidr: '10.0.0.0/24', hostAddress: '10.0.0.1' },
      timings: {
        deployMs: 40_000,
        powerOnMs: 8_000,
        releaseMs: 4_000,
        eraseMs: 15_000,
        kubeadmInitMs: 20_000,
        kubeadmJoinMs: 12_000,
        nodeTimeoutMs: 300_000,
        neverBootsMs: 90_000,
        releasingLimitMs: 60_000,
      },
    });
    const random = randomOf(seed, 'maas');
    const region = createRegion(inventory, {
      now: () => this.timeline.now,
      random: random.fraction,
      schedule: (delayMs, fn) => this.timeline.after(delayMs, fn),
      power: this.machines.power,
    });
    addUser(region, MAAS_USER, { admin: false });
    addUser(region, HUMAN, { admin: true });
    return region;
  }
}
