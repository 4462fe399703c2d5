import { describe, expect, test } from 'vitest';
import { aCluster, machines, TEST_WAITS } from '../support/builders.ts';
import { World } from './world.ts';

const small = () => aCluster().withControlPlane(1).withWorkers(1).accepted();

function tunnel(world: World, connected: boolean): void {
  world.give({ kind: 'gateway-connected', at: world.now, connected });
  if (connected) world.relay.reconnect();
  else world.relay.connected = false;
}

describe('waits', () => {
  test('[WA1] every wait on the way is a sentence with a deadline ahead, and the plan wakes for the first', () => {
    const world = new World(machines(8)).create(aCluster().withControlPlane(3).withWorkers(2).accepted());
    world.run(() => {
      for (const wait of world.plan.waitingOn) {
        expect(wait.sentence).toMatch(/^[A-Z].*\.$/);
        expect(wait.deadlineAt).toBeGreaterThan(world.now);
      }
      const first = Math.min(...world.plan.waitingOn.map(({ deadlineAt }) => deadlineAt ?? 0));
      if (world.plan.waitingOn.length > 0) expect(world.plan.wakeAt).toBeLessThanOrEqual(first);
      return world.phases.at(-1) === 'running';
    });
  });

  test('[WA1] a deploy says which machine, how long, and how long at most', () => {
    const world = new World(machines(3)).create(small());
    world.run(() => world.view.machines.every(({ phase }) => phase === 'deploying'));
    world.pass(59_000);
    const view = world.view.waitingOn.find(({ slot }) => slot === 'cp-0');
    expect(view?.sentence).toMatch(/^Waiting for cp-0 \(node-m-0\d\) to finish deploying, 0 of at most 8 minutes\.$/);
  });

  test('[WA1] a control plane in line says whom it waits for', () => {
    const world = new World(machines(4)).create(aCluster().withControlPlane(3).accepted());
    world.run(() => world.view.machines.filter(({ phase }) => phase === 'enrolled').length >= 2);
    const second = world.view.waitingOn.find(({ slot }) => slot === 'cp-1');
    expect(second).toMatchObject({ code: 'waiting-turn' });
    expect(second?.sentence).toContain('its turn comes after');
  });

  test('[WA2] with the gateway away nothing is judged, and it is said what is waited for', () => {
    const world = new World(machines(4)).create(small());
    tunnel(world, false);
    world.pass(1_000);
    expect(world.plan.waitingOn[0]).toMatchObject({ code: 'gateway-offline' });
    tunnel(world, true);
    world.run(() => world.view.machines.every(({ phase }) => phase === 'deploying'));
    tunnel(world, false);
    world.intercept = (event) => event.kind === 'observed';
    world.pass(TEST_WAITS.deployDeadlineMs + 60_000);
    expect(world.view.machines.map(({ attempt }) => attempt)).toEqual([1, 1]);
    world.intercept = () => false;
    tunnel(world, true);
    world.forgetTold();
    for (const { claim } of world.relay.watch?.machines ?? []) world.relay.kubernetes.tellEnrolled(claim);
    world.relay.kubernetes.tell();
    world.runToPhase('running');
    expect(world.view.machines.map(({ attempt }) => attempt)).toEqual([1, 1]);
  });

  test('[WA2] a deadline stands still while the gateway is away', () => {
    const world = new World(machines(4)).create(small());
    const deadline = () => world.view.waitingOn.find(({ slot }) => slot === 'cp-0')?.deadlineAt ?? 0;
    world.run(() => world.view.machines.every(({ phase }) => phase === 'deploying'));
    const before = deadline();
    world.intercept = (event) => event.kind === 'observed';
    tunnel(world, false);
    world.pass(TEST_WAITS.deployDeadlineMs * 2);
    tunnel(world, true);
    expect(deadline()).toBe(before + TEST_WAITS.deployDeadlineMs * 2);
    world.run(() => world.view.machines.some(({ slot, attempt }) => slot === 'cp-0' && attempt === 2));
    expect(world.now).toBeGreaterThanOrEqual(before + TEST_WAITS.deployDeadlineMs * 2);
  });

  test('[WA2] every absence counts, not the last alone, and of many none is forgotten', () => {
    const world = new World(machines(4)).create(small());
    const deadline = () => world.view.waitingOn.find(({ slot }) => slot === 'cp-0')?.deadlineAt ?? 0;
    world.run(() => world.view.machines.every(({ phase }) => phase === 'deploying'));
    const before = deadline();
    world.intercept = (event) => event.kind === 'observed';
    for (let absences = 0; absences < 40; absences += 1) {
      tunnel(world, false);
      world.pass(20_000);
      tunnel(world, true);
      world.pass(10);
    }
    expect(deadline()).toBeGreaterThanOrEqual(before + 40 * 20_000);
    expect(deadline()).toBeLessThan(before + 40 * 20_010);
    expect(world.state?.gateway?.earlier.length).toBeLessThan(40);
  });

  test('[WA2] neither a shortage nor trouble ends a cluster while the gateway is away', () => {
    const short = new World(machines(1)).create(small());
    short.run(() => short.state?.shortage !== null);
    const troubled = new World(machines(4));
    troubled.relay.answer = () => ({ ok: false, error: { code: 'MAAS_UNAUTHORIZED', detail: 'status 401' } });
    troubled.create(small()).pass(1_000);
    for (const world of [short, troubled]) {
      tunnel(world, false);
      world.pass(2 * TEST_WAITS.shortageDeadlineMs);
      tunnel(world, true);
      world.pass(TEST_WAITS.shortageDeadlineMs - 60_000);
      expect(world.phases.at(-1)).toBe('pending');
      world.runToPhase('failed', 120_000);
    }
  });

  test('[WA2] one stale look at MAAS is not confirmed by an absence', () => {
    const world = new World(machines(4)).create(small()).runToPhase('running');
    const id = world.view.machines[1]?.systemId ?? '';
    const facts = world.maas.get(id);
    world.maas.set(id, { status: 'ready', owner: null, claim: null });
    world.relay.noticed(id);
    tunnel(world, false);
    world.pass(60_000);
    tunnel(world, true);
    world.maas.set(id, facts);
    world.relay.noticed(id);
    world.pass(60_000);
    expect(world.view.machines[1]).toMatchObject({ systemId: id, attempt: 1, phase: 'ready' });
  });

  test('[MA9] the time to join begins when a machine has its document', () => {
    const world = new World(machines(4)).create(small());
    world.run(() => world.view.machines[0]?.phase === 'deploying');
    world.intercept = (event) =>
      event.kind === 'command-settled' || (event.kind === 'observed' && event.fact.kind !== 'enrolled');
    world.run(() => world.view.machines[0]?.phase === 'enrolled');
    world.pass(TEST_WAITS.joinDeadlineMs - 1_000);
    world.intercept = () => false;
    const { claim, held } = world.state?.machines[0] ?? {};
    if (claim === undefined || held == null) throw new Error('no machine');
    const fact = { kind: 'document-fetched', claim, systemId: held.systemId } as const;
    world.give({ kind: 'observed', at: world.now, fact });
    const wait = world.plan.waitingOn.find(({ slot }) => slot === 'cp-0');
    expect(wait).toMatchObject({ code: 'joining', deadlineAt: world.now + TEST_WAITS.joinDeadlineMs });
  });

  test('[CL5] what fails for a while is tried again, ever more slowly, and the wait says why', () => {
    const world = new World(machines(4));
    let down = true;
    world.relay.answer = (command) =>
      down && 'account' in command.body && command.body.verb !== 'observe-cluster'
        ? { ok: false, error: { code: 'MAAS_UNREACHABLE', detail: 'connect ECONNREFUSED' } }
        : undefined;
    world.create(small()).pass(60_000);
    const tries = world.sentVerbs('observe-inventory').length;
    expect(tries).toBeGreaterThan(5);
    expect(tries).toBeLessThan(15);
    expect(world.plan.waitingOn).toMatchObject([{ code: 'MAAS_UNREACHABLE' }]);
    expect(world.plan.waitingOn[0]?.sentence).toContain('ECONNREFUSED');
    down = false;
    world.runToPhase('running', 120_000);
  });

  test('[CL5] MAAS says when to come back, and that is kept', () => {
    const world = new World(machines(4));
    world.relay.answer = ({ body, attempt }) =>
      body.verb === 'observe-inventory' && attempt === 1
        ? { ok: false, error: { code: 'MAAS_BUSY', retryAfterMs: 9_000, detail: 'busy' } }
        : undefined;
    world.create(small());
    world.run(() => world.sentVerbs('observe-inventory').length === 2);
    expect(world.now).toBeGreaterThanOrEqual(10_000);
  });

  test('[C14] [CL5] what the gateway’s relay is too old for is tried at the slowest pace, and the wait says to upgrade', () => {
    const world = new World(machines(4));
    let old = true;
    world.relay.answer = ({ body }) =>
      old && body.verb === 'observe-inventory'
        ? { ok: false, error: { code: 'COMMAND_UNKNOWN', detail: 'observe-inventory came in a form not known' } }
        : undefined;
    world.create(small()).pass(TEST_WAITS.retryMsMax);
    expect(world.sentVerbs('observe-inventory')).toHaveLength(1);
    const wait = world.plan.waitingOn.find(({ code }) => code === 'COMMAND_UNKNOWN');
    expect(wait?.sentence).toContain('upgrade the gateway');
    old = false;
    world.runToPhase('running', 600_000);
  });

  test('[CL6] an outcome that never comes is asked for again, as a newer attempt', () => {
    const world = new World(machines(4));
    let lost = 0;
    world.intercept = (event) => {
      if (event.kind !== 'command-settled' || event.commandId.includes('/observe-cluster/')) return false;
      if (!event.commandId.endsWith('/1')) return false;
      lost++;
      return true;
    };
    world.create(small()).runToPhase('running');
    expect(lost).toBeGreaterThan(5);
    expect(world.maas.held()).toHaveLength(2);
    world.delete();
    world.runToPhase('deleted');
    expect(world.maas.held()).toEqual([]);
  });

  test('[CL13] trouble that lasts a day before the cluster ever ran fails it with the reason', () => {
    const world = new World(machines(4));
    world.relay.answer = ({ body }) =>
      body.verb === 'ensure-identity'
        ? { ok: false, error: { code: 'SECRET_UNREADABLE', detail: 'no key' } }
        : undefined;
    world.create(small()).runToPhase('failed', TEST_WAITS.shortageDeadlineMs + 120_000);
    expect(world.view.failure?.code).toBe('SECRET_UNREADABLE');
    expect(world.view.failure?.message).toMatch(/gateway can’t open.*abort/i);
    world.abort();
    world.runToPhase('deleted');
    expect(world.maas.held()).toEqual([]);
  });

  test('[CL11] a watch that failed is sent again, and a fact shows that it stands', () => {
    const world = new World(machines(4));
    world.relay.answer = ({ body, attempt }) =>
      body.verb === 'observe-cluster' && attempt <= 2
        ? { ok: false, error: { code: 'MAAS_UNREACHABLE', detail: 'down' } }
        : undefined;
    world.create(small());
    world.run(() => world.plan.waitingOn.some(({ code }) => code === 'MAAS_UNREACHABLE'));
    world.runToPhase('running');
    expect(world.state?.troubles).toEqual({});
    expect(world.sentVerbs('observe-cluster').length).toBeLessThanOrEqual(4);
  });
});
