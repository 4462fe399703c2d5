import { describe, expect, test } from 'vitest';
import { aCluster, machines, TEST_WAITS } from '../support/builders.ts';
import { World } from './world.ts';

/** Worlds that share one MAAS, run in turns by virtual time. */
function rivals(count: number, supply: number): World[] {
  const first = new World(machines(supply));
  const worlds = [first];
  for (let index = 1; index < count; index++) worlds.push(new World([], TEST_WAITS, first.maas));
  for (const [index, world] of worlds.entries()) {
    const builder = aCluster().withControlPlane(1).withWorkers(2).withId(`clu_rival${index}`);
    world.create(builder.withSpec({ name: `rival-${index}` }).accepted());
  }
  return worlds;
}

function runTogether(worlds: World[], done: () => boolean): void {
  for (let slice = 0; !done(); slice++) {
    if (slice > 20_000) throw new Error(worlds.map((world) => world.story()).join('\n---\n'));
    for (const world of worlds) world.pass(25);
  }
}

const phases = (worlds: World[]) => worlds.map((world) => world.phases.at(-1));

describe('clusters that compete', () => {
  test('[MA5] with enough machines all of them run, and no machine is in two', () => {
    const worlds = rivals(5, 18);
    runTogether(worlds, () => phases(worlds).every((phase) => phase === 'running'));
    const ids = worlds.flatMap((world) => world.view.machines.map(({ systemId }) => systemId));
    expect(new Set(ids).size).toBe(15);
  });

  test('[MA4] with too few, some run and the others hold nothing: no deadlock', () => {
    const worlds = rivals(4, 7);
    const settled = () => worlds.every((world) => ['running', 'pending'].includes(world.phases.at(-1) ?? ''));
    runTogether(worlds, () => settled() && phases(worlds).filter((phase) => phase === 'running').length === 2);
    const held = worlds[0]?.maas.held() ?? [];
    const used = worlds.flatMap((world) => world.view.machines.flatMap(({ systemId }) => systemId ?? []));
    expect([...held].sort()).toEqual([...new Set(used)].sort());
    expect(held).toHaveLength(6);
  });
});
