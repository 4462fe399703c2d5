// A person with a MAAS administrator's account, after the same machines: takes free ones, gives ours back, marks ours broken.
import { allocate } from '../lab/maas/allocate.ts';
import { markBroken, markFixed } from '../lab/maas/broken.ts';
import { fieldsFrom, NO_FIELDS } from '../lab/maas/fields.ts';
import type { Machine } from '../lab/maas/machine.ts';
import { release } from '../lab/maas/release.ts';
import type { User } from '../lab/maas/users-and-keys.ts';
import type { Random } from './prng.ts';
import { HUMAN, MAAS_USER, type World } from './world.ts';

export class HumanHand {
  readonly #world: World;
  readonly #random: Random;

  constructor(world: World, random: Random) {
    this.#world = world;
    this.#random = random;
  }

  /** Takes a Ready machine for some minutes. */
  takes(): boolean {
    const machine = this.#any((one) => one.status === 'Ready');
    if (machine === null) return false;
    const fields = fieldsFrom([['system_id', machine.systemId]]);
    const taken = allocate(this.#world.region, this.#user(), fields);
    this.#world.timeline.after(this.#random.between(30_000, 600_000), () => this.#giveBack(machine));
    return taken.ok;
  }

  /** All that are free. */
  takesEvery(ms: number): void {
    const { region, timeline } = this.#world;
    for (const machine of region.machines.values()) {
      if (machine.status !== 'Ready') continue;
      allocate(region, this.#user(), fieldsFrom([['system_id', machine.systemId]]));
      timeline.after(ms, () => this.#giveBack(machine));
    }
  }

  /** Releases one of ours. */
  releases(): boolean {
    const machine = this.#any(
      (one) =>
        one.owner === MAAS_USER && one.status !== 'Releasing' && one.status !== 'Disk erasing' && this.#mayLose(one),
    );
    if (machine === null) return false;
    this.#release(machine);
    return true;
  }

  releasesOne(systemId: string): void {
    const machine = this.#world.region.machines.get(systemId);
    if (machine !== undefined) this.#release(machine);
  }

  breaks(): boolean {
    const machine = this.#any((one) => one.owner === MAAS_USER && this.#mayLose(one));
    if (machine === null) return false;
    // MAAS lets only the owner do it: somebody uses Slipway's own account.
    const marked = markBroken(this.#world.region, this.#user(MAAS_USER), machine, NO_FIELDS);
    if (marked.ok) this.#world.machines.markedBroken.add(machine.systemId);
    return marked.ok;
  }

  /** Nobody's machines are usable again. */
  tidiesUp(): void {
    for (const machine of this.#world.region.machines.values()) {
      if (machine.status === 'Broken') markFixed(this.#world.region, this.#user(), machine);
      if (machine.status === 'Deployed' && machine.owner === null) this.#release(machine);
      this.#giveBack(machine);
    }
  }

  /** Of a gateway on machines something must be left. */
  #mayLose({ systemId }: Machine): boolean {
    return this.#world.gateway?.mayLose(systemId, 'in a while') ?? true;
  }

  #giveBack(machine: Machine): void {
    if (machine.owner === HUMAN) this.#release(machine);
  }

  #release(machine: Machine): void {
    release(this.#world.region, this.#user(), machine, NO_FIELDS, () => {});
  }

  #user(name = HUMAN): User {
    const user = this.#world.region.users.get(name);
    if (user === undefined) throw new Error('there is no such person');
    return user;
  }

  #any(pass: (machine: Machine) => boolean): Machine | null {
    const found = [...this.#world.region.machines.values()].filter(pass);
    return found[this.#random.below(found.length)] ?? null;
  }
}
