import { describe, expect, test } from 'vitest';
import { aCluster, aMachine, machines, TEST_WAITS } from '../support/builders.ts';
import { World } from './world.ts';

describe('too few machines, and races for them', () => {
  test('[MA2] a request that can’t be filled holds nothing and says what excludes machines', () => {
    const world = new World(machines(3)).create(aCluster().withControlPlane(3).withWorkers(2).accepted());
    world.pass(30_000);
    expect(world.phases).toEqual(['pending']);
    expect(world.maas.held()).toEqual([]);
    expect(world.plan.waitingOn).toMatchObject([
      { code: 'no-matching-machine', slot: null, deadlineAt: expect.any(Number) },
    ]);
    expect(world.plan.waitingOn[0]?.sentence).toContain('3 Ready');
    expect(world.sentVerbs('ensure-allocated')).toEqual([]);
  });

  test('[MA3] when MAAS has more machines the wait ends by itself', () => {
    const world = new World(machines(3)).create(aCluster().withControlPlane(3).withWorkers(2).accepted());
    world.pass(30_000);
    for (const id of ['m-91', 'm-92']) {
      world.maas.machines.set(id, aMachine(id));
      world.relay.noticed(id);
    }
    world.runToPhase('running');
    expect(world.maas.held()).toHaveLength(5);
  });

  test('[MA3] even when nobody tells of the new machines, they are found after a while', () => {
    const world = new World(machines(1)).create(aCluster().withControlPlane(1).withWorkers(1).accepted());
    world.pass(30_000);
    world.maas.machines.set('m-91', aMachine('m-91'));
    world.runToPhase('running', 10 * TEST_WAITS.retryMsMax + 300_000);
  });

  test('[MA3] a shortage that lasts fails the cluster with the funnel and what to do', () => {
    const world = new World(machines(1)).create(aCluster().withControlPlane(1).withWorkers(1).accepted());
    world.runToPhase('failed', TEST_WAITS.shortageDeadlineMs + 60_000);
    expect(world.view.failure).toMatchObject({ code: 'NO_MATCHING_MACHINE' });
    expect(world.view.failure?.message).toMatch(/1 Ready.*Abort/);
  });

  test('[MA5] a slot whose candidates others took gets a new claim, never the old one', () => {
    const world = new World(machines(12)).create(aCluster().withControlPlane(1).withWorkers(1).accepted());
    world.run(() => world.sentVerbs('ensure-allocated').length === 2);
    const taken = world.sentVerbs('ensure-allocated').find(({ subject }) => subject === 'workers-0.1')?.body;
    if (taken?.verb !== 'ensure-allocated') throw new Error('no allocate');
    for (const id of taken.candidates) world.maas.set(id, { status: 'allocated', owner: 'rival' });
    world.runToPhase('running');
    expect(world.view.machines[1]).toMatchObject({ slot: 'workers-0', attempt: 2 });
    expect(world.maas.held().filter((id) => world.maas.get(id).owner === 'slipway')).toHaveLength(2);
  });

  test('[MA5] [WA1] between lost races it says that it waits to choose again', () => {
    const world = new World(machines(12)).create(aCluster().withControlPlane(1).withWorkers(1).accepted());
    world.relay.answer = ({ subject, body }) =>
      body.verb === 'ensure-allocated' && /^workers-0\.[1-3]$/.test(subject)
        ? { ok: false, error: { code: 'NO_CANDIDATE_LEFT', detail: 'taken', refused: {} } }
        : undefined;
    world.run(() => world.plan.waitingOn.some(({ code }) => code === 'choosing-again'));
    const wait = world.plan.waitingOn.find(({ code }) => code === 'choosing-again');
    expect(wait).toMatchObject({ slot: 'workers-0', sentence: expect.stringContaining('others were quicker') });
    expect(wait?.deadlineAt).toBeLessThanOrEqual(world.now + TEST_WAITS.retryMsMax);
    world.runToPhase('running');
    expect(world.view.machines[1]).toMatchObject({ slot: 'workers-0', attempt: 4 });
  });

  test('[MA4] when a lost race leaves too few, everything taken goes back and the cluster waits', () => {
    const world = new World(machines(4)).create(aCluster().withControlPlane(1).withWorkers(3).accepted());
    world.run(() => world.sentVerbs('ensure-allocated').length === 4);
    world.maas.set('m-02', { status: 'allocated', owner: 'rival' });
    world.run(() => world.plan.waitingOn.some(({ code }) => code === 'no-matching-machine'));
    world.pass(60_000);
    expect(world.phases.at(-1)).toBe('pending');
    expect(world.maas.held()).toEqual(['m-02']);
    expect(world.sentVerbs('ensure-deployed')).toEqual([]);
    world.maas.setStatus('m-02', 'ready');
    world.relay.noticed('m-02');
    world.runToPhase('running');
  });

  test('[MA4] [CL8] nothing is chosen anew before MAAS was asked to take back what was given back', () => {
    const world = new World(machines(4)).create(aCluster().withControlPlane(1).withWorkers(3).accepted());
    world.run(() => world.sentVerbs('ensure-allocated').length === 4);
    world.maas.set('m-02', { status: 'allocated', owner: 'rival' });
    world.intercept = (event) => event.kind === 'command-settled' && event.commandId.includes('/ensure-released/');
    world.run(() => world.sentVerbs('ensure-released').length === 3);
    const looks = world.sentVerbs('observe-inventory').length;
    world.intercept = (event) => event.kind === 'command-settled' || event.kind === 'observed';
    world.pass(TEST_WAITS.releaseDeadlineMs / 2);
    expect(world.sentVerbs('observe-inventory')).toHaveLength(looks);
    // What MAAS refuses to take back is not waited for.
    world.intercept = () => false;
    const ids = Object.values(world.state?.pending ?? {}).flatMap(({ commandId }) =>
      commandId.includes('/ensure-released/') ? commandId : [],
    );
    const outcome = { ok: false, error: { code: 'MAAS_CONFLICT', detail: 'the BMC does not obey' } } as const;
    for (const commandId of ids) world.give({ kind: 'command-settled', at: world.now, commandId, outcome });
    expect(world.sentVerbs('observe-inventory').length).toBeGreaterThan(looks);
  });

  test('[MA6] an answer lost after allocate finds the same machine under the same claim', () => {
    const world = new World(machines(4));
    for (const id of world.maas.machines.keys()) world.maas.fates.set(id, 'allocate-answer-lost');
    world.create(aCluster().withControlPlane(1).withWorkers(1).accepted()).runToPhase('running');
    expect(world.maas.held()).toHaveLength(2);
    expect(world.view.machines.map(({ attempt }) => attempt)).toEqual([1, 1]);
    expect(world.sentVerbs('ensure-allocated').map(({ attempt }) => attempt)).toEqual([1, 1, 2, 2]);
  });

  test('[DE4] a machine that arrives late under an abandoned claim is found and given back', () => {
    const world = new World(machines(4));
    for (const id of world.maas.machines.keys()) world.maas.fates.set(id, 'allocate-lost-and-late');
    world.create(aCluster().withControlPlane(1).withWorkers(1).accepted());
    world.run(() => world.plan.waitingOn.some(({ code }) => code === 'MAAS_UNKNOWN_OUTCOME'));
    world.abort();
    world.runToPhase('deleted');
    expect(world.now).toBeGreaterThan(TEST_WAITS.unknownClaimLookupMs);
    expect(world.maas.held()).toEqual([]);
  });

  test('[DE4] a claim whose answer was lost is looked up even when its slot has moved on', () => {
    const world = new World(machines(12));
    world.create(aCluster().withControlPlane(1).withWorkers(1).accepted());
    world.run(() => world.sentVerbs('ensure-allocated').length === 2);
    const lost = world.sentVerbs('ensure-allocated').find(({ subject }) => subject === 'workers-0.1')?.body;
    if (lost?.verb !== 'ensure-allocated') throw new Error('no allocate');
    const late = lost.candidates[0] ?? '';
    world.relay.answer = ({ subject, body, attempt }) => {
      if (subject !== 'workers-0.1' || body.verb !== 'ensure-allocated') return undefined;
      if (attempt > 1) return { ok: false, error: { code: 'NO_CANDIDATE_LEFT', detail: 'taken', refused: {} } };
      world.later(20_000, () => world.maas.take(late, lost.claim));
      return { ok: false, error: { code: 'MAAS_UNKNOWN_OUTCOME', detail: 'lost' } };
    };
    world.runToPhase('running');
    world.pass(2 * TEST_WAITS.unknownClaimLookupMs);
    expect(world.maas.held()).toHaveLength(2);
    expect(world.state?.machines).toHaveLength(2);
  });

  test('[DE4] a machine that was got after a lost answer is looked for again when it has been given back', () => {
    const world = new World(machines(4));
    world.create(aCluster().withControlPlane(1).withWorkers(1).accepted());
    world.relay.answer = ({ body, attempt }) =>
      (body.verb === 'ensure-allocated' || body.verb === 'ensure-deployed') && attempt === 1
        ? { ok: false, error: { code: 'MAAS_UNKNOWN_OUTCOME', detail: 'lost' } }
        : undefined;
    world.run(() => (world.state?.machines ?? []).some(({ deploy }) => deploy?.acceptedAt != null));
    const record = world.state?.machines.find(({ held }) => held !== null);
    expect(record?.doubt?.kind).toBe('unknown-outcome');
    const { held, claim } = record ?? {};
    if (held == null || claim === undefined) throw new Error('no machine');
    world.abort();
    world.run(() => world.maas.held().length === 0);
    world.later(2_000, () => world.maas.take(held.systemId, claim));
    world.runToPhase('deleted');
    expect(world.now).toBeGreaterThan((record?.doubt?.at ?? 0) + TEST_WAITS.unknownClaimLookupMs);
    expect(world.maas.held()).toEqual([]);
  });

  test('[AD2] an address that others took is chosen anew from a new inventory', () => {
    const world = new World(machines(4));
    world.relay.answer = (command) => {
      if (command.body.verb !== 'ensure-address' || command.attempt > 2) return undefined;
      return { ok: false, error: { code: 'ADDRESS_TAKEN', detail: 'all five are taken', refused: {} } };
    };
    world.create(aCluster().withControlPlane(1).withWorkers(1).accepted()).runToPhase('running');
    expect(world.sentVerbs('ensure-address')).toHaveLength(3);
    expect(world.sentVerbs('observe-inventory').length).toBeGreaterThan(1);
  });

  test('[MA7] a failure that stays is shown with what to do, tried slowly, and ends when access is given', () => {
    const world = new World(machines(4));
    let refused = true;
    world.relay.answer = (command) =>
      refused && 'account' in command.body && command.body.verb !== 'observe-cluster'
        ? { ok: false, error: { code: 'MAAS_UNAUTHORIZED', detail: 'MAAS refuses the key' } }
        : undefined;
    const accepted = aCluster().withControlPlane(1).withWorkers(1).accepted();
    world.create(accepted).pass(600_000);
    expect(world.plan.waitingOn[0]).toMatchObject({ code: 'MAAS_UNAUTHORIZED' });
    expect(world.plan.waitingOn[0]?.sentence).toContain('Make a new key in MAAS');
    expect(world.sentVerbs('observe-inventory').length).toBeLessThan(60);
    refused = false;
    world.give({ kind: 'account-changed', at: world.now, account: accepted.account });
    world.runToPhase('running', 120_000);
  });
});
