import { describe, expect, test } from 'vitest';
import { applyEvent } from '../../functions/plan/apply-event.ts';
import { currentMachines, isReady } from '../../functions/plan/cluster-state.ts';
import { aCluster, machines } from '../support/builders.ts';
import { World } from './world.ts';

function running(size = 1, spare = 4): World {
  const world = new World(machines(size + spare)).create(aCluster().ofGateway(size).accepted());
  world.runToPhase('running');
  world.gateway.leave();
  return world;
}

const resize = (world: World, size: number) => world.give({ kind: 'resized', at: world.now, size });

describe('a gateway that grows', () => {
  test('[GW6] from 1 to 3 by exactly two machines, one after another, and the first is not touched', () => {
    const world = running();
    const first = world.state?.machines[0];
    const sent = world.sent.length;
    resize(world, 3);
    expect(world.phases.at(-1)).toBe('updating');
    let most = 0;
    world.run(() => {
      const { state } = world;
      if (state === null) return false;
      const begun = currentMachines(state).filter((one) => !isReady(state, one) || one.relay?.activeAt == null);
      most = Math.max(most, begun.length);
      return world.phases.at(-1) === 'running';
    });
    expect(most).toBe(1);
    expect(world.phases).toEqual(['pending', 'provisioning', 'running', 'updating', 'running']);
    const after = world.sent.slice(sent);
    expect(after.filter(({ body }) => body.verb === 'ensure-allocated').map(({ subject }) => subject)).toEqual([
      'gateway-1.1',
      'gateway-2.1',
    ]);
    expect(after.filter(({ subject }) => subject.startsWith('gateway-0'))).toEqual([]);
    const { relay: _now, ...kept } = world.state?.machines[0] ?? { relay: null };
    const { relay: _then, ...was } = first ?? { relay: null };
    expect({ ...kept, maas: null }).toEqual({ ...was, maas: null });
    expect(world.maas.held()).toHaveLength(3);
    expect(world.plan).toMatchObject({ waitingOn: [], wakeAt: null });
  });

  test('[GW6] the timeline tells from where to where, and when it is there', () => {
    const world = running();
    resize(world, 3);
    world.runToPhase('running');
    expect(world.lines.filter((line) => line.includes('gateway grow') || line.includes('has grown'))).toEqual([
      'The gateway grows from 1 to 3 machines.',
      'The gateway has grown to 3 machines.',
    ]);
    expect(world.lines).toContain('The cluster is updating.');
  });

  test('[GW6] the third machine is not claimed before etcd calls the second healthy', () => {
    const world = running();
    world.relay.kubernetes.tellsEtcd = false;
    world.observe({ kind: 'etcd-members', members: [{ id: 'a', name: 'a', healthy: true, learner: false }] });
    resize(world, 3);
    world.run(() => world.view.machines.some(({ slot, phase }) => slot === 'gateway-1' && phase === 'ready'));
    world.pass(90_000);
    expect(world.sentVerbs('ensure-allocated').map(({ subject }) => subject)).toEqual(['gateway-0.1', 'gateway-1.1']);
    expect(world.plan.waitingOn).toMatchObject([{ code: 'waiting-turn', slot: 'gateway-2' }]);
    expect(world.plan.waitingOn[0]?.sentence).toContain('etcd to have 2 members');
    world.relay.kubernetes.tellsEtcd = true;
    world.relay.kubernetes.tell();
    world.runToPhase('running');
  });

  test('[GW6] the third machine is not claimed before the relay of the second was active', () => {
    const world = running();
    resize(world, 3);
    world.run(() => world.sentVerbs('ensure-deployed').length === 2);
    const second = world.view.machines[1]?.systemId ?? '';
    world.maas.fates.set(second, 'relay-never-pairs');
    world.run(() => world.view.machines.some(({ slot, phase }) => slot === 'gateway-1' && phase === 'ready'));
    world.pass(60_000);
    expect(world.sentVerbs('ensure-allocated')).toHaveLength(2);
    expect(world.plan.waitingOn.map(({ code, slot }) => [code, slot])).toEqual([
      ['RELAY_MISSING', 'gateway-1'],
      ['waiting-turn', 'gateway-2'],
    ]);
    world.runToPhase('running');
    expect(world.view.machines.map(({ attempt }) => attempt)).toEqual([1, 2, 1]);
  });

  test('[GW6] it waits for machines without an end, and carries on when MAAS has some', () => {
    const world = running(1, 1);
    resize(world, 3);
    world.run(() => world.plan.waitingOn.some(({ code }) => code === 'no-matching-machine'));
    world.pass(2 * 3_600_000);
    expect(world.phases.at(-1)).toBe('updating');
    world.maas.set('m-09', { ...world.maas.get('m-09'), status: 'ready', zone: 'az1' });
    world.runToPhase('running');
    expect(world.maas.held()).toHaveLength(3);
  });

  test('[GW6] a size that is not larger changes nothing, nor does the same again', () => {
    const world = running(3);
    for (const size of [1, 3]) {
      const after = applyEvent(world.state, { kind: 'resized', at: world.now, size });
      expect({ ...after, ignored: 0 }).toEqual({ ...world.state, ignored: 0 });
    }
    const grown = running(1);
    resize(grown, 3);
    const { generation } = grown.state ?? { generation: 0 };
    resize(grown, 3);
    expect(grown.state?.generation).toBe(generation);
    expect(grown.state?.growing).toMatchObject({ from: 1, to: 3 });
  });

  test('[GW6] a machine that fails while the gateway grows is replaced, and one lost later one at a time', () => {
    const world = running();
    resize(world, 3);
    world.run(() => world.sentVerbs('ensure-deployed').length === 2);
    world.maas.fates.set(world.view.machines[1]?.systemId ?? '', 'fails-bootstrap');
    world.runToPhase('running');
    expect(world.view.machines.map(({ attempt }) => attempt)).toEqual([1, 2, 1]);
    const lost = world.view.machines[0]?.systemId ?? '';
    world.relay.kubernetes.powerOff(lost);
    world.maas.set(lost, { status: 'broken' });
    world.relay.noticed(lost);
    world.runToPhase('degraded');
    world.runToPhase('running');
    expect(world.view.machines.map(({ attempt }) => attempt)).toEqual([2, 2, 1]);
  });

  test('[GW6] without its old machines it is degraded, not updating', () => {
    const world = running();
    resize(world, 3);
    const name = world.view.machines[0]?.hostname ?? '';
    const node = { providerId: null, internalIp: null, kubeletVersion: '', role: 'control-plane' as const };
    world.observe({ kind: 'node', name, present: true, ready: false, reason: 'KubeletNotReady', ...node });
    expect(world.phases.at(-1)).toBe('degraded');
  });
});
