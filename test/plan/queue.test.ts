import { describe, expect, test } from 'vitest';
import { aCluster, machines, TEST_WAITS } from '../support/builders.ts';
import { World } from './world.ts';

const small = () => aCluster().withControlPlane(1).withWorkers(1).accepted();

function word(world: World, ahead: number | null): void {
  world.give({ kind: 'gateway-connected', at: world.now, connected: true, ahead });
}

/** A cluster that was created during an upgrade: its gateway took nothing, and says so. */
function aQueued(ahead: number): World {
  const world = new World(machines(4));
  world.relay.connected = false;
  world.create(small());
  word(world, ahead);
  return world;
}

describe('a cluster in line', () => {
  test('[QU1] it says how many are ahead of it, takes back what it asked for, and asks for nothing', () => {
    const world = aQueued(2);
    const asked = world.sent.length;
    expect(world.phases).toEqual(['pending', 'queued']);
    expect(world.state?.pending).toEqual({});
    const sentence = () => world.plan.waitingOn.map((wait) => wait.sentence).join();
    expect(sentence()).toBe('Waiting for the upgrade of its gateway to end; 2 clusters are ahead of it.');
    word(world, 1);
    expect(sentence()).toBe('Waiting for the upgrade of its gateway to end; 1 cluster is ahead of it.');
    word(world, 0);
    expect(sentence()).toBe('Waiting for the upgrade of its gateway to end; it is the first in line.');
    expect(world.sent).toHaveLength(asked);
    expect(world.lines.filter((line) => line.includes('queued'))).toHaveLength(1);
  });

  test('[QU1] no deadline of its own runs, however long it takes, and it looks by itself', () => {
    const world = aQueued(0);
    const { length } = world.sent;
    expect(world.plan.wakeAt).toBeLessThanOrEqual(world.now + TEST_WAITS.commandDeadlineMs);
    world.pass(3 * TEST_WAITS.shortageDeadlineMs);
    expect(world.phases.at(-1)).toBe('queued');
    expect(world.sent).toHaveLength(length);
    world.give(null);
    expect(world.plan.waitingOn[0]?.deadlineAt).toBeGreaterThan(world.now);
  });

  test('[QU2] told that it waits no more, it begins and runs', () => {
    const world = aQueued(3);
    world.pass(TEST_WAITS.shortageDeadlineMs);
    world.relay.connected = true;
    word(world, null);
    expect(world.phases.at(-1)).toBe('pending');
    world.runToPhase('running');
    expect(world.view.machines.map(({ attempt }) => attempt)).toEqual([1, 1]);
  });

  test('[QU3] an abort ends it at once and frees its place', () => {
    const world = aQueued(1);
    world.intercept = () => false;
    world.abort();
    expect(world.phases.at(-1)).toBe('deleted');
    expect(world.plan.effects.filter(({ kind }) => kind === 'leave-queue')).toHaveLength(1);
  });

  test('[QU3] a place that is told after the abort is of no account', () => {
    const world = new World(machines(4)).create(small());
    world.run(() => world.view.machines.some(({ phase }) => phase === 'deploying'));
    world.abort();
    word(world, 4);
    expect(world.state?.queued).toBeNull();
    world.runToPhase('deleted');
  });

  test('[QU4] who has begun goes on, and so do a gateway’s own machines', () => {
    const world = new World(machines(4)).create(small());
    world.run(() => world.view.machines.some(({ phase }) => phase === 'deploying'));
    word(world, 1);
    expect(world.state?.queued).toBeNull();
    world.runToPhase('running');
    const gateway = new World(machines(2)).create(aCluster().ofGateway(1).accepted());
    word(gateway, 1);
    expect(gateway.state?.queued).toBeNull();
  });
});
