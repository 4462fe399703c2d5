// A gateway that stands on machines of MAAS (PROTOCOL.md I1-I5): its installer, the relays on its machines, and what is asked of
// it in a life: to grow, to lose its leader, to end.
import type { ClusterLogic } from '../../functions/objects/cluster-logic.ts';
import type { OwnClusterPort } from '../../functions/objects/gateway-ports.ts';
import { phaseOf } from '../../functions/plan/describe-cluster.ts';
import { pair } from '../../relay/pair.ts';
import type { AccountAccess } from '../../shared/command.ts';
import type { ClusterId } from '../../shared/ids.ts';
import { type ClusterRecord, type Edge, type GatewayHost, NOBODY, ORIGIN } from './edge.ts';
import type { GatewayPlan } from './gateway-scenario.ts';
import { type Going, holdsKey, maySpare } from './gateway-spares.ts';
import { HumanHand } from './human-hand.ts';
import { InstallerHost, type Work } from './installer-host.ts';
import { MachineRelays } from './machine-relays.ts';
import { OwnConsole } from './own-console.ts';
import { OwnUpgrade } from './own-upgrade.ts';
import { randomOf } from './prng.ts';
import type { RelayNode } from './relay-node.ts';
import { RELEASE_KEY, SiteReleases } from './site-releases.ts';
import { standInCraft } from './stand-in-craft.ts';
import type { World } from './world.ts';

const LOOK_MS = 5_000;
const CODE_MS = 86_400_000;
const PAUSE_MS = 60_000;
const DOWN_MS = 300_000;
/** How long a machine of the gateway is dead before somebody gives it back in MAAS, as the gateway asks for. */
const DEAD_MS = 120_000;
/** A standby acts within 20 s of having something to do; a cluster is asked for within 20 s. */
const TAKEN_OVER_MS = 45_000;

export class OwnGateway {
  readonly #world: World;
  readonly #plan: GatewayPlan;
  readonly #maasKey: string;
  readonly console: OwnConsole;
  readonly relays: MachineRelays;
  readonly #shared;
  #lost: RelayNode | null = null;
  #hasOtherLeader = false;
  readonly #people: HumanHand;
  /** Null: it is not upgraded in this life. */
  readonly upgrade: OwnUpgrade | null;
  readonly #deadSince = new Map<string, number>();
  #installer: InstallerHost | null = null;
  #uninstaller: InstallerHost | null = null;
  /** When its installer had done its work. */
  #installedAt: number | null = null;
  #grewAt: number | null = null;
  /** When the leader was lost. */
  leaderLostAt: number | null = null;
  /** The last moment at which something was asked. */
  lastAskedAt: number;
  /** Whether the users have all they wish for, but for what goes on anyway. */
  usersAreThrough = (): boolean => true;

  constructor(world: World, plan: GatewayPlan, maasKey: string) {
    this.#world = world;
    this.#plan = plan;
    this.#maasKey = maasKey;
    this.lastAskedAt = world.timeline.now + plan.installAfterMs;
    const { site, edge, safe, wire, kubernetes } = world;
    const { seed } = world.scenario;
    this.console = new OwnConsole(site, edge, randomOf(seed, 'console'));
    const craft = standInCraft(safe, randomOf(seed, 'keys'));
    const releases = plan.upgrade === null ? null : new SiteReleases(site);
    const surroundings = { safe, craft, wire, kubernetes, dialFor: world.dialFor, releases };
    const isCutOff = (name: string) => world.isCutOff(name);
    this.#shared = { site, seed, surroundings, console: this.console, watch: world.watch, isCutOff };
    this.relays = new MachineRelays({
      ...this.#shared,
      isConnected: (name) => edge.linksOf(name).length > 0,
      opened: (node) => world.addNode(node),
      closed: (node) => world.removeNode(node),
      nodeAt: (host) => world.nodes.find((node) => node.host === host) ?? null,
    });
    this.#people = new HumanHand(world, randomOf(seed, 'people'));
    const { catalogue } = this.console;
    const parts = releases && { releases, catalogue, people: this.#people };
    this.upgrade = plan.upgrade && parts && new OwnUpgrade(world, plan.upgrade, parts);
    if (releases !== null) edge.releaseKey = RELEASE_KEY;
    edge.ownPorts = (host) => ({
      catalogue: catalogue.portFor(host),
      ownCluster: (_scope, id) => ownClusterPort(edge, host, id),
    });
    edge.onSweep = () => {
      catalogue.sweep();
      this.upgrade?.sweep();
    };
  }

  get account(): AccountAccess | null {
    return this.console.catalogue.account;
  }

  open(): void {
    const code = this.console.createGateway();
    this.#installer = this.#hostFor('install', code);
    this.#world.timeline.after(this.#plan.installAfterMs, () => this.#installer?.node.start());
    this.#lookForever();
  }

  /** Where the machines are now, or were last asked for. */
  own(): ClusterRecord | null {
    const all = [...this.#world.edge.clusters.values()].filter(({ state }) => state?.kind === 'gateway');
    return all.at(-1) ?? null;
  }

  /** Whether a cluster may be asked for: in a failover it comes when the leader is gone, in an upgrade before it or meanwhile. */
  isOpenForUsers(): boolean {
    const { leaderLost, upgrade } = this.#plan;
    if (this.account === null) return false;
    if (upgrade?.clustersCome === 'meanwhile') return this.upgrade?.askedAt != null;
    return leaderLost === null || this.leaderLostAt !== null;
  }

  isTerminal(): boolean {
    return this.waitsFor() === null;
  }

  /** What has not come about; null when all has. */
  waitsFor(): string | null {
    const state = this.own()?.state ?? null;
    const { growAfterMs, leaderLost, deleteAfterMs } = this.#plan;
    if (this.#installedAt === null || state === null) return 'its installation';
    if (leaderLost !== null && this.leaderLostAt === null) return 'a leader to lose';
    if (growAfterMs !== null && (this.#grewAt === null || state.growing !== null)) return 'its growth';
    if (deleteAfterMs !== null && !(this.console.catalogue.isGone && this.#uninstaller?.isDone)) return 'its end';
    return this.upgrade?.waitsFor(phaseOf(state) === 'running') ?? null;
  }

  /** When its machines may have any machine of the site again: people may have taken all others from it. */
  quarantineUntil(): number {
    return Math.max(0, ...Object.values(this.own()?.state?.quarantine ?? {}).map(({ until }) => until));
  }

  ending(): string {
    if (this.upgrade !== null) return `${this.#phase()}, ${this.upgrade.ending()}`;
    return this.#phase();
  }

  #phase(): string {
    const { isGone } = this.console.catalogue;
    const state = this.own()?.state ?? null;
    return isGone ? 'gateway deleted' : state === null ? 'gateway none' : `gateway ${phaseOf(state)}`;
  }

  /** By its own belief; one that stands still believes nothing. */
  leader(): RelayNode | null {
    const leads = ({ process, standing }: RelayNode) => process?.isHeld === false && standing?.().leader === true;
    return this.#world.nodes.find((node) => leads(node) && holdsKey(node)) ?? null;
  }

  get installer(): InstallerHost | null {
    return this.#uninstaller ?? this.#installer;
  }

  /** Machines of the gateway that run. */
  machines(): string[] {
    const held = this.own()?.state?.machines ?? [];
    return held.flatMap(({ held: machine }) =>
      machine !== null && this.#world.machines.lives.has(machine.systemId) ? machine.systemId : [],
    );
  }

  mayLose(systemId: string, going: Going = 'at once'): boolean {
    return maySpare(this.#world, this, systemId, going);
  }

  /** Relays on no machine of the gateway. */
  outside(): RelayNode[] {
    return this.#uninstaller === null ? [] : [this.#uninstaller.node];
  }

  /** As an operator does: the node's folder is paired again by a new code of the console. */
  pairAnew(node: RelayNode): void {
    if (node.isRetired) return;
    const { site, edge, timeline } = this.#world;
    const nobody = NOBODY(site);
    const { code, codeHash } = this.console.makeCode();
    const works = async (): Promise<void> => {
      await edge.gateway.call(nobody, 'code', (logic) => logic.renewPairingCode(codeHash, timeline.now + CODE_MS));
      node.switchOff(false);
      const user = { hear: nobody.hear, point: () => {}, isGone: () => false };
      const about = { code, console: ORIGIN, hostname: node.name, relayVersion: '0.0.0-simulated', replace: true };
      const post = this.console.postFor(nobody, () => false);
      const { craft } = this.#shared.surroundings;
      const paired = await pair({ ...about, now: timeline.now }, node.disk.openFor(user), post, craft);
      if (!paired.ok) site.trace.say(node.name, `is not paired anew: ${paired.error.message}`);
    };
    void works()
      .catch((error: unknown) => site.trace.say(node.name, `is not paired anew: ${String(error)}`))
      .then(() => node.switchOn());
  }

  #hostFor(work: Work, pairingCode: string | null): InstallerHost {
    const host = new InstallerHost({
      ...{ ...this.#shared, work, pairingCode, maasKey: this.#maasKey, size: this.#plan.size },
      done: ({ node }) => this.#world.removeNode(node),
    });
    this.#world.addNode(host.node);
    return host;
  }

  #lookForever(): void {
    const { timeline } = this.#world;
    this.#look(timeline.now);
    if (this.#lost !== null && ![null, this.#lost].includes(this.leader())) this.#hasOtherLeader = true;
    if (this.#world.site.faults.isOver) this.#giveDeadBack(timeline.now);
    timeline.after(LOOK_MS, () => this.#lookForever());
  }

  #look(now: number): void {
    const { growAfterMs, leaderLost, deleteAfterMs } = this.#plan;
    const record = this.own();
    const state = record?.state ?? null;
    if (this.#installedAt === null) {
      if (this.#installer?.isDone !== true || state?.provisionedAt == null) return;
      this.#installedAt = now;
      this.lastAskedAt = now;
    }
    const isDue = (afterMs: number | null): boolean => afterMs !== null && now >= (this.#installedAt ?? now) + afterMs;
    if (leaderLost !== null && this.leaderLostAt === null && isDue(leaderLost.afterMs))
      this.#loseLeader(leaderLost.how);
    if (record !== null && this.#grewAt === null && isDue(growAfterMs)) this.#grow(record);
    if (this.upgrade !== null && this.#installedAt !== null) {
      this.upgrade.look(now, this.#installedAt);
      this.lastAskedAt = Math.max(this.lastAskedAt, this.upgrade.askedAt ?? now);
    }
    if (this.#uninstaller === null && isDue(deleteAfterMs) && this.usersAreThrough()) {
      this.lastAskedAt = now;
      this.#uninstaller = this.#hostFor('uninstall', null);
      this.#uninstaller.node.start();
    }
  }

  /** A running gateway waits for a machine that does not come back: people have to act, and are told so. */
  #giveDeadBack(now: number): void {
    const state = this.own()?.state;
    if (state == null || state.intent.kind !== 'present' || state.provisionedAt === null) return;
    for (const { held, leaving } of state.machines) {
      if (held === null || leaving !== null) continue;
      const { systemId } = held;
      const status = this.#world.region.machines.get(systemId)?.status;
      if (this.#world.machines.lives.has(systemId) || status !== 'Deployed') this.#deadSince.delete(systemId);
      else if (!this.#deadSince.has(systemId)) this.#deadSince.set(systemId, now);
      if (now - (this.#deadSince.get(systemId) ?? now) < DEAD_MS) continue;
      this.#world.site.trace.say('people', `give ${systemId} back, which is dead`);
      this.#deadSince.delete(systemId);
      this.#people.releasesOne(systemId);
    }
  }

  #grow({ id }: ClusterRecord): void {
    this.console.resize(id, 3).then(
      (taken) => {
        if (!taken || this.#grewAt !== null) return;
        this.#grewAt = this.#world.timeline.now;
        this.lastAskedAt = this.#grewAt;
      },
      () => undefined,
    );
  }

  #loseLeader(how: NonNullable<GatewayPlan['leaderLost']>['how']): void {
    const leader = this.leader();
    const systemId = this.machines().find((id) => this.relays.of(id) === leader);
    if (leader?.process == null || systemId === undefined) return;
    this.leaderLostAt = this.#world.timeline.now;
    this.lastAskedAt = this.leaderLostAt;
    this.#world.site.trace.say('world', `loses the leader ${leader.name}: ${how}`);
    this.#lost = leader;
    if (!this.#world.scenario.withFaults) this.#world.timeline.after(TAKEN_OVER_MS, () => this.#isTakenOver(leader));
    if (how === 'machine-lost' && this.mayLose(systemId)) return this.#world.machines.die(systemId);
    if (how === 'paused') return leader.process.hold(PAUSE_MS);
    leader.downUntil = this.leaderLostAt + DOWN_MS;
    leader.process.lose('by a power cut');
  }

  /** The cluster that was asked for meanwhile has become somebody else's work. */
  #isTakenOver(lost: RelayNode): void {
    if (!this.#hasOtherLeader)
      this.#world.site.violate('L6', `${TAKEN_OVER_MS} ms after ${lost.name} was lost nobody else leads`);
  }
}

/** Its own cluster, as one instance of the gateway's object calls it. */
function ownClusterPort(edge: Edge, host: GatewayHost, id: ClusterId): OwnClusterPort {
  const call = <T>(method: (logic: ClusterLogic) => Promise<T>): Promise<T> =>
    edge.own(id).host.call(host.asCaller('asked'), 'own', method);
  return {
    view: () => call((logic) => logic.view()),
    relaysChanged: (relays, notice) => call((logic) => logic.relaysChanged(relays, notice)),
    requestAbort: (actor) => call((logic) => logic.requestAbort(actor)),
    requestDeletion: (actor) => call((logic) => logic.requestDeletion(actor)),
    changeMachines: (release) => call((logic) => logic.changeMachines(release)),
    leftovers: () => call((logic) => logic.leftovers()),
    abandon: () => call((logic) => logic.abandon()),
  };
}
