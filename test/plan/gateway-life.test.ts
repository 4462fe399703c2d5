import { describe, expect, test } from 'vitest';
import { applyEvent } from '../../functions/plan/apply-event.ts';
import { ClusterEvent } from '../../functions/plan/cluster-event.ts';
import { ClusterState, type MachineRecord, withMachine } from '../../functions/plan/cluster-state.ts';
import { mayLoseRelay } from '../../functions/plan/gateway-relays.ts';
import { claimOf } from '../../shared/claim.ts';
import { ClusterId, GatewayId, RelayNodeId, SlotId } from '../../shared/ids.ts';
import { aCluster, machines, TEST_WAITS } from '../support/builders.ts';
import { World } from './world.ts';

const gateway = (size: number, spare = 2) =>
  new World(machines(size + spare)).create(aCluster().ofGateway(size).accepted());

function machineOf(world: World, slot: string): MachineRecord {
  const machine = world.state?.machines.find((one) => one.slot === slot && one.leaving === null);
  if (machine === undefined) throw new Error(`no machine in ${slot}`);
  return machine;
}

const condition = (world: World, type: string) => world.view.conditions.find((one) => one.type === type)?.status;
const waitCodes = (world: World) => world.plan.waitingOn.map(({ code }) => code);

describe('a gateway on machines', () => {
  test.each([1, 3])('[GW2] %i machines run when each has an active relay, and rest then', (size) => {
    const world = gateway(size).runToPhase('running');
    expect(world.phases).toEqual(['pending', 'provisioning', 'running']);
    expect(world.state?.machines.map(({ relay }) => relay?.status)).toEqual(Array.from({ length: size }, () => 'here'));
    expect(world.plan).toMatchObject({ waitingOn: [], wakeAt: null });
    world.gateway.leave();
    expect(world.plan).toMatchObject({ waitingOn: [], wakeAt: null });
    expect(condition(world, 'RelaysActive')).toBe('True');
    expect(condition(world, 'RelaysConnected')).toBe('True');
    expect(world.gateway.revoked).toEqual([]);
  });

  test('[GW2] Ready nodes without the relay’s key are not enough, and it is said what is waited for', () => {
    const world = new World(machines(1)).create(aCluster().ofGateway(1).accepted());
    world.maas.fates.set('m-01', 'relay-never-pairs');
    world.run(() => world.view.machines.every(({ phase }) => phase === 'ready'));
    world.pass(60_000);
    expect(world.phases.at(-1)).toBe('provisioning');
    expect(condition(world, 'RelaysActive')).toBe('False');
    const wait = world.plan.waitingOn.find(({ code }) => code === 'RELAY_MISSING');
    expect(wait?.slot).toBe('gateway-0');
    expect(wait?.deadlineAt).toBeGreaterThan(world.now);
    world.gateway.set(machineOf(world, 'gateway-0').claim, 'here');
    expect(world.phases.at(-1)).toBe('running');
  });

  test('[GW2] a relay that is away is shown and leaves the gateway running; one without the key degrades it', () => {
    const world = gateway(3).runToPhase('running');
    world.gateway.leave();
    const { claim, slot } = machineOf(world, 'gateway-1');
    world.gateway.set(claim, 'away');
    expect(world.phases.at(-1)).toBe('running');
    expect(world.plan.waitingOn).toMatchObject([{ code: 'RELAY_AWAY', slot }]);
    world.pass(2 * TEST_WAITS.joinDeadlineMs);
    expect(world.plan.wakeAt).toBeGreaterThan(world.now);
    expect(condition(world, 'RelaysConnected')).toBe('False');
    expect(condition(world, 'RelaysActive')).toBe('True');
    world.gateway.set(claim, 'missing');
    expect(world.phases.at(-1)).toBe('degraded');
    expect(waitCodes(world)).toEqual(['RELAY_MISSING']);
    world.gateway.set(claim, 'here');
    expect(world.phases.at(-1)).toBe('running');
    expect(world.plan).toMatchObject({ waitingOn: [], wakeAt: null });
  });

  test('[GW3] a machine whose relay never has the key is replaced in the time to join, counted from its bootstrap', () => {
    const world = gateway(3);
    world.run(() => world.sentVerbs('ensure-deployed').length > 0);
    const first = machineOf(world, 'gateway-1');
    world.maas.fates.set(first.held?.systemId ?? '', 'relay-never-pairs');
    world.run(() => world.view.machines.some(({ slot, phase }) => slot === 'gateway-1' && phase === 'ready'));
    const ended = world.now;
    world.run(() => world.gateway.revoked.length > 0);
    expect(world.now - ended).toBeGreaterThanOrEqual(TEST_WAITS.joinDeadlineMs - 5_000);
    expect(world.now - ended).toBeLessThanOrEqual(TEST_WAITS.joinDeadlineMs + 5_000);
    world.runToPhase('running');
    expect(machineOf(world, 'gateway-1').attempt).toBe(2);
    expect(world.lines.some((line) => line.includes('its relay was not active within 2 minutes'))).toBe(true);
    expect(world.maas.held()).toHaveLength(3);
  });

  test('[GW3] a relay lost before the gateway was ever whole counts; afterwards it is waited for', () => {
    const world = new World(machines(5));
    world.relay.answer = ({ body }) =>
      body.verb === 'ensure-applied' && body.name === 'slipway-admins'
        ? { ok: false, error: { code: 'KUBERNETES_REFUSED', status: 403, reason: '', detail: 'not yet' } }
        : undefined;
    world.create(aCluster().ofGateway(3).accepted());
    world.run(() => world.view.machines.every(({ phase }) => phase === 'ready'));
    const early = machineOf(world, 'gateway-1').claim;
    world.gateway.set(early, 'missing');
    world.pass(2 * TEST_WAITS.joinDeadlineMs);
    expect(world.gateway.revoked).toEqual([early]);
    world.relay.answer = () => undefined;
    world.runToPhase('running');
    const late = machineOf(world, 'gateway-2').claim;
    world.gateway.set(late, 'missing');
    world.pass(10 * TEST_WAITS.joinDeadlineMs);
    expect(machineOf(world, 'gateway-2').claim).toBe(late);
    expect(world.phases.at(-1)).toBe('degraded');
  });

  test('[GW4] the relay of a machine that goes back is shut out once, before MAAS is asked', () => {
    const world = gateway(3).runToPhase('running');
    const lost = machineOf(world, 'gateway-2');
    world.maas.set(lost.held?.systemId ?? '', { status: 'broken' });
    world.relay.noticed(lost.held?.systemId ?? '');
    world.run(() => world.phases.at(-1) === 'running' && machineOf(world, 'gateway-2').attempt === 2);
    expect(world.gateway.revoked).toEqual([lost.claim]);
    world.pass(60_000);
    expect(world.gateway.revoked).toEqual([lost.claim]);
    expect(world.state?.relaysRevoked).toEqual([]);
  });

  test('[GW4] named again it is shut out again; relays of other clusters and hosts are left alone', () => {
    const world = gateway(3).runToPhase('running');
    const old = machineOf(world, 'gateway-2').claim;
    const stray = claimOf({
      gatewayId: GatewayId.parse('gw_1'),
      clusterId: ClusterId.parse('clu_other'),
      slot: SlotId.parse('gateway-0'),
      attempt: 1,
    });
    const systemId = machineOf(world, 'gateway-2').held?.systemId ?? '';
    world.maas.set(systemId, { status: 'broken' });
    world.relay.noticed(systemId);
    world.run(() => world.gateway.revoked.length === 1);
    world.pass(1);
    // By a code that was on its way, while its machine is still on its way back.
    world.gateway.set(old, 'here');
    world.pass(1);
    expect(world.gateway.revoked).toEqual([old, old]);
    world.run(() => world.phases.at(-1) === 'running' && machineOf(world, 'gateway-2').attempt === 2);
    world.gateway.set(stray, 'here');
    world.gateway.set(old, 'here');
    world.pass(1_000);
    expect(world.gateway.revoked).toEqual([old, old, old]);
    expect(world.gateway.of(stray)).not.toBeNull();
    expect(world.gateway.of(old)).toBeNull();
  });

  test('[GW5] the only connected relay is not taken away with its machine', () => {
    const world = new World(machines(3)).create(aCluster().ofGateway(1).accepted());
    world.run(() => world.state?.machines[0]?.relay?.status === 'here');
    const { claim, held } = machineOf(world, 'gateway-0');
    world.gateway.leave();
    world.maas.fates.set(held?.systemId ?? '', 'fails-bootstrap');
    world.pass(600_000);
    expect(machineOf(world, 'gateway-0').claim).toBe(claim);
    const wait = world.plan.waitingOn.find(({ code }) => code === 'replacement-blocked');
    expect(wait?.sentence).toContain('waiting for another relay to be connected');
    world.gateway.installer(true);
    world.runToPhase('running');
    expect(machineOf(world, 'gateway-0').attempt).toBe(2);
    expect(world.gateway.revoked).toEqual([claim]);
  });

  test('[GW5] a relay whose machine is on its way back does not count as another', () => {
    const world = gateway(3).runToPhase('running');
    world.gateway.leave();
    const [first, second, third] = world.state?.machines ?? [];
    if (world.state === null || first === undefined || second === undefined || third === undefined) throw new Error();
    world.gateway.set(third.claim, 'away');
    expect(mayLoseRelay(world.state, first).ok).toBe(true);
    const why = { code: 'MACHINE_FAILED', reason: '', memberRemoved: true, nodeRemoved: true };
    const leaving = { ...why, since: world.now, tries: 0, askedAt: null, goneAt: null, drain: false };
    expect(mayLoseRelay(withMachine(world.state, { ...second, leaving }), first).ok).toBe(false);
  });

  test('[GW8] a row of before, without kind, relays and growth, is a workload cluster and loads', () => {
    const world = new World(machines(4)).create(aCluster().withControlPlane(1).withWorkers(1).accepted());
    world.runToPhase('running');
    const { state } = world;
    if (state === null) throw new Error('no cluster');
    const { kind: _kind, relays: _relays, relaysRevoked: _revoked, growing: _growing, ...before } = state;
    const old = { ...before, machines: state.machines.map(({ relay: _relay, ...machine }) => machine) };
    expect(ClusterState.parse(JSON.parse(JSON.stringify(old)))).toEqual(state);
    const { cluster: _cluster, ...event } = aCluster().withControlPlane(1).accepted();
    expect(ClusterEvent.parse(event)).toMatchObject({ cluster: 'workload' });
  });

  test('[GW4] a notice of the relays that was overtaken by a newer one on its way changes nothing', () => {
    const world = gateway(1);
    const nodeId = RelayNodeId.parse('nod_1');
    const told = (connected: boolean, notice: number | null) => {
      const relays = [{ claim: null, nodeId, state: 'active' as const, connected }];
      world.give({ kind: 'relays-changed', at: world.now, relays, notice });
      return world.state?.relays[0]?.connected;
    };
    expect(told(true, 7)).toBe(true);
    expect(told(false, 6)).toBe(true);
    // The same again, with a higher number.
    expect(told(true, 9)).toBe(true);
    expect(told(false, 8)).toBe(true);
    expect(told(false, 9)).toBe(true);
    expect(told(false, 10)).toBe(false);
    // A gateway that does not number them yet.
    expect(told(true, null)).toBe(true);
  });

  test('[GW8] a workload cluster takes no notice of relays and sizes', () => {
    const world = new World(machines(4)).create(aCluster().withControlPlane(1).accepted()).runToPhase('running');
    const nodeId = RelayNodeId.parse('nod_1');
    const relays = [{ claim: null, nodeId, state: 'active' as const, connected: true }];
    for (const event of [
      { kind: 'relays-changed' as const, at: world.now, relays, notice: 1 },
      { kind: 'resized' as const, at: world.now, size: 3 },
    ]) {
      const after = applyEvent(world.state, event);
      expect({ ...after, ignored: 0 }).toEqual({ ...world.state, ignored: 0 });
    }
  });
});
