import { describe, expect, test } from 'vitest';
import type { BodyOf, Command } from '../../shared/command.ts';
import { aCluster, machines } from '../support/builders.ts';
import { onlyOf, roll, running, stateOf } from './rollout-world.ts';
import { World } from './world.ts';

/** A control plane of three that runs, and the machine of the second slot broken in MAAS. */
function withBroken(before: (world: World) => void): { world: World; broken: string; name: string } {
  const world = new World(machines(8)).create(aCluster().withControlPlane(3).withWorkers(1).accepted());
  world.runToPhase('running');
  const broken = world.view.machines[1]?.systemId ?? '';
  before(world);
  world.maas.set(broken, { status: 'broken' });
  world.relay.noticed(broken);
  return { world, broken, name: world.view.machines[1]?.hostname ?? '' };
}

const bodiesOf = <V extends 'ensure-released' | 'ensure-member-removed'>(world: World, verb: V): BodyOf<V>[] =>
  world.sent.flatMap(({ body }) => (body.verb === verb ? [body as BodyOf<V>] : [])); // its tag was compared

const aboutMember = ({ body }: Command): boolean =>
  body.verb === 'ensure-member-removed' || body.verb === 'ensure-released';

describe('a member on its way out', () => {
  test('[CP5] a machine that joined after etcd had been asked for it leaves etcd before it goes back', () => {
    let asked = 0;
    const { world, broken, name } = withBroken(({ relay }) => {
      relay.answer = ({ body }) => {
        if (body.verb !== 'ensure-member-removed') return undefined;
        asked += 1;
        return asked > 1 ? undefined : { ok: true, value: { verb: body.verb, existed: false } };
      };
    });
    world.run(() => world.maas.get(broken).owner === null);
    const verbs = world.sent.filter(aboutMember).map(({ body }) => body.verb);
    expect(verbs).toEqual(['ensure-member-removed', 'ensure-released', 'ensure-member-removed', 'ensure-released']);
    expect(world.relay.kubernetes.members.has(name)).toBe(false);
    world.runToPhase('running');
    expect([...world.relay.kubernetes.members.values()]).toEqual([true, true, true]);
  });

  test('[CP5] [WA1] while etcd can not be asked it is not given back, and MAAS is not blamed for it', () => {
    const away = { code: 'KUBERNETES_UNREACHABLE', detail: 'etcd does not answer' } as const;
    const { world, broken } = withBroken(({ relay }) => {
      relay.answer = ({ body }) => (body.verb === 'ensure-released' ? { ok: false, error: away } : undefined);
    });
    world.pass(600_000);
    const leaving = stateOf(world).machines.find(({ held }) => held?.systemId === broken)?.leaving;
    expect(leaving).toMatchObject({ tries: 0, askedAt: null, memberRemoved: true });
    const wait = world.plan.waitingOn.find(({ code }) => code === 'KUBERNETES_UNREACHABLE');
    expect(wait?.sentence).toContain('etcd does not answer');
    world.relay.answer = () => undefined;
    world.run(() => world.maas.get(broken).owner === null);
  });

  test('[CP5] etcd is asked for a control plane of a cluster that lives on, and for nothing else', () => {
    const { world, name } = withBroken(() => {});
    world.runToPhase('running');
    const [member] = bodiesOf(world, 'ensure-released');
    expect(member?.seat).toMatchObject({ memberName: name, peers: { length: 2 } });
    const worker = world.view.machines.find(({ slot }) => slot === 'workers-0')?.systemId ?? '';
    world.maas.set(worker, { status: 'broken' });
    world.relay.noticed(worker);
    world.run(() => world.maas.get(worker).owner === null);
    expect(bodiesOf(world, 'ensure-released').at(-1)?.seat).toBeUndefined();
    world.delete();
    world.runToPhase('deleted');
    expect(bodiesOf(world, 'ensure-released').filter(({ seat }) => seat !== undefined)).toHaveLength(1);
  });

  test('[RO5] one that serves leaves etcd only with those that stay in MAAS; one that failed needs nobody', () => {
    const world = running(3, 3);
    const [first, second, third] = ['gateway-0', 'gateway-1', 'gateway-2'].map((slot) => onlyOf(world, slot));
    roll(world, { image: 'ubuntu/plucky' });
    world.run(() => world.sentVerbs('ensure-member-removed').length === 1);
    const [body] = bodiesOf(world, 'ensure-member-removed');
    expect(body?.memberName).toBe(first?.held?.hostname);
    expect(body?.staying?.machines).toEqual(
      [second, third].map((machine) => ({ claim: machine?.claim, systemId: machine?.held?.systemId })),
    );
    const { world: other } = withBroken(() => {});
    other.runToPhase('running');
    expect(bodiesOf(other, 'ensure-member-removed').map(({ staying }) => staying)).toEqual([undefined]);
  });

  test('[CP7] [RO5] another one that is given back meanwhile leaves etcd first, and the rollout ends', () => {
    const world = running(3, 4);
    const [first, third] = [onlyOf(world, 'gateway-0'), onlyOf(world, 'gateway-2')];
    const lost = third.held?.systemId ?? '';
    roll(world, { image: 'ubuntu/plucky' });
    world.run(() => world.sentVerbs('ensure-node-removed').length === 1);
    // Nobody has looked at MAAS for it yet; the relay does when the member is to go. It serves on for a while.
    world.maas.set(lost, { status: 'broken' });
    world.run(() => world.plan.waitingOn.some(({ code }) => code === 'NO_QUORUM'));
    const { members } = world.relay.kubernetes;
    expect(members.size).toBe(3);
    world.relay.noticed(lost);
    world.run(() => members.size === 2);
    expect([...members.keys()]).not.toContain(third.held?.hostname);
    world.relay.kubernetes.powerOff(lost);
    world.run(() => members.size === 1);
    expect([...members.keys()]).not.toContain(first.held?.hostname);
    endsWhole(world);
  });

  test('[CP7] [RO5] [WA1] one that failed before the other was drained leaves etcd first, and that is said', () => {
    const world = running(3, 4);
    const third = onlyOf(world, 'gateway-2');
    let isHeldUp = true;
    world.relay.answer = ({ body, subject }) => {
      const blocks = body.verb === 'ensure-node-removed' && body.drain && isHeldUp;
      if (blocks) return { ok: false, error: { code: 'DRAIN_BLOCKED', detail: 'a pod stays', pods: ['a/b'] } };
      const away = body.verb === 'ensure-member-removed' && subject.startsWith('gateway-2');
      return away ? { ok: false, error: { code: 'KUBERNETES_UNREACHABLE', detail: 'no answer' } } : undefined;
    };
    roll(world, { image: 'ubuntu/plucky' });
    world.run(() => world.plan.waitingOn.some(({ code }) => code === 'DRAIN_BLOCKED'));
    world.relay.kubernetes.powerOff(third.held?.systemId ?? '');
    world.maas.set(third.held?.systemId ?? '', { status: 'broken' });
    world.relay.noticed(third.held?.systemId ?? '');
    isHeldUp = false;
    const waits = () => world.plan.waitingOn.find(({ code }) => code === 'member-removal');
    world.run(() => waits() !== undefined);
    expect(waits()).toMatchObject({ slot: 'gateway-0', sentence: expect.stringContaining('gateway-2') });
    world.pass(60_000);
    expect(world.sentVerbs('ensure-member-removed').every(({ subject }) => subject.startsWith('gateway-2'))).toBe(true);
    world.relay.answer = () => undefined;
    endsWhole(world);
  });
});

function endsWhole(world: World): void {
  world.runToPhase('running');
  expect(world.relay.kubernetes.begun).toHaveLength(1);
  expect([...world.relay.kubernetes.members.values()]).toEqual([true, true, true]);
}
