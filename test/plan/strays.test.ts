// Machines that the cluster has given up and that join all the same.
import { describe, expect, test } from 'vitest';
import { SystemId } from '../../shared/ids.ts';
import { aCluster, machines } from '../support/builders.ts';
import { World } from './world.ts';

/** A control plane of three that has replaced a machine which MAAS took away, and the name of that machine. */
function withOneTakenAway(): { world: World; gone: string; systemId: SystemId } {
  const world = new World(machines(8)).create(aCluster().withControlPlane(3).withWorkers(1).accepted());
  world.runToPhase('running');
  const machine = world.view.machines[1];
  const [gone, systemId] = [machine?.hostname ?? '', SystemId.parse(machine?.systemId)];
  world.maas.set(systemId, { status: 'broken', owner: null, claim: null });
  world.relay.noticed(systemId);
  world.runToPhase('degraded');
  world.runToPhase('running');
  return { world, gone, systemId };
}

function joins(world: World, name: string, systemId: SystemId): void {
  const { kubernetes } = world.relay;
  // As the relay does of a node that was away: it is told anew.
  world.forgetTold();
  kubernetes.members.set(name, true);
  kubernetes.nodes.set(name, { role: 'control-plane', ready: true, systemId });
  kubernetes.tell();
}

const removals = (world: World) =>
  world.sent.filter(({ body }) => body.verb === 'ensure-member-removed' || body.verb === 'ensure-node-removed');

describe('a machine that joins after it was given up', () => {
  test('[CP13] leaves etcd and Kubernetes, and nothing is asked twice', () => {
    const { world, gone, systemId } = withOneTakenAway();
    const before = removals(world).length;
    joins(world, gone, systemId);
    expect(world.plan.waitingOn.map(({ sentence }) => sentence)).toContain(
      'Waiting for the member to be removed from etcd.',
    );
    world.pass(60_000);
    const asked = removals(world).slice(before);
    const bodyOf = (verb: string) => asked.filter(({ body }) => body.verb === verb).map(({ body }) => body);
    expect(bodyOf('ensure-member-removed')).toMatchObject([{ memberName: gone, peers: { length: 3 } }]);
    expect(bodyOf('ensure-node-removed')).toMatchObject([{ nodeName: gone, drain: false }]);
    expect([world.relay.kubernetes.members.size, world.relay.kubernetes.nodes.has(gone)]).toEqual([3, false]);
    expect(world.view.phase).toBe('running');
  });

  test('[CP13] again and again, under ids of their own', () => {
    const { world, gone, systemId } = withOneTakenAway();
    for (let times = 0; times < 2; times += 1) {
      joins(world, gone, systemId);
      world.pass(60_000);
    }
    const ids = removals(world).map(({ commandId }) => commandId);
    expect(new Set(ids).size).toBe(ids.length);
    expect(world.relay.kubernetes.members.has(gone)).toBe(false);
  });

  test('[CP13] what a user joined by hand is left alone, and so is a machine that was taken anew', () => {
    const { world, systemId } = withOneTakenAway();
    const before = removals(world).length;
    joins(world, 'by-hand', systemId);
    world.pass(60_000);
    const current = world.view.machines[1]?.hostname ?? '';
    world.state = world.state === null ? null : { ...world.state, departed: [current] };
    world.give(null);
    world.pass(60_000);
    expect(removals(world).length).toBe(before);
    expect(world.relay.kubernetes.members.size).toBe(4);
  });
});
