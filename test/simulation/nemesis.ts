// Who makes things go wrong at moments of its own choice, and at the end of the storm puts everything right that a site's people
// would put right.
import type { Act } from './faults.ts';
import { ACTS } from './faults.ts';
import { GatewayNemesis } from './gateway-nemesis.ts';
import { HumanHand } from './human-hand.ts';
import { type Random, randomOf } from './prng.ts';
import type { RelayNode } from './relay-node.ts';
import type { World } from './world.ts';

const ACTS_MAX = 8;
const HUMAN_ACTS: ReadonlySet<Act> = new Set(['human-takes', 'human-releases', 'human-breaks']);

export class Nemesis {
  readonly #world: World;
  readonly #random: Random;
  readonly #human: HumanHand;

  constructor(world: World) {
    this.#world = world;
    this.#random = randomOf(world.scenario.seed, 'nemesis');
    this.#human = new HumanHand(world, this.#random);
    if (!world.scenario.withFaults) return;
    const swarm = ACTS.filter((act) => this.#random.chance(HUMAN_ACTS.has(act) ? 0.5 : 0.35));
    const wanted = swarm.filter((act) => world.scenario.human || !HUMAN_ACTS.has(act));
    const { bias } = world.scenario;
    const count = wanted.length === 0 || bias?.only === true ? 0 : this.#random.below(ACTS_MAX + 1);
    for (let made = 0; made < count; made += 1) {
      const act = wanted[this.#random.below(wanted.length)];
      if (act !== undefined) world.timeline.after(this.#random.below(world.scenario.stormMs), () => this.#do(act));
    }
    for (const { act, times, betweenMs } of bias?.acts ?? [])
      for (let made = 0; made < times; made += 1) {
        const atMs = this.#random.between(...betweenMs);
        // Later nothing may go wrong any more: what is still to come right would be called lost.
        if (atMs < world.scenario.stormMs) world.timeline.after(atMs, () => this.#do(act));
      }
    if (world.gateway !== null) new GatewayNemesis(world, world.gateway, this.#human);
    world.timeline.after(world.scenario.stormMs, () => this.#heal());
  }

  #do(act: Act): void {
    const done = this.#perform(act);
    if (!done) return;
    this.#world.site.faults.count(act);
    this.#world.site.trace.say('nemesis', act);
  }

  /** False when there was nothing to do it to. */
  #perform(act: Act): boolean {
    const node = this.#anyNode();
    switch (act) {
      case 'relay-lost':
        return this.#loseRelay(node);
      case 'disk-torn':
        // Counted when it comes to it, with the next write.
        if (node !== null) node.disk.onWrite = () => node.process?.lose('in the middle of a write');
        return false;
      case 'relay-pauses':
        node?.process?.hold(this.#random.between(5_000, 120_000));
        return node?.process != null;
      case 'relay-clock-skewed':
        return this.#skew(node);
      case 'relay-disk-full':
        return this.#fill(node);
      case 'relay-journal-flipped':
        if (node === null || !node.flipJournal()) return false;
        node.wasDamaged = true;
        node.process?.lose('with a rotten disk');
        return true;
      case 'edge-deployed':
        this.#world.edge.deploy();
        return true;
      case 'partition':
        return node !== null && this.#cutOff(node, this.#random.between(1_000, 600_000), this.#random.chance(0.5));
      case 'tunnel-away': {
        const ms = this.#random.between(1_000, this.#world.scenario.stormMs);
        return this.#world.nodes.map((one) => this.#cutOff(one, ms, false)).length > 0;
      }
      case 'swizzle-clog':
        return this.#swizzle();
      case 'human-takes':
        return this.#human.takes();
      case 'human-releases':
        return this.#human.releases();
      case 'human-breaks':
        return this.#human.breaks();
      case 'bmc-refuses':
        this.#world.machines.bmcRefusals += this.#random.between(1, 3);
        return false;
      case 'rack-away':
        this.#world.region.rackConnected = false;
        this.#world.timeline.after(this.#random.between(5_000, 300_000), () => {
          this.#world.region.rackConnected = true;
        });
        return true;
      case 'machine-dies':
      case 'machine-reboots':
        return this.#hitMachine(act);
    }
  }

  #anyNode(): RelayNode | null {
    const { nodes } = this.#world;
    return nodes[this.#random.below(nodes.length)] ?? null;
  }

  #loseRelay(node: RelayNode | null): boolean {
    if (node?.process == null) return false;
    if (this.#random.chance(0.4)) node.downUntil = this.#world.timeline.now + this.#random.between(30_000, 900_000);
    node.process.lose('by a power cut');
    return true;
  }

  #skew(node: RelayNode | null): boolean {
    const process = node?.process;
    if (process == null) return false;
    const far = this.#random.chance(0.3) ? 24 * 3_600_000 : 600_000;
    process.skewMs = this.#random.between(-far, far);
    this.#world.timeline.after(this.#random.between(10_000, 600_000), () => {
      process.skewMs = 0;
    });
    return true;
  }

  #fill(node: RelayNode | null): boolean {
    if (node === null) return false;
    node.disk.isFull = true;
    this.#world.timeline.after(this.#random.between(5_000, 300_000), () => {
      node.disk.isFull = false;
    });
    return true;
  }

  #cutOff(node: RelayNode, ms: number, silently: boolean): boolean {
    const until = this.#world.timeline.now + ms;
    this.#world.partitioned.set(node.name, Math.max(this.#world.partitioned.get(node.name) ?? 0, until));
    for (const link of this.#world.edge.linksOf(node.name)) {
      if (silently) link.silence();
      else link.cut();
    }
    return true;
  }

  /** Clogs some ways one by one and frees them in another order (FoundationDB). */
  #swizzle(): boolean {
    const { nodes, wire, timeline, site } = this.#world;
    const ways = [
      ...nodes.map((node) => ({
        clog: () => void this.#cutOff(node, 1_800_000, true),
        free: () => void this.#world.partitioned.delete(node.name),
      })),
      {
        clog: () => {
          wire.isAway = true;
        },
        free: () => {
          wire.isAway = false;
        },
      },
    ].filter(() => this.#random.chance(0.7));
    for (const [at, way] of ways.entries()) {
      const clogMs = at * this.#random.between(500, 20_000);
      const freeMs = 60_000 + this.#random.below(120_000);
      // Nobody would free it again: not before its turn, and not after the storm.
      if (clogMs < freeMs && timeline.now + clogMs < site.faults.until) timeline.after(clogMs, way.clog);
      timeline.after(freeMs, way.free);
    }
    return ways.length > 0;
  }

  #hitMachine(act: 'machine-dies' | 'machine-reboots'): boolean {
    const alive = [...this.#world.machines.lives.keys()];
    const systemId = alive[this.#random.below(alive.length)];
    if (systemId === undefined) return false;
    if (act === 'machine-dies' && this.#world.gateway?.mayLose(systemId) === false) return false;
    if (act === 'machine-dies') this.#world.machines.die(systemId);
    else this.#world.machines.reboot(systemId);
    return true;
  }

  #heal(): void {
    const world = this.#world;
    world.site.trace.say('nemesis', 'the storm is over');
    world.partitioned.clear();
    world.wire.isAway = false;
    world.region.rackConnected = true;
    world.machines.bmcRefusals = 0;
    for (const node of world.nodes) {
      node.disk.isFull = false;
      node.downUntil = 0;
      if (node.process !== null) node.process.skewMs = 0;
    }
    this.#human.tidiesUp();
    // One after another: an admin's new code takes the place of the one before it.
    const damaged = world.nodes.filter(({ wasDamaged }) => wasDamaged);
    for (const [at, node] of damaged.entries()) world.timeline.after(60_000 * (at + 1), () => world.pairAnew(node));
  }
}
