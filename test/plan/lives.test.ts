import { describe, expect, test } from 'vitest';
import { aCluster, machines } from '../support/builders.ts';
import { World } from './world.ts';

const SIZES = [
  [1, 0],
  [1, 1],
  [3, 0],
  [3, 4],
  [5, 2],
  [7, 60],
] as const;

describe('whole lives', () => {
  test.each(SIZES)('[CL10] %i control planes and %i workers run, and deletion leaves nothing', (size, workers) => {
    const accepted = aCluster().withControlPlane(size, { allowWorkloads: true }).withWorkers(workers).accepted();
    const world = new World(machines(size + workers + 2)).create(accepted);
    world.runToPhase('running');
    expect(world.phases).toEqual(['pending', 'provisioning', 'running']);
    expect(world.view.machines.filter(({ phase }) => phase === 'ready')).toHaveLength(size + workers);
    expect(world.plan.waitingOn).toEqual([]);
    expect(world.plan.wakeAt).toBeNull();
    world.delete();
    world.runToPhase('deleted');
    expect(world.maas.held()).toEqual([]);
    expect(world.maas.addresses.size).toBe(0);
    expect(world.relay.watch?.machines ?? []).toEqual([]);
  });

  test('[CP1] one machine begins the control plane, whatever the order of boots', () => {
    const world = new World(machines(8)).create(aCluster().withControlPlane(3).withWorkers(1).accepted());
    world.runToPhase('running');
    expect(world.relay.kubernetes.begun).toHaveLength(1);
  });

  test.each(['outcome', 'fact'] as const)(
    '[CP11] a document that was fetched is withdrawn at once: told by the %s',
    (told) => {
      const world = new World(machines(4)).create(aCluster().withControlPlane(1).accepted());
      const machine = () => world.state?.machines[0];
      // What tells of it comes alone.
      world.intercept = (event) => event.kind === 'command-settled' && event.commandId.includes('/ensure-bootstrap/');
      world.run(() => world.sentVerbs('ensure-bootstrap').length > 0 && machine()?.enrolled != null);
      const { commandId = null } = world.sentVerbs('ensure-bootstrap')[0] ?? {};
      const { claim, held } = machine() ?? {};
      if (commandId === null || claim === undefined || held == null) throw new Error('no document was sent');
      expect(world.relay.withdrawn).not.toContain(commandId);
      world.intercept = () => false;
      const value = { verb: 'ensure-bootstrap', fetchedAt: world.now } as const;
      if (told === 'outcome')
        world.give({ kind: 'command-settled', at: world.now, commandId, outcome: { ok: true, value } });
      else
        world.give({
          kind: 'observed',
          at: world.now,
          fact: { kind: 'document-fetched', claim, systemId: held.systemId },
        });
      expect(machine()?.document?.fetchedAt).toBe(world.now);
      expect(world.relay.withdrawn).toContain(commandId);
      expect(Object.values(world.state?.pending ?? {}).map((pending) => pending.commandId)).not.toContain(commandId);
    },
  );

  test('[CP3] control planes join one after another: no two documents are out at once', () => {
    const world = new World(machines(8)).create(aCluster().withControlPlane(5).accepted());
    let most = 0;
    world.run(() => {
      const begun = world.view.machines.filter(({ phase }) => phase === 'bootstrapping' || phase === 'joining');
      most = Math.max(most, begun.length);
      return world.phases.at(-1) === 'running';
    });
    expect(most).toBe(1);
  });

  test('[CP3] while etcd calls a member unhealthy or a learner, nobody joins', () => {
    const world = new World(machines(8));
    world.relay.kubernetes.tellsEtcd = false;
    world.create(aCluster().withControlPlane(5).accepted());
    world.run(() => world.view.machines.filter(({ phase }) => phase === 'ready').length === 2);
    const members = (learner: boolean, healthy: boolean) => ({
      kind: 'etcd-members' as const,
      members: [...world.relay.kubernetes.members.keys()].map((name, index) => ({
        id: name,
        name,
        learner: learner && index === 1,
        healthy: healthy || index === 0,
      })),
    });
    for (const fact of [members(true, true), members(false, false)]) {
      world.observe(fact);
      world.pass(90_000);
      expect(world.sentVerbs('ensure-bootstrap')).toHaveLength(2);
    }
    world.relay.kubernetes.tellsEtcd = true;
    world.observe(members(false, true));
    world.runToPhase('running');
  });

  test('[CL7] the identity is asked for at once, and no document is handed out without it', () => {
    const world = new World(machines(4));
    let given = false;
    world.relay.answer = ({ body }) =>
      body.verb === 'ensure-identity' && !given
        ? { ok: false, error: { code: 'RELAY_BUG', detail: 'not yet' } }
        : undefined;
    world.create(aCluster().withControlPlane(1).withWorkers(1).accepted());
    expect(world.sent.map(({ body }) => body.verb)).toEqual(['ensure-identity', 'observe-inventory']);
    world.run(() => world.view.machines.every(({ phase }) => phase === 'enrolled'));
    world.pass(30_000);
    expect(world.sentVerbs('ensure-bootstrap')).toEqual([]);
    given = true;
    world.runToPhase('running');
  });

  test('[CL8] one inventory serves a quiet life, and is not kept', () => {
    const world = new World(machines(4)).create(aCluster().withControlPlane(1).withWorkers(1).accepted());
    world.runToPhase('running');
    expect(world.sentVerbs('observe-inventory')).toHaveLength(1);
    expect(world.state?.inventory).toBeNull();
  });

  test('[CP3] without word of etcd, Ready nodes have to do after a while', () => {
    const world = new World(machines(8));
    world.relay.kubernetes.tellsEtcd = false;
    world.create(aCluster().withControlPlane(3).accepted()).runToPhase('running');
    expect(world.view.machines.every(({ phase }) => phase === 'ready')).toBe(true);
  });

  test('[WK1] workers join at once when the API answers, beside the control planes', () => {
    const world = new World(machines(9)).create(aCluster().withControlPlane(3).withWorkers(4).accepted());
    world.run(() => world.sentVerbs('ensure-bootstrap').length >= 5);
    const subjects = world.sentVerbs('ensure-bootstrap').map(({ subject }) => subject);
    expect(subjects).toEqual(['cp-0.1', 'workers-0.1', 'workers-1.1', 'workers-2.1', 'workers-3.1']);
  });

  test('[CL9] layers are applied in order: network, our rights, then the rest', () => {
    const world = new World(machines(4)).create(aCluster().withControlPlane(1).withWorkers(1).accepted());
    world.runToPhase('running');
    expect(world.relay.kubernetes.applied).toEqual(['flannel', 'slipway-admins']);
  });

  test('[CL10] Ready nodes are not enough: a layer that is refused keeps the cluster provisioning', () => {
    const world = new World(machines(4));
    let refused = true;
    world.relay.answer = ({ body }) =>
      refused && body.verb === 'ensure-applied' && body.name === 'slipway-admins'
        ? { ok: false, error: { code: 'KUBERNETES_REFUSED', status: 403, reason: 'Forbidden', detail: 'not yet' } }
        : undefined;
    world.create(aCluster().withControlPlane(1).withWorkers(1).accepted());
    world.run(() => world.view.machines.every(({ phase }) => phase === 'ready'));
    world.pass(60_000);
    expect(world.phases.at(-1)).toBe('provisioning');
    refused = false;
    world.runToPhase('running');
  });

  test('[CL4] nothing is sent twice: every command of a quiet life is the first attempt, but for the watch', () => {
    const world = new World(machines(6)).create(aCluster().withControlPlane(3).withWorkers(2).accepted());
    world.runToPhase('running');
    const again = world.sent.filter(({ attempt, body }) => attempt > 1 && body.verb !== 'observe-cluster');
    expect(again).toEqual([]);
    expect(new Set(world.sent.map(({ commandId }) => commandId)).size).toBe(world.sent.length);
    expect(world.sentVerbs('observe-cluster').length).toBeLessThanOrEqual(2);
  });

  test('[MA8] machines are deployed only when all are held, then all at once', () => {
    const world = new World(machines(6)).create(aCluster().withControlPlane(3).withWorkers(2).accepted());
    world.run(() => world.sentVerbs('ensure-deployed').length > 0);
    expect(world.maas.held()).toHaveLength(5);
    expect(world.sentVerbs('ensure-deployed')).toHaveLength(5);
  });

  test('[MA8] never more deploys in flight than the gateway’s bound', () => {
    const world = new World(machines(70)).create(aCluster().withControlPlane(1).withWorkers(65).accepted());
    world.run(() => world.sentVerbs('ensure-deployed').length > 0);
    expect(world.sentVerbs('ensure-deployed')).toHaveLength(50);
    world.runToPhase('running');
  });

  test('[CL11] the watch is sent again only when what it watches changes', () => {
    const world = new World(machines(4)).create(aCluster().withControlPlane(1).withWorkers(1).accepted());
    world.runToPhase('running');
    const bodies = world.sentVerbs('observe-cluster').map(({ body }) => JSON.stringify(body));
    expect(new Set(bodies).size).toBe(bodies.length);
  });

  test('[WA3] the timeline tells the life in plain sentences', () => {
    const world = new World(machines(3)).create(aCluster().withControlPlane(1).withWorkers(1).accepted());
    world.runToPhase('running');
    expect(world.lines[0]).toBe('Cluster demo accepted.');
    expect(world.lines).toContain('The Kubernetes API answers.');
    expect(world.lines.at(-1)).toBe('The cluster is running.');
    expect(world.lines.filter((line) => line.includes('step kubeadm-join succeeded'))).toHaveLength(1);
  });
});
