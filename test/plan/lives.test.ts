import { describe, expect, test } from 'vitest';
import { aCluster, machines } from '../support/builders.ts';
import { World } from './world.ts';

describe('whole lives', () => {
  test('[CL10] one control plane and one worker run, and deletion leaves nothing', () => {
    const world = new World(machines(4)).create(aCluster().withControlPlane(1).withWorkers(1).accepted());
    world.runToPhase('running');
    expect(world.phases).toEqual(['pending', 'provisioning', 'running']);
    expect(world.view.machines.map(({ slot, phase }) => [slot, phase])).toEqual([
      ['cp-0', 'ready'],
      ['workers-0', 'ready'],
    ]);
    expect(world.plan.waitingOn).toEqual([]);
    expect(world.plan.wakeAt).toBeNull();
    world.delete();
    world.runToPhase('deleted');
    expect(world.maas.held()).toEqual([]);
    expect(world.maas.addresses.size).toBe(0);
  });
});
