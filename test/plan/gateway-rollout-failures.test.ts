import { describe, expect, test } from 'vitest';
import { mayGo } from '../../functions/plan/gateway-rollout.ts';
import { aMachine, TEST_WAITS } from '../support/builders.ts';
import { onlyOf, release, roll, running, stateOf, watched } from './rollout-world.ts';
import type { World } from './world.ts';
import type { Fate } from './world-maas.ts';

const FATES: Fate[] = [
  'fails-deploying',
  'never-boots',
  'fails-bootstrap',
  'never-ready',
  'relay-never-pairs',
  'facts-differ',
  'allocate-answer-lost',
];

/** The first machine that is taken from here on. */
function nextTaken(world: World, fate: Fate): void {
  const before = world.sentVerbs('ensure-allocated').length;
  world.run(() => world.sentVerbs('ensure-allocated').length > before);
  const body = world.sentVerbs('ensure-allocated').at(-1)?.body;
  if (body?.verb === 'ensure-allocated') world.maas.fates.set(body.candidates[0] ?? '', fate);
}

function breakInMaas(world: World, systemId: string): void {
  world.relay.kubernetes.powerOff(systemId);
  world.maas.set(systemId, { status: 'broken' });
  world.relay.noticed(systemId);
}

const waitOf = (world: World, code: string) => world.plan.waitingOn.find((wait) => wait.code === code);

describe('a rollout in which things fail', () => {
  test.each(FATES)('[RO6] the successor of three that %s is replaced, and the others serve on', (fate) => {
    const world = running(3, 3);
    const seen = watched(world);
    roll(world, { kubernetesVersion: 'v1.36.3' });
    nextTaken(world, fate);
    world.runToPhase('running');
    expect(world.phases).toEqual(['pending', 'provisioning', 'running', 'updating', 'running']);
    expect([seen.fewest(), seen.most()]).toEqual([2, 3]);
    expect(world.view.machines.map(({ slot }) => slot)).toEqual(['gateway-0', 'gateway-1', 'gateway-2']);
    expect([...world.relay.kubernetes.members.values()]).toEqual([true, true, true]);
  });

  test.each(FATES)(
    '[RO4] [RO6] the successor of the only one that %s is replaced, and the old one serves on',
    (fate) => {
      const world = running(1, 4);
      const seen = watched(world);
      roll(world, { kubernetesVersion: 'v1.36.3' });
      nextTaken(world, fate);
      world.runToPhase('running');
      expect(world.phases).toEqual(['pending', 'provisioning', 'running', 'updating', 'running']);
      expect([seen.fewest(), seen.most()]).toEqual([1, 2]);
      expect(world.relay.kubernetes.begun).toHaveLength(1);
      expect([...world.relay.kubernetes.members.values()]).toEqual([true]);
      world.pass(200_000);
      expect(world.maas.held()).toHaveLength(1);
    },
  );

  test('[RO4] without a spare machine the only one serves on, nothing is held, and it is said what is missing', () => {
    const world = running(1, 0);
    roll(world, { image: 'ubuntu/plucky' });
    world.pass(3 * TEST_WAITS.shortageDeadlineMs);
    expect(world.phases).toEqual(['pending', 'provisioning', 'running', 'updating']);
    expect(world.maas.held()).toEqual(['m-01']);
    expect(world.view.failure).toBeNull();
    expect(waitOf(world, 'no-matching-machine')?.sentence).toMatch(
      /^Waiting for a spare machine to replace gateway-0 \(node-m-01\) with: .*gateway.* It serves until then\.$/,
    );
    expect(world.sentVerbs('ensure-member-removed')).toEqual([]);
    world.maas.machines.set('m-09', aMachine('m-09'));
    world.observe({ kind: 'inventory-changed' });
    world.runToPhase('running');
    expect(world.maas.held()).toHaveLength(2);
    world.pass(60_000);
    expect(world.maas.held()).toEqual(['m-09']);
    expect(world.state?.shortage).toBeNull();
  });

  test('[RO6] when every new machine fails, one slot is out and no further machine goes; something better ends it', () => {
    const world = running(3, 6);
    const seen = watched(world);
    for (const id of world.maas.machines.keys()) world.maas.fates.set(id, 'fails-bootstrap');
    roll(world, { image: 'ubuntu/broken' });
    world.pass(6 * 3_600_000);
    expect(world.phases.at(-1)).toBe('updating');
    expect(seen.fewest()).toBe(2);
    expect(world.view.machines.map(({ attempt }) => attempt)).toEqual([4, 1, 1]);
    expect(waitOf(world, 'replacement-blocked')?.sentence).toContain('too many machines failed here');
    for (const id of world.maas.machines.keys()) world.maas.fates.delete(id);
    roll(world, { image: 'ubuntu/mended' });
    world.runToPhase('running');
    expect(world.view.machines.map(({ attempt }) => attempt)).toEqual([5, 2, 2]);
    const images = world.sentVerbs('ensure-deployed').map(({ body }) => ('image' in body ? body.image : ''));
    expect(images.slice(-3)).toEqual(['ubuntu/mended', 'ubuntu/mended', 'ubuntu/mended']);
    expect(seen.fewest()).toBe(2);
  });

  test('[RO2] [RO4] the only machine whose successor can’t serve stays when its own image is asked for again', () => {
    const world = running(1, 6);
    const old = onlyOf(world, 'gateway-0').claim;
    for (const id of world.maas.machines.keys()) if (id !== 'm-01') world.maas.fates.set(id, 'fails-bootstrap');
    roll(world, { image: 'ubuntu/broken' });
    world.run(() => world.view.machines.length === 2 && world.view.machines[1]?.phase === 'bootstrapping');
    roll(world, {});
    world.runToPhase('running');
    expect(onlyOf(world, 'gateway-0').claim).toBe(old);
    world.pass(60_000);
    expect(world.maas.held()).toHaveLength(1);
  });

  test('[RO6] the machine whose relay is away goes before those that serve', () => {
    const world = running(3, 1);
    roll(world, { image: 'ubuntu/plucky' });
    world.run(() => world.sentVerbs('ensure-allocated').length === 4);
    world.gateway.set(onlyOf(world, 'gateway-2').claim, 'away');
    world.runToPhase('running');
    const order = world.sentVerbs('ensure-member-removed').map(({ subject }) => subject);
    expect(order).toEqual(['gateway-0.1', 'gateway-2.1', 'gateway-1.1']);
  });

  test('[RO5] a new machine whose relay goes away stops the others, and it is said', () => {
    const world = running(3, 1);
    roll(world, { image: 'ubuntu/plucky' });
    world.run(() => world.view.machines[0]?.attempt === 2 && onlyOf(world, 'gateway-0').relay?.status === 'here');
    const { claim } = onlyOf(world, 'gateway-0');
    world.gateway.set(claim, 'away');
    world.pass(3_600_000);
    expect(world.lines).toContain('Machine 1 of 3 is replaced.');
    expect(world.sentVerbs('ensure-member-removed')).toHaveLength(1);
    expect(world.phases.at(-1)).toBe('updating');
    expect(waitOf(world, 'rolling-out')?.sentence).toMatch(
      /^1 of 3 machines run ubuntu\/plucky with Kubernetes v1.36.2\. gateway-1 .* is next, after waiting for gateway-0 .* to serve\.$/,
    );
    world.gateway.set(claim, 'here');
    world.runToPhase('running');
  });

  test('[RO5] a member that etcd does not name yet is no reason to take another away', () => {
    const world = running(3, 1);
    const rolling = { from: release({}), at: world.now, toldAt: world.now };
    const state = { ...stateOf(world), rolling };
    const next = onlyOf(world, 'gateway-1');
    const names = state.machines.map(({ held }) => held?.hostname ?? '');
    const etcd = (all: string[]) => ({
      members: all.map((name) => ({ name, healthy: true, learner: false })),
      at: world.now,
    });
    expect(mayGo({ ...state, etcd: etcd(names) }, next, world.now, TEST_WAITS).ok).toBe(true);
    const stale = mayGo({ ...state, etcd: etcd(['gone', ...names.slice(0, 2)]) }, next, world.now, TEST_WAITS);
    expect(stale).toMatchObject({ ok: false, error: { reason: expect.stringContaining('as a member') } });
  });

  test('[RO5] the last steps of a new machine are waited for, but not for ever when their report is lost', () => {
    const world = running(1, 1);
    world.intercept = (event) =>
      event.kind === 'observed' && event.fact.kind === 'step' && event.fact.step === 'bootstrap';
    roll(world, { image: 'ubuntu/plucky' });
    world.run(() => world.lines.includes('Machine 1 of 1 is replaced.'));
    const since = world.now;
    expect(waitOf(world, 'rolling-out')?.sentence).toContain('for the bootstrap of gateway-0');
    world.run(() => world.sentVerbs('ensure-node-removed').length > 0);
    expect(world.now - since).toBe(TEST_WAITS.joinDeadlineMs);
    world.runToPhase('running');
  });

  test('[GW4] [RO5] one that is named again while no other relay is connected keeps its own, and its machine', () => {
    const world = running(1, 1);
    roll(world, { image: 'ubuntu/plucky' });
    world.run(() => world.gateway.revoked.length > 0);
    const [old] = world.gateway.revoked;
    const { claim } = onlyOf(world, 'gateway-0');
    if (old === undefined) throw new Error('nobody was shut out');
    world.gateway.set(claim, 'away');
    world.gateway.set(old, 'here');
    world.pass(600_000);
    expect(world.gateway.revoked).toEqual([old]);
    expect(world.sentVerbs('ensure-released')).toEqual([]);
    expect(waitOf(world, 'last-relay')?.sentence).toMatch(
      /^gateway-0 .* goes back when another relay of the gateway is connected: its own is the only one\.$/,
    );
    world.gateway.set(claim, 'here');
    world.runToPhase('running');
    expect(world.gateway.revoked).toEqual([old, old]);
    world.run(() => world.maas.held().length === 1);
  });

  test('[RO6] a machine that does not serve goes first', () => {
    const world = running(3, 2);
    const { claim, held } = onlyOf(world, 'gateway-2');
    roll(world, { kubernetesVersion: 'v1.36.3' });
    world.relay.kubernetes.powerOff(held?.systemId ?? '');
    world.run(() => stateOf(world).machines.some(({ leaving }) => leaving !== null));
    expect(stateOf(world).machines.find(({ leaving }) => leaving !== null)?.claim).toBe(claim);
    world.runToPhase('running');
    expect([...world.relay.kubernetes.members.values()]).toEqual([true, true, true]);
  });

  test('[RO6] one of the others is lost while a machine is away: degraded, and it carries on when that is back', () => {
    const world = running(3, 3);
    roll(world, { image: 'ubuntu/plucky' });
    world.run(() => world.sentVerbs('ensure-released').length === 1);
    const lost = onlyOf(world, 'gateway-1');
    world.relay.kubernetes.powerOff(lost.held?.systemId ?? '');
    world.runToPhase('degraded');
    breakInMaas(world, lost.held?.systemId ?? '');
    world.pass(3_600_000);
    // One of two members: nothing can be agreed on, so nothing is taken away.
    expect(onlyOf(world, 'gateway-1').claim).toBe(lost.claim);
    world.relay.kubernetes.members.set(lost.held?.hostname ?? '', true);
    world.relay.kubernetes.tell();
    world.runToPhase('running');
    expect(world.view.machines.every(({ attempt }) => attempt >= 2)).toBe(true);
    expect(world.relay.kubernetes.begun).toHaveLength(1);
  });

  test('[RO5] with the gateway away nothing goes', () => {
    const world = running(3, 1);
    const claims = stateOf(world).machines.map(({ claim }) => claim);
    for (const claim of claims) world.gateway.set(claim, 'away');
    roll(world, { image: 'ubuntu/plucky' });
    world.pass(600_000);
    expect(stateOf(world).machines.map(({ claim }) => claim)).toEqual(claims);
    expect(mayGo(stateOf(world), onlyOf(world, 'gateway-0'), world.now, TEST_WAITS).ok).toBe(false);
  });

  test('[RO8] deleted in the middle, with a machine on its way out and one on its way in, nothing stays behind', () => {
    for (const size of [1, 3]) {
      const steps = [
        'ensure-node-removed',
        'ensure-member-removed',
        'ensure-released',
        'ensure-allocated',
        'ensure-bootstrap',
      ];
      for (const verb of steps) {
        const world = running(size, 2);
        roll(world, release({ kubernetesVersion: 'v1.36.3' }));
        const before = world.sentVerbs(verb).length;
        world.run(() => world.sentVerbs(verb).length > before);
        world.gateway.installer(true);
        world.delete();
        world.runToPhase('deleted');
        expect(world.maas.held()).toEqual([]);
        expect([...world.maas.addresses.keys()]).toEqual([]);
      }
    }
  });
});
