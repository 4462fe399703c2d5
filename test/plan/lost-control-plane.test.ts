import { describe, expect, test } from 'vitest';
import { type ClusterState, currentMachines } from '../../functions/plan/cluster-state.ts';
import { mayRemoveMember } from '../../functions/plan/control-plane-safety.ts';
import { waitingOn } from '../../functions/plan/waiting-on.ts';
import { aCluster, machines, TEST_WAITS } from '../support/builders.ts';
import { World } from './world.ts';

/** The first machine fails while it makes the cluster, is given back, and its BMC does not obey. */
function withStray(): World {
  const world = new World(machines(9)).create(aCluster().withControlPlane(3).withWorkers(1).accepted());
  const { kubernetes } = world.relay;
  world.run(() => world.view.machines[0]?.steps.some(({ name }) => name === 'kubeadm-init') === true);
  kubernetes.powerOff = () => {};
  const stray = world.view.machines[0]?.systemId ?? '';
  world.maas.set(stray, { status: 'broken' });
  world.relay.noticed(stray);
  return world.run(() => kubernetes.begun.length > 0);
}

function stateOf(world: World): ClusterState {
  if (world.state === null) throw new Error('no cluster');
  return world.state;
}

describe('a control plane that is lost, or another one in its place', () => {
  test('[CP2] what a machine makes that was given back is not this cluster, and no quorum is asked of it', () => {
    const world = withStray();
    world.run(() => world.state?.api?.ready === true);
    expect(world.state?.api?.firstReadyAt).toBeNull();
    world.runToPhase('failed');
    expect(world.view.failure?.code).toBe('BOOTSTRAP_FAILED');
    expect(world.sentVerbs('ensure-member-removed')).toEqual([]);
    expect(world.relay.kubernetes.begun).toHaveLength(1);
    world.abort();
    world.runToPhase('deleted');
    expect(world.maas.held()).toEqual([]);
  });

  test('[CP2] once the machine that was given back is switched off, the next one begins', () => {
    const world = withStray();
    world.run(() => world.view.machines[0]?.attempt === 3);
    world.relay.kubernetes.members.clear();
    world.relay.kubernetes.nodes.clear();
    world.relay.kubernetes.tell();
    world.runToPhase('running');
    expect(world.relay.kubernetes.begun).toHaveLength(2);
    expect(world.state?.api?.firstReadyAt).toBeGreaterThan(world.state?.machines[0]?.chosenAt ?? 0);
  });

  test('[CP7] only machines of the cluster count for its quorum', () => {
    const world = new World(machines(5)).create(aCluster().withControlPlane(3).accepted());
    world.runToPhase('running');
    const state = stateOf(world);
    const [first, second, third] = currentMachines(state);
    if (first === undefined || second === undefined || third === undefined) throw new Error('three are wanted');
    const member = (name: string, healthy: boolean) => ({ name, healthy, learner: false });
    const among = (name: string) =>
      mayRemoveMember(
        {
          ...state,
          etcd: {
            at: world.now,
            members: [
              member(first.held?.hostname ?? '', false),
              member(second.held?.hostname ?? '', true),
              member(name, true),
            ],
          },
        },
        first,
      ).ok;
    expect(among(third.held?.hostname ?? '')).toBe(true);
    expect(among('stray')).toBe(false);
  });

  test('[WA1] a member that nobody can take out of etcd says so', () => {
    const world = new World(machines(4)).create(aCluster().withControlPlane(1).accepted());
    world.runToPhase('running');
    const state = stateOf(world);
    const gone = { since: world.now, tries: 0, askedAt: null, goneAt: null, code: 'JOIN_TIMEOUT', reason: 'late' };
    const leaving = { ...gone, memberRemoved: false, nodeRemoved: false, drain: false };
    const stuck = { ...state, machines: state.machines.map((machine) => ({ ...machine, leaving })) };
    const waits = waitingOn(stuck, world.now, TEST_WAITS).filter(({ code }) => code === 'member-removal');
    expect(waits).toMatchObject([{ slot: 'cp-0', deadlineAt: world.now + TEST_WAITS.shortageDeadlineMs }]);
  });

  test('[WA1] where nodes are Ready and the API was never heard of, it is waited for', () => {
    const world = new World(machines(4));
    world.intercept = (event) => event.kind === 'observed' && event.fact.kind === 'api-server';
    world.create(aCluster().withControlPlane(1).withWorkers(1).accepted());
    world.run(() => world.view.machines[0]?.steps.some(({ name }) => name === 'bootstrap') === true);
    for (const node of world.relay.kubernetes.nodes.values()) node.ready = true;
    world.relay.kubernetes.tell();
    expect(world.view.machines[0]?.phase).toBe('ready');
    expect(world.plan.waitingOn).toContainEqual(expect.objectContaining({ code: 'api-server', since: world.now }));
    world.intercept = () => false;
    world.forgetTold();
    world.relay.kubernetes.tell();
    world.runToPhase('running');
  });

  test('[CL2] what was said of a node before its machine was taken is not said of the new one', () => {
    const world = new World(machines(2)).create(aCluster().withControlPlane(1).withWorkers(1).accepted());
    for (const { hostname } of machines(2)) {
      const node = { name: hostname, present: true, ready: true, role: 'worker', providerId: null } as const;
      const more = { internalIp: null, kubeletVersion: 'v1.36.2', reason: '' };
      world.give({ kind: 'observed', at: world.now, fact: { kind: 'node', ...node, ...more } });
    }
    expect(Object.keys(world.state?.nodes ?? {})).toHaveLength(2);
    world.run(() => world.state?.filledAt != null);
    expect(world.state?.nodes).toEqual({});
    world.runToPhase('running');
  });

  test('[MA15] a control plane that is silent before the cluster was whole is lost, whatever its nodes last said', () => {
    const world = new World(machines(8)).create(aCluster().withControlPlane(3).accepted());
    world.run(() => world.view.machines[0]?.phase === 'ready');
    world.relay.kubernetes.powerOff(world.view.machines[0]?.systemId ?? '');
    world.run(() => world.state?.api?.ready === false);
    expect(world.view.machines[0]?.phase).toBe('ready');
    world.runToPhase('failed', 2 * TEST_WAITS.joinDeadlineMs + 1_000);
    expect(world.view.failure).toMatchObject({ code: 'CONTROL_PLANE_LOST', message: expect.stringContaining('API') });
  });
});
