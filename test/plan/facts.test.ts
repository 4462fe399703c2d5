import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { applyEvent } from '../../functions/plan/apply-event.ts';
import { checkState } from '../../functions/plan/check-state.ts';
import type { ClusterEvent } from '../../functions/plan/cluster-event.ts';
import { ClusterState } from '../../functions/plan/cluster-state.ts';
import { planCluster } from '../../functions/plan/plan-cluster.ts';
import { step } from '../../functions/plan/step.ts';
import { ClusterView } from '../../shared/cluster-view.ts';
import { aCluster, machines, TEST_WAITS } from '../support/builders.ts';
import { World } from './world.ts';

/** Every event of a life with a failure, an abort and a deletion in it, in order. */
function eventsOfLife(end: 'abort' | 'delete'): ClusterEvent[] {
  const events: ClusterEvent[] = [];
  const world = new World(machines(8));
  world.intercept = (event) => {
    events.push(event);
    return false;
  };
  world.maas.fates.set('m-02', 'fails-deploying');
  world.maas.fates.set('m-05', 'allocate-answer-lost');
  world.create(aCluster().withControlPlane(3).withWorkers(3).accepted());
  if (end === 'abort') world.run(() => world.sentVerbs('ensure-bootstrap').length > 2);
  else world.runToPhase('running');
  world[end]();
  world.runToPhase('deleted');
  return events;
}

const LIVES = [eventsOfLife('abort'), eventsOfLife('delete')];
const strip = (state: ClusterState | null) => (state === null ? null : { ...state, ignored: 0 });

describe('facts', () => {
  test('[CL1] nothing but an accepted spec begins a cluster, and its repeat changes nothing', () => {
    expect(applyEvent(null, { kind: 'gateway-connected', at: 1, connected: true })).toBeNull();
    const accepted = aCluster().withControlPlane(1).accepted();
    const state = applyEvent(null, accepted);
    expect(strip(applyEvent(state, accepted))).toEqual(strip(state));
    expect(applyEvent(state, accepted)?.ignored).toBe(1);
  });

  test('[L9] what a watch saw does not count from a letter that was overtaken, what a machine said does', () => {
    const world = new World(machines(4)).create(aCluster().withControlPlane(1).accepted());
    world.run(() => world.view.machines[0]?.phase === 'deploying');
    const { claim, held } = world.state?.machines[0] ?? {};
    if (claim === undefined || held == null) throw new Error('no machine');
    const tell = (ready: boolean, letter?: number) => {
      const fact = { kind: 'api-server', ready, detail: ready ? 'ok' : 'refused' } as const;
      world.give({ kind: 'observed', at: world.now, fact, ...(letter === undefined ? {} : { letter }) });
      return world.state?.api?.ready;
    };
    expect(tell(true, 7)).toBe(true);
    expect(tell(false, 6)).toBe(true);
    // Several of one letter are told one by one.
    expect(tell(false, 7)).toBe(false);
    expect(tell(true, 8)).toBe(true);
    const fact = { kind: 'enrolled', claim, systemId: held.systemId, address: '10.0.0.9' } as const;
    world.give({ kind: 'observed', at: world.now, fact, letter: 1 });
    expect(world.state?.machines[0]?.enrolled).not.toBeNull();
    expect(world.state?.letter).toBe(8);
    // Who numbers none tells what is newest.
    expect(tell(false)).toBe(false);
  });

  test('[CL3] a repeat of any event, at once or later, sends no command twice', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...LIVES),
        fc.array(fc.tuple(fc.nat(), fc.nat(40)), { maxLength: 30 }),
        (life, repeats) => {
          const events = [...life];
          for (const [where, later] of repeats) {
            const index = where % events.length;
            const event = events[index];
            if (event !== undefined) events.splice(Math.min(events.length, index + 1 + later), 0, event);
          }
          play(events);
        },
      ),
      { numRuns: 60 },
    );
  });

  test('[CL2] any order and any loss of facts keeps every rule, and nothing is begun after the end was asked for', () => {
    fc.assert(
      fc.property(fc.constantFrom(...LIVES), fc.array(fc.nat(), { maxLength: 60 }), fc.nat(30), (life, swaps, lost) => {
        const [first, ...rest] = life;
        if (first === undefined) return;
        for (const [index, swap] of swaps.entries()) {
          const a = (swap + index) % rest.length;
          const b = (a + 1 + (swap % 25)) % rest.length;
          const [one, two] = [rest[a], rest[b]];
          if (one !== undefined && two !== undefined) [rest[a], rest[b]] = [two, one];
        }
        play([first, ...rest.filter((_, index) => (index * 7 + lost) % 31 !== 0)]);
      }),
      { numRuns: 80 },
    );
  });

  test('[CL4] a plan of a state alone is the same however often it is made', () => {
    for (const life of LIVES) {
      let state: ClusterState | null = null;
      for (const event of life) {
        state = applyEvent(state, event);
        if (state === null) continue;
        expect(planCluster(state, event.at, TEST_WAITS)).toEqual(planCluster(state, event.at, TEST_WAITS));
        state = step(state, null, event.at, TEST_WAITS).state;
      }
    }
  });

  test('[CL12] the view of every state on the way is one the API can show', () => {
    const world = new World(machines(8));
    world.maas.fates.set('m-02', 'fails-bootstrap');
    world.create(aCluster().withControlPlane(3).withWorkers(3).accepted());
    world.run(() => {
      ClusterView.parse(world.view);
      return world.phases.at(-1) === 'running';
    });
  });
});

/** Plays events as they come; the world of their outcomes is not asked again. */
function play(events: readonly ClusterEvent[]): void {
  let state: ClusterState | null = null;
  let now = 0;
  const sent = new Set<string>();
  for (const event of events) {
    now = Math.max(now, event.at);
    const turn = step(state, event, now, TEST_WAITS);
    state = turn.state;
    if (state === null) continue;
    expect(checkState(state, turn.plan, now)).toEqual([]);
    for (const effect of turn.plan.effects) {
      if (effect.kind !== 'send-command') continue;
      expect(sent).not.toContain(effect.command.commandId);
      sent.add(effect.command.commandId);
      const ends = state.intent.kind !== 'present';
      if (ends) expect(['ensure-allocated', 'ensure-deployed']).not.toContain(effect.command.body.verb);
    }
    expect(step(state, null, now, TEST_WAITS).plan.effects).toEqual([]);
  }
  if (state !== null) expect(ClusterState.safeParse(JSON.parse(JSON.stringify(state))).success).toBe(true);
}
