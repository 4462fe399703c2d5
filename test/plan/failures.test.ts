import { describe, expect, test } from 'vitest';
import { aCluster, machines, TEST_WAITS } from '../support/builders.ts';
import { World } from './world.ts';
import type { Fate } from './world-maas.ts';

/** A world in which the machine that takes `slot` first has `fate`. */
function withFate(slot: string, fate: Fate, size = 1, workers = 1, spare = 4): World {
  const world = new World(machines(size + workers + spare));
  world.create(aCluster().withControlPlane(size, { allowWorkloads: true }).withWorkers(workers).accepted());
  world.run(() => world.sentVerbs('ensure-allocated').length > 0);
  for (const { body } of world.sentVerbs('ensure-allocated')) {
    if (body.verb === 'ensure-allocated' && body.claim.includes(`/${slot}/`)) {
      world.maas.fates.set(body.candidates[0] ?? '', fate);
    }
  }
  return world;
}

const REPLACED: [Fate, string][] = [
  ['fails-deploying', 'MACHINE_FAILED'],
  ['never-boots', 'DEPLOY_TIMEOUT'],
  ['never-enrols', 'DEPLOY_TIMEOUT'],
  ['fails-bootstrap', 'BOOTSTRAP_FAILED'],
  ['never-ready', 'JOIN_TIMEOUT'],
  ['facts-differ', 'FACTS_MISMATCH'],
];

describe('machines that fail', () => {
  test.each(REPLACED)('[MA9] a worker that %s is given back, remembered and replaced', (fate) => {
    const world = withFate('workers-0', fate);
    world.runToPhase('running');
    const worker = world.view.machines.find(({ slot }) => slot === 'workers-0');
    expect(worker).toMatchObject({ attempt: 2, phase: 'ready' });
    expect(Object.keys(world.state?.quarantine ?? {})).toHaveLength(1);
    world.pass(60_000);
    expect(world.maas.held()).toHaveLength(2);
    world.delete();
    world.runToPhase('deleted');
    expect(world.maas.held()).toEqual([]);
  });

  test.each(REPLACED.filter(([fate]) => fate !== 'never-ready'))(
    '[CP2] a first control plane that %s before the API ever answered is replaced without ceremony',
    (fate) => {
      const world = withFate('cp-0', fate, 3, 1);
      world.runToPhase('running');
      expect(world.view.machines.find(({ slot }) => slot === 'cp-0')?.attempt).toBe(2);
      expect(world.sentVerbs('ensure-member-removed')).toEqual([]);
      expect(world.relay.kubernetes.begun).toHaveLength(1);
    },
  );

  test.each(REPLACED)(
    '[CP5] a later control plane that %s leaves etcd and Kubernetes before its successor joins',
    (fate) => {
      const world = withFate('cp-1', fate, 3, 1);
      world.runToPhase('running');
      expect(world.view.machines.find(({ slot }) => slot === 'cp-1')?.attempt).toBe(2);
      const order = world.sent.map(({ subject, body }) => `${subject} ${body.verb}`);
      const removed = order.indexOf('cp-1.1 ensure-node-removed');
      if (removed >= 0) expect(removed).toBeLessThan(order.indexOf('cp-1.2 ensure-bootstrap'));
      expect([...world.relay.kubernetes.members.values()]).toEqual([true, true, true]);
    },
  );

  test('[MA9] a machine that finds no relay, as after its only one has moved, is said to seek one, and its successor is deployed anew', () => {
    const world = withFate('workers-0', 'never-enrols');
    const wait = () => world.view.waitingOn.find(({ slot }) => slot === 'workers-0');
    world.run(() => wait()?.sentence.includes('to enrol') ?? false);
    expect(wait()?.sentence).toMatch(
      /^Waiting for workers-0 \(.*\) to enrol: MAAS has deployed it, and it has reached no relay of the gateway yet, \d+ of at most 8 minutes\.$/,
    );
    expect(wait()?.deadlineAt).toBeGreaterThan(world.now);
    world.runToPhase('running');
    const claims = world.sent.flatMap(({ body }) =>
      body.verb === 'ensure-deployed' && body.claim.includes('/workers-0/') ? [body.claim] : [],
    );
    expect(new Set(claims).size).toBe(2);
    expect(world.timeline.map(({ message }) => message).join('\n')).toContain(
      'reached no relay of the gateway within 8 minutes',
    );
  });

  test('[MA14] after three machines in one slot the cluster fails, keeps everything, and says what to do', () => {
    const world = new World(machines(8));
    world.create(aCluster().withControlPlane(1).withWorkers(1).accepted());
    for (const id of world.maas.machines.keys()) world.maas.fates.set(id, 'fails-deploying');
    world.runToPhase('failed');
    expect(world.view.failure?.code).toBe('MACHINE_FAILED');
    expect(world.view.failure?.message).toMatch(/3 machines failed in slot .*curtin failed.*abort/i);
    expect(world.maas.held().length).toBeGreaterThan(0);
    world.abort();
    world.runToPhase('deleted');
    expect(world.maas.held()).toEqual([]);
  });

  test('[MA10] a machine that somebody else took in MAAS is replaced, and theirs is not touched', () => {
    const world = withFate('workers-0', 'fails-deploying');
    world.maas.fates.clear();
    world.runToPhase('running');
    const stolen = world.view.machines.find(({ slot }) => slot === 'workers-0')?.systemId ?? '';
    world.maas.set(stolen, { owner: 'somebody', claim: null });
    world.relay.kubernetes.powerOff(stolen);
    world.relay.noticed(stolen);
    world.runToPhase('degraded').runToPhase('running');
    world.pass(60_000);
    expect(world.maas.get(stolen)).toMatchObject({ owner: 'somebody', status: 'deployed' });
    expect(world.view.machines.find(({ slot }) => slot === 'workers-0')?.attempt).toBe(2);
  });

  test('[MA10] one stale look at MAAS proves nothing', () => {
    const world = new World(machines(4)).create(aCluster().withControlPlane(1).withWorkers(1).accepted());
    world.runToPhase('running');
    const id = world.view.machines[1]?.systemId ?? '';
    const facts = world.maas.get(id);
    world.maas.set(id, { status: 'ready', owner: null, claim: null });
    world.relay.noticed(id);
    world.pass(TEST_WAITS.retryMsMin);
    world.maas.set(id, facts);
    world.relay.noticed(id);
    world.pass(60_000);
    expect(world.view.machines[1]).toMatchObject({ systemId: id, attempt: 1, phase: 'ready' });
  });

  test('[CP6] a dead member of three is removed and replaced while the cluster runs', () => {
    const world = new World(machines(8)).create(aCluster().withControlPlane(3).withWorkers(2).accepted());
    world.runToPhase('running');
    const dead = world.view.machines.find(({ slot }) => slot === 'cp-0')?.systemId ?? '';
    world.relay.kubernetes.powerOff(dead);
    world.maas.set(dead, { status: 'broken', errorDescription: 'no power' });
    world.relay.noticed(dead);
    world.runToPhase('degraded').runToPhase('running');
    expect(world.relay.kubernetes.begun).toHaveLength(1);
    expect([...world.relay.kubernetes.members.values()]).toEqual([true, true, true]);
    const cp0 = world.sentVerbs('ensure-bootstrap').filter(({ subject }) => subject.startsWith('cp-0'));
    expect(cp0).toHaveLength(2);
  });

  test('[CP5] a member goes back to MAAS only after it left etcd', () => {
    const world = new World(machines(8)).create(aCluster().withControlPlane(3).accepted());
    world.runToPhase('running');
    const dead = world.view.machines[1]?.systemId ?? '';
    world.relay.answer = ({ body }) =>
      body.verb === 'ensure-member-removed'
        ? { ok: false, error: { code: 'KUBERNETES_UNREACHABLE', detail: 'not now' } }
        : undefined;
    world.maas.set(dead, { status: 'broken' });
    world.relay.noticed(dead);
    world.pass(60_000);
    expect(world.sentVerbs('ensure-member-removed').length).toBeGreaterThan(1);
    expect(world.sentVerbs('ensure-released')).toEqual([]);
    expect(world.sentVerbs('ensure-node-removed')).toEqual([]);
    world.relay.answer = () => undefined;
    world.runToPhase('running');
    expect(world.maas.get(dead).owner).toBeNull();
  });

  test('[CP7] no member is taken away while quorum would not hold', () => {
    const world = new World(machines(8)).create(aCluster().withControlPlane(3).withWorkers(1).accepted());
    world.runToPhase('running');
    const [first, second] = world.view.machines.map(({ systemId }) => systemId ?? '');
    for (const id of [first ?? '', second ?? '']) {
      world.relay.kubernetes.powerOff(id);
      world.maas.set(id, { status: 'broken' });
    }
    world.pass(5_000);
    for (const id of [first ?? '', second ?? '']) world.relay.noticed(id);
    world.pass(600_000);
    expect(world.sentVerbs('ensure-member-removed').length).toBeLessThanOrEqual(1);
    expect(world.phases.at(-1)).toBe('degraded');
    expect(world.plan.waitingOn.some(({ sentence }) => /quorum|removed/.test(sentence))).toBe(true);
  });

  test('[CP7] a single control plane that dies after the API answered can’t be replaced, and says so', () => {
    const world = withFate('cp-0', 'never-ready', 1, 1);
    world.runToPhase('failed');
    expect(world.view.failure?.code).toBe('CONTROL_PLANE_LOST');
  });

  test('[WK2] a lost worker is removed from Kubernetes and given back at the same time', () => {
    const world = new World(machines(5)).create(aCluster().withControlPlane(1).withWorkers(2).accepted());
    world.runToPhase('running');
    const lost = world.view.machines.find(({ slot }) => slot === 'workers-1')?.systemId ?? '';
    world.relay.kubernetes.powerOff(lost);
    world.maas.set(lost, { status: 'broken' });
    world.relay.noticed(lost);
    world.runToPhase('running');
    expect(world.relay.kubernetes.nodes.has(`node-${lost}`)).toBe(false);
    expect(world.maas.get(lost).owner).toBeNull();
  });

  test('[MA12] a node that is not Ready makes the cluster degraded, and is waited for', () => {
    const world = new World(machines(4)).create(aCluster().withControlPlane(1).withWorkers(1).accepted());
    world.runToPhase('running');
    const node = world.relay.kubernetes.nodes.get(world.view.machines[1]?.hostname ?? '');
    if (node === undefined) throw new Error('no node');
    node.ready = false;
    world.relay.kubernetes.tell();
    expect(world.phases.at(-1)).toBe('degraded');
    expect(world.plan.waitingOn).toMatchObject([{ code: 'node-not-ready', slot: 'workers-0' }]);
    world.pass(3_600_000);
    expect(world.view.machines[1]?.attempt).toBe(1);
    node.ready = true;
    world.relay.kubernetes.tell();
    expect(world.phases.at(-1)).toBe('running');
  });

  test('[MA15] a node lost before the cluster was whole is replaced when it stays away', () => {
    const world = new World(machines(8)).create(aCluster().withControlPlane(5).accepted());
    // The fourth of five: without it etcd keeps its quorum, so it may be taken away.
    const fourth = () => world.view.machines.find(({ slot }) => slot === 'cp-3');
    world.run(() => fourth()?.phase === 'ready');
    expect(world.state?.provisionedAt).toBeNull();
    const lost = fourth();
    world.relay.kubernetes.powerOff(lost?.systemId ?? '');
    world.runToPhase('running');
    expect(world.view.machines.find(({ slot }) => slot === lost?.slot)).toMatchObject({ attempt: 2, phase: 'ready' });
  });

  test('[CP4] nobody joins while a member is on its way out', () => {
    const world = new World(machines(9)).create(aCluster().withControlPlane(5).accepted());
    world.run(() => world.view.machines.filter(({ phase }) => phase === 'ready').length === 3);
    const dead = world.view.machines.find(({ slot }) => slot === 'cp-1')?.systemId ?? '';
    let removed = false;
    world.relay.answer = ({ body }) =>
      body.verb === 'ensure-node-removed' && !removed
        ? { ok: false, error: { code: 'KUBERNETES_UNREACHABLE', detail: 'not now' } }
        : undefined;
    world.relay.kubernetes.powerOff(dead);
    world.maas.set(dead, { status: 'broken' });
    world.pass(2_000);
    world.relay.noticed(dead);
    const before = world.sentVerbs('ensure-bootstrap').length;
    world.pass(100_000);
    expect(world.sentVerbs('ensure-bootstrap').length).toBe(before);
    removed = true;
    world.runToPhase('running');
  });

  test('[MA11] a person at work on a machine is waited for', () => {
    const world = new World(machines(4)).create(aCluster().withControlPlane(1).withWorkers(1).accepted());
    world.runToPhase('running');
    const id = world.view.machines[1]?.systemId ?? '';
    for (const status of [
      'entering-rescue-mode',
      'rescue-mode',
      'exiting-rescue-mode',
      'testing',
      'deployed',
    ] as const) {
      world.maas.set(id, { status });
      world.relay.noticed(id);
      world.pass(60_000);
    }
    expect(world.view.machines[1]).toMatchObject({ systemId: id, attempt: 1 });
  });

  test('[MA13] a machine that failed is left alone for an hour, and twice as long the next time', () => {
    const world = withFate('workers-0', 'fails-deploying', 1, 1, 0);
    const bad = world.sentVerbs('ensure-allocated').find(({ subject }) => subject === 'workers-0.1')?.body;
    if (bad?.verb !== 'ensure-allocated') throw new Error('no allocate');
    const id = bad.candidates[0] ?? '';
    world.run(() => world.state?.quarantine[id] !== undefined);
    const first = world.state?.quarantine[id]?.until ?? 0;
    expect(first - world.now).toBe(3_600_000);
    world.run(() => world.plan.waitingOn.some(({ sentence }) => sentence.includes('not in quarantine')));
    expect(world.maas.get(id).owner).toBeNull();
  });

  test('[MA14] a cluster that ran is not failed by bad machines: it stays degraded and tries again a day later', () => {
    const world = new World(machines(9)).create(aCluster().withControlPlane(1).withWorkers(1).accepted());
    world.runToPhase('running');
    for (const id of world.maas.machines.keys()) world.maas.fates.set(id, 'fails-deploying');
    const lost = world.view.machines[1]?.systemId ?? '';
    world.maas.set(lost, { status: 'broken' });
    world.relay.kubernetes.powerOff(lost);
    world.relay.noticed(lost);
    world.pass(3_600_000);
    expect(world.phases.at(-1)).toBe('degraded');
    expect(world.view.machines[1]?.attempt).toBe(3);
    world.maas.fates.clear();
    world.runToPhase('running', 26 * 3_600_000);
  });
});
