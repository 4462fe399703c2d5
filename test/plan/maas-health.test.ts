// What a cluster says while MAAS fails: to whom waits, by its conditions, and once in its timeline.
import { describe, expect, test } from 'vitest';
import { ClusterState } from '../../functions/plan/cluster-state.ts';
import type { MaasFailureSeen } from '../../shared/observation.ts';
import { aCluster, machines } from '../support/builders.ts';
import { World } from './world.ts';

const AWAY = { code: 'MAAS_UNREACHABLE', detail: 'connect ECONNREFUSED' };
const REVOKED = { code: 'MAAS_UNAUTHORIZED', detail: 'MAAS does not know this API key' };

const begun = () => new World(machines(3)).create(aCluster().withControlPlane(1).withWorkers(1).accepted());
const deploying = () => {
  const world = begun();
  return world.run(() => world.view.machines.every(({ phase }) => phase === 'deploying'));
};
const maasIs = (world: World, failure: MaasFailureSeen | null) => world.observe({ kind: 'maas', failure });
const conditions = (world: World) =>
  world.view.conditions
    .filter(({ type }) => type.startsWith('Maas'))
    .map(({ type, status, reason }) => `${type} ${status} ${reason}`);
const newLines = (world: World, act: () => void): string[] => {
  const before = world.lines.length;
  act();
  return world.lines.slice(before);
};

describe('while MAAS fails', () => {
  test('[WA4] a cluster that waits for its machines says with which code, and what to do', () => {
    const world = deploying();
    maasIs(world, AWAY);
    expect(world.plan.waitingOn[0]).toMatchObject({
      code: 'MAAS_UNREACHABLE',
      slot: null,
      sentence:
        'The gateway can’t reach MAAS (MAAS_UNREACHABLE: connect ECONNREFUSED). Check the endpoint and the network from the gateway. Waiting for MAAS.',
      since: world.now,
    });
    expect(world.plan.waitingOn[0]?.deadlineAt).toBeGreaterThan(world.now);
    maasIs(world, null);
    expect(world.plan.waitingOn.map(({ code }) => code)).not.toContain('MAAS_UNREACHABLE');
    world.runToPhase('running');
  });

  test('[WA4] a command that is tried again is waited for by that code, until it gets on', () => {
    const world = begun();
    world.run(() => world.sentVerbs('ensure-allocated').length > 0);
    const commandId = world.sentVerbs('ensure-allocated')[0]?.commandId;
    if (commandId === undefined) throw new Error('nothing was asked for');
    const waits = () => world.plan.waitingOn.filter(({ code }) => code === AWAY.code);
    world.observe({ kind: 'trying-again', commandId, failure: AWAY });
    expect(waits()).toMatchObject([
      {
        slot: 'cp-0',
        sentence:
          'Waiting for MAAS to give a machine for slot cp-0; MAAS_UNREACHABLE: connect ECONNREFUSED. Trying again.',
        deadlineAt: world.state?.pending['cp-0.1/ensure-allocated']?.deadlineAt,
      },
    ]);
    world.observe({ kind: 'trying-again', commandId, failure: null });
    expect(waits()).toEqual([]);
    world.runToPhase('running');
    const ignored = world.state?.ignored ?? 0;
    world.observe({ kind: 'trying-again', commandId, failure: AWAY });
    expect(world.state?.ignored).toBe(ignored + 1);
  });

  test('[WA5] a running cluster stays running and waits for nothing; its conditions and one line tell', () => {
    const world = begun().runToPhase('running');
    const steps = [
      { failure: null, lines: [], conditions: ['MaasReachable True Polled', 'MaasAuthenticated True Polled'] },
      {
        failure: AWAY,
        lines: [expect.stringContaining('can’t reach MAAS (MAAS_UNREACHABLE')],
        conditions: ['MaasReachable False MAAS_UNREACHABLE', 'MaasAuthenticated Unknown MAAS_UNREACHABLE'],
      },
      {
        failure: { ...AWAY, detail: 'in other words' },
        lines: [],
        conditions: ['MaasReachable False MAAS_UNREACHABLE', 'MaasAuthenticated Unknown MAAS_UNREACHABLE'],
      },
      {
        failure: REVOKED,
        lines: [expect.stringContaining('Make a new key in MAAS.')],
        conditions: ['MaasReachable True Polled', 'MaasAuthenticated False MAAS_UNAUTHORIZED'],
      },
      {
        failure: null,
        lines: ['MAAS answers again.'],
        conditions: ['MaasReachable True Polled', 'MaasAuthenticated True Polled'],
      },
    ];
    for (const step of steps) {
      expect(newLines(world, () => maasIs(world, step.failure))).toEqual(step.lines);
      expect(conditions(world)).toEqual(step.conditions);
      expect(world.view.phase).toBe('running');
      expect(world.view.waitingOn).toEqual([]);
    }
  });

  test('[WA5] with the gateway away nobody knows, and what was seen before is not passed off as now', () => {
    const world = deploying();
    maasIs(world, AWAY);
    world.give({ kind: 'gateway-connected', at: world.now, connected: false });
    expect(conditions(world)).toEqual(['MaasReachable Unknown NotLookedAt', 'MaasAuthenticated Unknown NotLookedAt']);
    expect(world.plan.waitingOn.map(({ code }) => code)).not.toContain('MAAS_UNREACHABLE');
  });

  test('[CL2] a state that was stored before there were such facts is read as knowing nothing', () => {
    const world = deploying();
    const { maas: _maas, ...old } = { ...world.state };
    const pending = Object.entries(old.pending ?? {}).map(([key, { tryingAgain: _, ...rest }]) => [key, rest]);
    const read = ClusterState.parse(JSON.parse(JSON.stringify({ ...old, pending: Object.fromEntries(pending) })));
    expect(pending.length).toBeGreaterThan(0);
    expect(read.maas).toBeNull();
    expect(Object.values(read.pending).map(({ tryingAgain }) => tryingAgain)).toEqual(pending.map(() => null));
  });
});
