import { describe, expect, test } from 'vitest';
import type { ClusterEvent } from '../../functions/plan/cluster-event.ts';
import { mayAbort, mayDelete } from '../../functions/plan/may-end.ts';
import { aCluster, machines, TEST_WAITS } from '../support/builders.ts';
import { World } from './world.ts';

const small = () => aCluster().withControlPlane(1).withWorkers(1).accepted();
const large = () => aCluster().withControlPlane(3).withWorkers(2).accepted();

/** How many commands a quiet life of this cluster sends. */
function lengthOfLife(): number {
  const world = new World(machines(7)).create(large()).runToPhase('running');
  return world.sent.length;
}

function expectNothingLeft(world: World): void {
  expect(world.maas.held()).toEqual([]);
  expect(world.maas.addresses.size).toBe(0);
  expect(world.plan.wakeAt).toBeNull();
  expect(world.state?.pending).toEqual({});
}

describe('abort and deletion', () => {
  test('[DE1] an abort after any command of a create gives everything back', () => {
    const points = lengthOfLife();
    expect(points).toBeGreaterThan(20);
    for (let point = 1; point <= points; point++) {
      const world = new World(machines(7)).create(large());
      world.run(() => world.sent.length >= point || world.phases.at(-1) === 'running');
      if (world.state?.provisionedAt !== null) break;
      const begun = world.sent.length;
      world.abort();
      world.runToPhase('deleted', 1_200_000);
      expectNothingLeft(world);
      const after = world.sent.slice(begun).map(({ body }) => body.verb);
      expect(after.filter((verb) => verb === 'ensure-allocated' || verb === 'ensure-deployed')).toEqual([]);
      expect(world.phases.at(-1)).toBe('deleted');
    }
  });

  test('[DE1] an abort while the relay is away is carried out when it is back, and nothing old comes to life', () => {
    for (let point = 1; point <= 12; point++) {
      const world = new World(machines(7)).create(large());
      world.run(() => world.sent.length >= point);
      world.relay.connected = false;
      world.give({ kind: 'gateway-connected', at: world.now, connected: false });
      world.pass(60_000);
      world.abort();
      world.pass(60_000);
      expect(world.plan.waitingOn.some(({ code }) => code === 'gateway-offline')).toBe(true);
      world.give({ kind: 'gateway-connected', at: world.now, connected: true });
      world.relay.reconnect();
      world.runToPhase('deleted', 1_200_000);
      expectNothingLeft(world);
    }
  });

  test('[DE2] deletion raises the generation once, withdraws what is older, and drains nothing', () => {
    const world = new World(machines(7)).create(large());
    world.run(() => world.sentVerbs('ensure-deployed').length > 0);
    const older = Object.values(world.state?.pending ?? {}).map(({ commandId }) => commandId);
    expect(new Set(older.map((id) => id.split('/')[1]?.replace(/-.*/, '')))).toEqual(
      new Set(['cluster', 'cp', 'workers']),
    );
    world.abort();
    expect(older.filter((id) => !world.relay.withdrawn.has(id))).toEqual([]);
    expect(world.sentVerbs('ensure-released')).toHaveLength(5);
    world.abort();
    world.delete();
    expect(world.state?.generation).toBe(2);
    expect(Object.values(world.state?.pending ?? {}).every(({ generation }) => generation === 2)).toBe(true);
    world.runToPhase('deleted');
    expect(world.sentVerbs('ensure-node-removed')).toEqual([]);
    expect(world.sentVerbs('ensure-released')).toHaveLength(5);
  });

  test('[DE3] deleted only when MAAS says that nobody has the machines', () => {
    const world = new World(machines(4)).create(small()).runToPhase('running');
    world.delete();
    world.run(() => world.sentVerbs('ensure-released').length === 2);
    world.pass(1_000);
    expect(world.phases.at(-1)).toBe('deleting');
    expect(world.plan.waitingOn.every(({ code }) => code === 'releasing')).toBe(true);
    expect(world.sentVerbs('ensure-address-released')).toEqual([]);
    world.runToPhase('deleted');
    expect(world.sentVerbs('ensure-address-released')).toHaveLength(1);
  });

  test('[CL11] a watch that the relay could not begin is asked for again while machines go back', () => {
    const world = new World(machines(4)).create(small()).runToPhase('running');
    const full = { ok: false as const, error: { code: 'RELAY_STORAGE' as const, detail: 'no space left on device' } };
    world.relay.answer = ({ body }) => (body.verb === 'observe-cluster' ? full : undefined);
    world.delete();
    world.run(() => world.plan.waitingOn.some(({ code }) => code === 'RELAY_STORAGE'));
    world.relay.answer = () => undefined;
    world.runToPhase('deleted', 1_200_000);
    expectNothingLeft(world);
  });

  test.each([
    ['fetched', true],
    ['not fetched yet', false],
  ])('[DE2] the document of a machine that is replaced is withdrawn with it or before: %s', (_, fetched) => {
    const world = new World(machines(4)).create(small());
    const worker = () => world.state?.machines.find(({ slot, leaving }) => slot === 'workers-0' && leaving === null);
    const sent = () => world.sentVerbs('ensure-bootstrap').find(({ subject }) => subject === 'workers-0.1');
    world.run(() => sent() !== undefined && (worker()?.document?.fetchedAt != null) === fetched);
    const systemId = worker()?.held?.systemId ?? '';
    world.maas.set(systemId, { status: 'broken' });
    world.relay.noticed(systemId);
    world.run(() => worker()?.attempt === 2);
    expect(world.relay.withdrawn).toContain(sent()?.commandId);
  });

  test('[CL3] the late outcome of a withdrawn allocate tells which machine to give back', () => {
    const world = new World(machines(4));
    world.relay.answer = ({ body }) => (body.verb === 'ensure-allocated' ? hold() : undefined);
    const hold = () => ({ ok: false as const, error: { code: 'MAAS_UNREACHABLE' as const, detail: 'down' } });
    world.create(small());
    world.run(() => world.sentVerbs('ensure-allocated').length === 2);
    const command = world.sentVerbs('ensure-allocated')[0];
    if (command?.body.verb !== 'ensure-allocated') throw new Error('no allocate');
    const systemId = command.body.candidates[0];
    world.abort();
    const machine = systemId === undefined ? null : world.maas.take(systemId, command.body.claim);
    if (machine === null) throw new Error('no machine');
    const outcome = { ok: true as const, value: { verb: 'ensure-allocated' as const, machine } };
    world.give({ kind: 'command-settled', at: world.now, commandId: command.commandId, outcome });
    const record = world.state?.machines.find(({ claim }) => claim === machine.claim);
    expect(record).toMatchObject({ held: { systemId }, doubt: null, leaving: { goneAt: null } });
    world.runToPhase('deleted');
    expectNothingLeft(world);
  });

  test('[DE5] a release that fails is asked for again', () => {
    const world = new World(machines(4)).create(small()).runToPhase('running');
    for (const id of world.maas.held()) world.maas.fates.set(id, 'fails-releasing');
    world.delete();
    world.runToPhase('deleted');
    expect(world.sentVerbs('ensure-released')).toHaveLength(6);
    expectNothingLeft(world);
  });

  test.each([1, 2])('[DE5] a report that is held up does not undo the failure that was seen since: time %i', (time) => {
    const world = new World(machines(4)).create(small()).runToPhase('running');
    const id = world.state?.machines.find(({ slot }) => slot === 'workers-0')?.held?.systemId ?? '';
    const status = () => world.state?.machines.find(({ slot }) => slot === 'workers-0')?.maas?.status;
    const releases = () => world.sentVerbs('ensure-released').filter(({ subject }) => subject === 'workers-0.1');
    const heldUp: ClusterEvent[] = [];
    world.intercept = (event) => {
      const isLast = releases().length === time && event.kind === 'command-settled';
      const isHeldUp = isLast && event.commandId === releases().at(-1)?.commandId;
      if (isHeldUp) heldUp.push(event);
      return isHeldUp;
    };
    world.maas.fates.set(id, 'fails-releasing');
    world.delete();
    world.run(() => heldUp.length > 0 && world.maas.get(id).status === 'releasing-failed');
    // The relay's poll tells anew what a command has touched.
    world.forgetTold();
    world.relay.noticed(id);
    world.run(() => status() === 'releasing-failed', 10_000);
    world.pass(10_000);
    world.intercept = () => false;
    for (const event of heldUp) world.give(event);
    world.pass(TEST_WAITS.retryMsMax);
    expect(releases().length).toBeGreaterThan(time);
  });

  test('[DE5] a machine that MAAS never lets go of keeps the cluster, and a person is called', () => {
    const world = new World(machines(4)).create(small()).runToPhase('running');
    const id = world.view.machines[1]?.systemId ?? '';
    world.maas.fates.set(id, 'never-releases');
    world.delete();
    world.pass(3_600_000);
    expect(world.phases.at(-1)).toBe('deleting');
    expect(world.plan.waitingOn).toMatchObject([{ code: 'release-stuck', slot: 'workers-0' }]);
    expect(world.plan.waitingOn[0]?.sentence).toContain('MAAS operator');
    world.maas.fates.clear();
    world.runToPhase('deleted', 600_000);
    expectNothingLeft(world);
  });

  test('[DE6] deletion works before anything began, and from failed', () => {
    const early = new World(machines(4)).create(small());
    early.abort();
    early.runToPhase('deleted', TEST_WAITS.leaseGuardMs * 4);
    expectNothingLeft(early);
    const failed = new World(machines(1)).create(small()).runToPhase('failed');
    failed.abort();
    failed.runToPhase('deleted');
    expectNothingLeft(failed);
  });

  test('[DE6] after deletion facts change nothing and nothing is planned', () => {
    const world = new World(machines(4)).create(small()).runToPhase('running');
    world.delete();
    world.runToPhase('deleted');
    const sent = world.sent.length;
    world.give({ kind: 'observed', at: world.now, fact: { kind: 'inventory-changed' } });
    world.give({ kind: 'abort-requested', at: world.now, actor: 'late' });
    world.give(null);
    expect(world.sent).toHaveLength(sent);
    expect(world.plan).toMatchObject({ effects: [], wakeAt: null, waitingOn: [] });
  });

  test('[AD3] an address whose reservation was not answered is given back by its name', () => {
    const world = new World(machines(4));
    world.relay.answer = ({ body }) => {
      if (body.verb !== 'ensure-address') return undefined;
      world.maas.addresses.set(body.fqdn, body.candidates[0] ?? '');
      return { ok: false, error: { code: 'MAAS_UNKNOWN_OUTCOME', detail: 'The answer was lost.' } };
    };
    world.create(small());
    world.run(() => world.maas.addresses.size === 1);
    world.abort();
    world.runToPhase('deleted');
    expectNothingLeft(world);
  });

  test('[AD3] a reservation that turns up late, after others took all candidates, is given back too', () => {
    const world = new World(machines(4));
    world.relay.answer = ({ body, attempt }) => {
      if (body.verb !== 'ensure-address') return undefined;
      if (attempt > 1) return { ok: false, error: { code: 'ADDRESS_TAKEN', detail: 'taken', refused: {} } };
      world.later(20_000, () => world.maas.addresses.set(body.fqdn, body.candidates[0] ?? ''));
      return { ok: false, error: { code: 'MAAS_UNKNOWN_OUTCOME', detail: 'The answer was lost.' } };
    };
    world.create(small());
    world.run(() => world.sentVerbs('ensure-address').length === 2);
    world.pass(1_000);
    world.abort();
    world.runToPhase('deleted');
    expectNothingLeft(world);
    expect(world.now).toBeGreaterThan(TEST_WAITS.unknownClaimLookupMs);
  });

  test('[DE7] abort only before it was provisioned, delete only after', () => {
    const world = new World(machines(4)).create(small());
    const state = () => {
      if (world.state === null) throw new Error('no cluster');
      return world.state;
    };
    expect(mayAbort(state()).ok).toBe(true);
    expect(mayDelete(state())).toMatchObject({ ok: false, error: { code: 'USE_ABORT' } });
    world.runToPhase('running');
    expect(mayAbort(state())).toMatchObject({ ok: false, error: { code: 'USE_DELETE' } });
    expect(mayDelete(state()).ok).toBe(true);
  });
});
