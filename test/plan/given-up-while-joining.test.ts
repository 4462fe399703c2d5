import { describe, expect, test } from 'vitest';
import { joinsUntil } from '../../functions/plan/control-plane-safety.ts';
import { JOIN_DEADLINE_MS, JOIN_TOKEN_MS } from '../../shared/limits.ts';
import { aCluster, machines, TEST_WAITS } from '../support/builders.ts';
import { documentsOf } from './documents-of-kind.ts';
import { stateOf } from './rollout-world.ts';
import { World } from './world.ts';

const recordOf = (world: World, systemId: string) =>
  stateOf(world).machines.find(({ held }) => held?.systemId === systemId);

/** Two of three members are to come; the first of them has its document and joins, and is broken in MAAS by a person. */
function brokenWhileJoining(prepare: (world: World) => void = () => {}): { world: World; broken: string } {
  const world = new World(machines(8)).create(aCluster().withControlPlane(3).accepted());
  prepare(world);
  const second = () => stateOf(world).machines.find(({ slot }) => slot === 'cp-1');
  world.run(() => second()?.document?.fetchedAt != null);
  const broken = second()?.held?.systemId ?? '';
  world.maas.set(broken, { status: 'broken' });
  world.relay.noticed(broken);
  return { world, broken };
}

const wholeAgain = (world: World): void => {
  world.runToPhase('running');
  expect(world.relay.kubernetes.begun).toHaveLength(1);
  expect([...world.relay.kubernetes.members.values()]).toEqual([true, true, true]);
};

describe('a machine that is given up while it joins', () => {
  test('[CP14] is let join, and leaves etcd before it goes back: one of two members would be no quorum', () => {
    const { world, broken } = brokenWhileJoining();
    const name = recordOf(world, broken)?.held?.hostname ?? '';
    expect(recordOf(world, broken)?.leaving).toMatchObject({ memberRemoved: false });
    expect(world.sentVerbs('ensure-member-removed')).toEqual([]);
    world.run(() => world.relay.kubernetes.members.has(name));
    expect(world.sentVerbs('ensure-released')).toEqual([]);
    world.run(() => world.maas.get(broken).owner === null);
    expect(world.relay.kubernetes.members.has(name)).toBe(false);
    wholeAgain(world);
  });

  test('[CP14] [WA1] is waited for until its token can have let nobody in any more, and that is said', () => {
    const { world, broken } = brokenWhileJoining((fresh) => {
      fresh.intercept = (event) => event.kind === 'observed' && event.fact.kind === 'step';
    });
    const until = (recordOf(world, broken)?.document?.fetchedAt ?? 0) + TEST_WAITS.joinDeadlineMs;
    expect(world.plan.waitingOn).toContainEqual(
      expect.objectContaining({ code: 'join-ends', slot: 'cp-1', deadlineAt: until }),
    );
    world.run(() => world.sentVerbs('ensure-member-removed').length > 0);
    expect(world.now).toBe(until);
    world.run(() => world.maas.get(broken).owner === null);
    wholeAgain(world);
  });

  test('[CP14] a fetch that nobody told of was before the document was withdrawn', () => {
    const { world, broken } = brokenWhileJoining();
    const record = recordOf(world, broken);
    if (record?.document == null || record.leaving === null) throw new Error('it has its document and leaves');
    const untold = { ...record, document: { ...record.document, fetchedAt: null }, steps: [] };
    expect(joinsUntil(untold, TEST_WAITS)).toBe(record.leaving.since + TEST_WAITS.joinDeadlineMs);
  });

  test('[CP14] whoever can not join, or is a member for good, is not waited for', () => {
    const { world, broken } = brokenWhileJoining();
    const record = recordOf(world, broken);
    if (record?.document == null) throw new Error('it has its document');
    const { document } = record;
    const step = { attempt: 1, startedAt: 0, endedAt: 1, log: '' };
    const ended = (name: string, outcome: 'succeeded' | 'failed') => ({
      ...record,
      steps: [{ ...step, name, outcome }],
    });
    const others = [
      { ...record, document: null },
      { ...record, document: { ...document, kind: 'init' as const } },
      { ...record, role: 'worker' as const },
      ended('bootstrap', 'failed'),
      ended('kubeadm-join', 'succeeded'),
    ];
    expect(others.map((machine) => joinsUntil(machine, TEST_WAITS))).toEqual([0, 0, 0, 0, 0]);
    // It is tried again.
    expect(joinsUntil(ended('kubeadm-join', 'failed'), TEST_WAITS)).toBeGreaterThan(world.now);
  });

  test('[CP14] an end of the cluster waits for no join', () => {
    const { world, broken } = brokenWhileJoining();
    world.abort();
    expect(world.sentVerbs('ensure-released')).not.toEqual([]);
    world.runToPhase('deleted');
    expect(world.maas.get(broken).owner).toBeNull();
  });

  test('[CP14] a join that began with the last breath of its token is over when the time to join is', () => {
    const joins = documentsOf('workload').flatMap(({ steps }) => steps.filter(({ name }) => name === 'kubeadm-join'));
    expect(joins.length).toBeGreaterThan(0);
    // `timeout` kills what has not ended half a minute after it was told to.
    for (const { timeoutSeconds } of joins)
      expect(JOIN_TOKEN_MS + (timeoutSeconds + 30) * 1_000).toBeLessThan(JOIN_DEADLINE_MS);
  });
});
