import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { aCluster, machines } from '../support/builders.ts';
import { roll } from './rollout-world.ts';
import { World } from './world.ts';

const gateway = (size: number) => new World(machines(size + 2)).create(aCluster().ofGateway(size).accepted());

const ACTS = ['installer', 'relay', 'power', 'broken', 'grow', 'end', 'release'] as const;

function expectNothingLeft(world: World): void {
  expect(world.maas.held()).toEqual([]);
  expect(world.maas.addresses.size).toBe(0);
  expect(world.plan.wakeAt).toBeNull();
  expect(world.state?.pending).toEqual({});
}

describe('the end of a gateway', () => {
  test.each([1, 3])(
    '[GW7] %i machines give nothing back before a relay outside is there, and it is said how',
    (size) => {
      const world = gateway(size).runToPhase('running');
      world.gateway.leave();
      world.delete();
      world.pass(600_000);
      expect(world.sentVerbs('ensure-released')).toEqual([]);
      expect(world.gateway.revoked).toEqual([]);
      const wait = world.plan.waitingOn.find(({ code }) => code === 'GATEWAY_NEEDS_OUTSIDE_RELAY');
      expect(wait?.sentence).toContain('`slipway-relay uninstall -c pcg.yaml`');
      world.gateway.installer(true);
      world.runToPhase('deleted');
      expect(world.gateway.revoked).toHaveLength(size);
      expect(world.sentVerbs('ensure-released')).toHaveLength(size);
      expectNothingLeft(world);
    },
  );

  test('[GW7] when the relay outside goes away half-way, what is not asked for yet waits for it again', () => {
    const world = gateway(3).runToPhase('running');
    for (const id of world.maas.held()) world.maas.fates.set(id, 'fails-releasing');
    world.delete();
    world.run(() => world.sentVerbs('ensure-released').length === 3);
    world.gateway.installer(false);
    world.pass(600_000);
    expect(world.plan.waitingOn.map(({ code }) => code)).toContain('GATEWAY_NEEDS_OUTSIDE_RELAY');
    world.gateway.installer(true);
    world.runToPhase('deleted');
    expectNothingLeft(world);
  });

  test('[GW7] an abort while the installer is there just goes on, at any point', () => {
    const whole = gateway(3).runToPhase('running').sent.length;
    for (let point = 1; point <= whole; point++) {
      const world = gateway(3);
      world.run(() => world.sent.length >= point || world.phases.at(-1) === 'running');
      if (world.state?.provisionedAt !== null) break;
      world.abort();
      world.runToPhase('deleted', 1_200_000);
      expectNothingLeft(world);
    }
  });

  test('[GW7] machines that never got a document need no relay outside', () => {
    const world = gateway(3);
    world.run(() => world.maas.held().length === 1);
    world.gateway.leave();
    world.abort();
    const codes = world.plan.waitingOn.map(({ code }) => code);
    expect(codes).toContain('gateway-offline');
    expect(codes).not.toContain('GATEWAY_NEEDS_OUTSIDE_RELAY');
    world.gateway.installer(true);
    world.runToPhase('deleted');
    expectNothingLeft(world);
  });

  test('[GW7] deletion while it grows gives back what is there', () => {
    const world = gateway(1).runToPhase('running');
    world.give({ kind: 'resized', at: world.now, size: 3 });
    world.run(() => world.sentVerbs('ensure-deployed').length === 2);
    world.delete();
    world.runToPhase('deleted');
    expectNothingLeft(world);
  });

  // Every step of every life is checked by check-state: nothing is given back or shut out against [GW4], [GW7] and [RO5].
  test.each<[string, readonly string[], number]>([
    ['[GW4] [GW5] [GW7] whatever comes in between', ACTS, 60],
    ['[RO4] [RO5] [RO8] whatever a rollout comes in between', ['roll', 'roll', ...ACTS], 20],
  ])('%s, relays go before their machines and nothing stays behind', (_rules, acts, numRuns) => {
    const act = fc.record({
      what: fc.constantFrom(...acts),
      which: fc.nat(2),
      on: fc.boolean(),
      afterMs: fc.integer({ min: 1, max: 200_000 }),
    });
    const lives = fc.record({ size: fc.constantFrom(1, 3), acts: fc.array(act, { maxLength: 8 }) });
    fc.assert(
      fc.property(lives, ({ size, acts: chosen }) => {
        const world = new World(machines(9)).create(aCluster().ofGateway(size).accepted());
        if (acts.includes('roll')) world.runToPhase('running');
        for (const one of chosen) {
          world.pass(one.afterMs);
          perform(world, one);
        }
        world.gateway.installer(true);
        if (world.state?.provisionedAt == null) world.abort();
        else world.delete();
        world.run(() => world.state?.deletedAt != null);
        expectNothingLeft(world);
      }),
      { numRuns },
    );
  });
});

type Act = { what: string; which: number; on: boolean };

function perform(world: World, { what, which, on }: Act): void {
  const machine = world.state?.machines[which];
  const systemId = machine?.held?.systemId ?? null;
  if (what === 'installer') world.gateway.installer(on);
  if (what === 'grow') world.give({ kind: 'resized', at: world.now, size: 3 });
  if (what === 'roll')
    roll(world, { image: on ? 'ubuntu/plucky' : 'ubuntu/noble', kubernetesVersion: `v1.36.${2 + which}` });
  if (what === 'end' && world.state?.provisionedAt == null) world.abort();
  else if (what === 'end') world.delete();
  if (machine === undefined || systemId === null) return;
  if (what === 'relay' && world.gateway.of(machine.claim) !== null)
    world.gateway.set(machine.claim, on ? 'here' : 'away');
  if (what === 'power') world.relay.kubernetes.powerOff(systemId);
  if (what === 'broken') world.maas.set(systemId, { status: 'broken' });
  if (what === 'release' && on) world.maas.setStatus(systemId, 'ready');
  if (what === 'broken' || what === 'release') world.relay.noticed(systemId);
}
