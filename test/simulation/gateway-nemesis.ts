// What goes wrong of a gateway on machines of its own, beside everything else: at moments of a stream of its own.
import { GATEWAY_ACTS, type GatewayAct } from './faults.ts';
import { leavesTries } from './gateway-spares.ts';
import type { HumanHand } from './human-hand.ts';
import type { OwnGateway } from './own-gateway.ts';
import { type Random, randomOf } from './prng.ts';
import type { World } from './world.ts';

const ACTS_MAX = 6;
const PAUSE_MS = [5_000, 90_000] as const;

export class GatewayNemesis {
  readonly #world: World;
  readonly #gateway: OwnGateway;
  readonly #human: HumanHand;
  readonly #random: Random;

  constructor(world: World, gateway: OwnGateway, human: HumanHand) {
    this.#world = world;
    this.#gateway = gateway;
    this.#human = human;
    this.#random = randomOf(world.scenario.seed, 'gateway-nemesis');
    world.machines.mayFail = (systemId) => leavesTries(world, gateway, systemId);
    const count = world.scenario.bias?.only === true ? 0 : this.#random.below(ACTS_MAX + 1);
    for (let made = 0; made < count; made += 1) {
      const act = this.#random.pick(GATEWAY_ACTS);
      world.timeline.after(this.#random.below(world.scenario.stormMs), () => this.#do(act));
    }
  }

  #do(act: GatewayAct): void {
    if (!this.#perform(act)) return;
    this.#world.site.faults.count(act);
    this.#world.site.trace.say('nemesis', act);
  }

  /** False when there was nothing to do it to. */
  #perform(act: GatewayAct): boolean {
    const { machines } = this.#world;
    switch (act) {
      case 'installer-killed': {
        const process = this.#gateway.installer?.node.process ?? null;
        process?.lose('by a person');
        return process !== null;
      }
      case 'leader-killed': {
        const process = this.#gateway.leader()?.process ?? null;
        process?.lose('by a power cut');
        return process !== null;
      }
      case 'leader-paused': {
        const process = this.#gateway.leader()?.process ?? null;
        process?.hold(this.#random.between(...PAUSE_MS));
        return process !== null;
      }
      case 'gateway-machine-reboots':
        return this.#hit(
          () => true,
          (systemId) => machines.reboot(systemId),
        );
      case 'gateway-machine-lost':
        return this.#hit(
          (systemId) => this.#gateway.mayLose(systemId),
          (systemId) => machines.die(systemId),
        );
      case 'gateway-machine-released':
        return this.#hit(
          (systemId) => this.#gateway.mayLose(systemId, 'in a while'),
          (systemId) => this.#human.releasesOne(systemId),
        );
    }
  }

  #hit(pass: (systemId: string) => boolean, strike: (systemId: string) => void): boolean {
    const found = this.#gateway.machines().filter(pass);
    const systemId = found[this.#random.below(found.length)];
    if (systemId !== undefined) strike(systemId);
    return systemId !== undefined;
  }
}
