import { describe, expect, test } from 'vitest';
import { applyEvent } from '../../functions/plan/apply-event.ts';
import { ClusterEvent } from '../../functions/plan/cluster-event.ts';
import { ClusterState, currentMachines } from '../../functions/plan/cluster-state.ts';
import { mayChangeMachines } from '../../functions/plan/may-change-machines.ts';
import type { MachinesRelease } from '../../shared/release.ts';
import { aCluster, machines } from '../support/builders.ts';
import { change, NOW, onlyOf, release, roll, running, stateOf, watched } from './rollout-world.ts';
import { World } from './world.ts';

/** What kubeadm’s record said when each of the machines joined. */
const joinedAt = (world: World) =>
  world.view.machines.map(({ hostname }) => world.relay.kubernetes.joinedAt.get(hostname ?? ''));

describe('another image or Kubernetes for a gateway', () => {
  test('[RO4] [RO5] three machines are replaced one after another, and never is more than one away', () => {
    const world = running(3, 1);
    const seen = watched(world);
    roll(world, { kubernetesVersion: 'v1.36.3' });
    expect(world.phases.at(-1)).toBe('updating');
    world.runToPhase('running');
    expect(world.phases).toEqual(['pending', 'provisioning', 'running', 'updating', 'running']);
    expect(world.view.machines.map(({ slot, attempt }) => [slot, attempt])).toEqual([
      ['gateway-0', 2],
      ['gateway-1', 2],
      ['gateway-2', 2],
    ]);
    expect([seen.fewest(), seen.most(), seen.fewestRelays()]).toEqual([2, 3, 2]);
    expect(world.relay.kubernetes.begun).toHaveLength(1);
    expect([...world.relay.kubernetes.members.values()]).toEqual([true, true, true]);
    world.pass(60_000);
    expect(world.maas.held()).toHaveLength(3);
    expect(world.plan).toMatchObject({ waitingOn: [], wakeAt: null });
  });

  test('[RO4] one machine is joined by its successor before it goes, and the slot stays the same', () => {
    const world = running(1, 1);
    const seen = watched(world);
    roll(world, { image: 'ubuntu/plucky' });
    world.run(() => world.view.machines.length === 2);
    expect(world.view.machines.map(({ slot }) => slot)).toEqual(['gateway-0', 'gateway-0']);
    world.runToPhase('running');
    expect(world.phases).toEqual(['pending', 'provisioning', 'running', 'updating', 'running']);
    expect(world.view.machines.map(({ slot, attempt }) => [slot, attempt])).toEqual([['gateway-0', 2]]);
    expect([seen.fewest(), seen.most(), seen.fewestRelays()]).toEqual([1, 2, 1]);
    expect(world.relay.kubernetes.begun).toHaveLength(1);
    const deployed = world.sentVerbs('ensure-deployed').map(({ body }) => 'image' in body && body.image);
    expect(deployed).toEqual(['ubuntu/noble', 'ubuntu/plucky']);
    world.pass(60_000);
    expect(world.maas.held()).toHaveLength(1);
    expect(world.plan).toMatchObject({ waitingOn: [], wakeAt: null });
  });

  test('[RO5] a machine that goes is drained, leaves Kubernetes, then etcd, and then MAAS is asked', () => {
    const world = running(3, 1);
    roll(world, { image: 'ubuntu/plucky' });
    world.runToPhase('running');
    const verbs = world.sent.flatMap(({ subject, body }) => (subject === 'gateway-1.1' ? [body] : [])).slice(-3);
    expect(verbs.map(({ verb }) => verb)).toEqual(['ensure-node-removed', 'ensure-member-removed', 'ensure-released']);
    expect(verbs[0]).toMatchObject({ drain: true });
    expect(world.gateway.revoked).toHaveLength(3);
  });

  test('[RO5] pods that may not be evicted hold it up, and nothing else goes meanwhile', () => {
    const world = running(3, 1);
    const detail = '1 pods are still on node-m-01 (default/db-0): a disruption budget holds them, or they do not end';
    world.relay.answer = ({ body }) =>
      body.verb === 'ensure-node-removed' && body.drain
        ? { ok: false, error: { code: 'DRAIN_BLOCKED', pods: ['default/db-0'], detail } }
        : undefined;
    roll(world, { image: 'ubuntu/plucky' });
    world.pass(3_600_000);
    expect(world.sentVerbs('ensure-member-removed')).toEqual([]);
    expect(world.sentVerbs('ensure-released')).toEqual([]);
    expect(world.view.machines.map(({ phase }) => phase)).toEqual(['draining', 'ready', 'ready']);
    expect(world.phases.at(-1)).toBe('updating');
    const wait = world.plan.waitingOn.find(({ code }) => code === 'DRAIN_BLOCKED');
    expect(wait?.sentence).toContain('default/db-0');
    world.relay.answer = () => undefined;
    world.runToPhase('running');
  });

  test('[RO3] Kubernetes is told before the first machine goes or joins, and not when its version stays', () => {
    const world = running(3, 1);
    let isRefused = true;
    world.relay.answer = ({ body }) =>
      isRefused && body.verb === 'ensure-kubernetes-version'
        ? { ok: false, error: { code: 'KUBERNETES_UNREACHABLE', detail: 'no answer' } }
        : undefined;
    roll(world, { kubernetesVersion: 'v1.37.0' });
    world.pass(600_000);
    expect(world.state?.machines.some(({ leaving }) => leaving !== null)).toBe(false);
    expect(world.plan.waitingOn.map(({ code }) => code)).toContain('KUBERNETES_UNREACHABLE');
    isRefused = false;
    world.runToPhase('running');
    expect(joinedAt(world)).toEqual(['v1.37.0', 'v1.37.0', 'v1.37.0']);
    const told = world.sentVerbs('ensure-kubernetes-version').length;
    roll(world, { kubernetesVersion: 'v1.37.0', image: 'ubuntu/plucky' });
    world.runToPhase('running');
    expect(world.sentVerbs('ensure-kubernetes-version')).toHaveLength(told);
  });

  test('[RO3] a machine that is lost before Kubernetes was told is not replaced by one of the old version', () => {
    const world = running(3, 1);
    let isRefused = true;
    world.relay.answer = ({ body }) =>
      isRefused && body.verb === 'ensure-kubernetes-version'
        ? { ok: false, error: { code: 'KUBERNETES_UNREACHABLE', detail: 'no answer' } }
        : undefined;
    roll(world, { kubernetesVersion: 'v1.37.0' });
    const lost = world.view.machines[2]?.systemId ?? '';
    world.relay.kubernetes.powerOff(lost);
    world.maas.set(lost, { status: 'broken' });
    world.relay.noticed(lost);
    world.pass(600_000);
    expect(world.sentVerbs('ensure-bootstrap')).toHaveLength(3);
    isRefused = false;
    world.maas.setStatus(lost, 'ready');
    world.runToPhase('running');
    expect(joinedAt(world)).toEqual(['v1.37.0', 'v1.37.0', 'v1.37.0']);
  });

  test('[RO7] the timeline tells that it begins, of each machine, and that it is over; the condition tells how far it is', () => {
    const world = running(3, 1);
    const rolling = () => world.view.conditions.find(({ type }) => type === 'RollingOut');
    expect(rolling()).toMatchObject({ status: 'False' });
    roll(world, { kubernetesVersion: 'v1.36.3' });
    expect(rolling()).toMatchObject({ status: 'True', message: '0 of 3 machines run what is asked.' });
    expect(world.view.kubernetesVersion).toBe('v1.36.3');
    world.runToPhase('running');
    const told = world.lines.filter((line) => /machines? change|is replaced\.|machines run/.test(line));
    expect(told).toEqual([
      'The gateway’s machines change to ubuntu/noble with Kubernetes v1.36.3, one after another.',
      'Machine 1 of 3 is replaced.',
      'Machine 2 of 3 is replaced.',
      'Machine 3 of 3 is replaced.',
      'All of the gateway’s machines run ubuntu/noble with Kubernetes v1.36.3.',
    ]);
  });

  test('[RO1] the same again changes nothing, before, during and after', () => {
    const world = running(3, 1);
    for (const wish of [NOW, release({ image: 'ubuntu/plucky' })]) {
      if (wish !== NOW) roll(world, wish);
      const after = applyEvent(world.state, change(world, wish));
      expect({ ...after, ignored: 0 }).toEqual({ ...world.state, ignored: 0 });
    }
    world.runToPhase('running');
    const { generation } = stateOf(world);
    roll(world, { image: 'ubuntu/plucky' });
    expect(stateOf(world)).toMatchObject({ generation, rolling: null });
  });

  test('[RO1] a parameter of the cluster’s own does not win over what is asked', () => {
    const accepted = aCluster()
      .ofGateway(1)
      .withSpec({ parameters: { ubuntu: { image: 'ubuntu/jammy' } } })
      .accepted();
    const world = new World(machines(2)).create({ ...accepted, cluster: 'gateway' }).runToPhase('running');
    roll(world, { image: 'ubuntu/plucky' });
    world.runToPhase('running');
    expect(world.sentVerbs('ensure-deployed').at(-1)?.body).toMatchObject({ image: 'ubuntu/plucky' });
  });

  test.each<[string, Partial<MachinesRelease>, string | null]>([
    ['a patch ahead', { kubernetesVersion: 'v1.36.9' }, null],
    ['a minor ahead', { kubernetesVersion: 'v1.37.0' }, null],
    ['two minors ahead', { kubernetesVersion: 'v1.38.0' }, 'KUBERNETES_SKEW'],
    ['a patch back', { kubernetesVersion: 'v1.36.1' }, 'KUBERNETES_SKEW'],
    ['a minor back', { kubernetesVersion: 'v1.35.9' }, 'KUBERNETES_SKEW'],
  ])('[RO2] Kubernetes goes one minor ahead at most, and never back: %s', (_what, wish, code) => {
    const world = running(3, 0);
    const may = mayChangeMachines(stateOf(world), release(wish));
    expect(may.ok ? null : may.error.code).toBe(code);
    const after = applyEvent(world.state, change(world, release(wish)));
    expect(after?.rolling === null).toBe(code !== null);
  });

  test('[RO2] refused while it does not run, grows, or ends; a user’s own cluster has no such machines', () => {
    const refusal = (world: World) => {
      const may = mayChangeMachines(stateOf(world), release({ image: 'ubuntu/plucky' }));
      const after = applyEvent(world.state, change(world, release({ image: 'ubuntu/plucky' })));
      expect({ ...after, ignored: 0 }).toEqual({ ...world.state, ignored: 0 });
      return may.ok ? null : may.error.code;
    };
    const early = new World(machines(4)).create(aCluster().ofGateway(3).accepted());
    expect(refusal(early)).toBe('GATEWAY_NOT_HEALTHY');
    const grows = running(1, 2);
    grows.give({ kind: 'resized', at: grows.now, size: 3 });
    expect(refusal(grows)).toBe('GATEWAY_NOT_HEALTHY');
    const degraded = running(3, 0);
    degraded.gateway.set(onlyOf(degraded, 'gateway-1').claim, 'missing');
    expect(refusal(degraded)).toBe('GATEWAY_NOT_HEALTHY');
    degraded.delete();
    expect(refusal(degraded)).toBe('GATEWAY_NOT_HEALTHY');
    const workload = new World(machines(2)).create(aCluster().withControlPlane(1).accepted()).runToPhase('running');
    expect(refusal(workload)).toBe('GATEWAY_WITHOUT_MACHINES');
  });

  test('[RO8] a gateway does not grow while its machines are replaced', () => {
    const world = running(1, 3);
    roll(world, { image: 'ubuntu/plucky' });
    world.give({ kind: 'resized', at: world.now, size: 3 });
    expect(world.state?.growing).toBeNull();
    world.runToPhase('running');
    expect(world.view.machines).toHaveLength(1);
  });

  test('[RO1] a state of before loads, and none of its machines is outdated until something else is asked', () => {
    const world = running(3, 1);
    const { rolling: _rolling, ...before } = stateOf(world);
    const old = before.machines.map(({ revision: _revision, ...machine }) => machine);
    const loaded = ClusterState.parse(JSON.parse(JSON.stringify({ ...before, machines: old })));
    expect(loaded).toMatchObject({ rolling: null });
    expect(loaded.machines.map(({ revision }) => revision)).toEqual([null, null, null]);
    world.state = loaded;
    world.give(null);
    expect(world.plan.effects).toEqual([]);
    roll(world, { kubernetesVersion: 'v1.36.3' });
    world.runToPhase('running');
    expect(world.view.machines.map(({ attempt }) => attempt)).toEqual([2, 2, 2]);
    expect(ClusterEvent.safeParse(change(world, NOW)).success).toBe(true);
    expect(currentMachines(stateOf(world)).every(({ revision }) => revision !== null)).toBe(true);
  });
});
