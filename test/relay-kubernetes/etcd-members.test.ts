import { afterEach, describe, expect, test } from 'vitest';
import { ensureMemberRemoved, objectionTo } from '../../relay/commands/members.ts';
import { createEtcdApi, type EtcdMember } from '../../relay/kubernetes/etcd-members.ts';
import type { BodyOf } from '../../shared/command.ts';
import { contextFor, realPorts } from '../relay-bootstrap/bench.ts';
import { accessTo, createEnding, identity } from './cluster-bench.ts';
import { playEtcd, three } from './scripted-etcd.ts';

const ending = createEnding();
afterEach(() => ending.run());
const { clock } = realPorts();

describe('etcd', () => {
  test('is asked through any peer that answers; ids keep all their digits', async () => {
    const port = await playEtcd(ending, three());
    const etcd = createEtcdApi(identity, clock, port);
    ending.add(() => etcd.close());
    const members = await etcd.listMembers(['127.0.0.23', '127.0.0.21']);
    expect(members).toMatchObject({
      ok: true,
      value: [
        { id: '9372538179322589801', name: 'cp-0', healthy: true, host: '127.0.0.21' },
        { id: '10501334649042878790', name: 'cp-1', healthy: true },
        { id: '18249187646912138824', name: 'cp-2', healthy: false, learner: false },
      ],
    });
    expect(await etcd.removeMember(['127.0.0.22'], '5')).toEqual({ ok: true, value: null });
    expect(await etcd.listMembers(['127.0.0.99'])).toMatchObject({
      ok: false,
      error: { code: 'KUBERNETES_UNREACHABLE' },
    });
  });
});

describe('ensure-member-removed', () => {
  function remove(port: number, memberName: string, peers: string[]) {
    const body: BodyOf<'ensure-member-removed'> = {
      verb: 'ensure-member-removed',
      access: accessTo('https://127.0.0.1:6443'),
      memberName,
      peers,
    };
    const context = contextFor(body, realPorts());
    const dial = { etcd: () => createEtcdApi(identity, clock, port) };
    return { context, outcome: ensureMemberRemoved(dial)(body, context) };
  }
  const peers = ['127.0.0.21', '127.0.0.22'];

  test('removes a dead member, once', async () => {
    const members = three();
    const port = await playEtcd(ending, members);
    const first = remove(port, 'cp-2', peers);
    expect(await first.outcome).toEqual({ ok: true, value: { verb: 'ensure-member-removed', existed: true } });
    expect(first.context.intents).toEqual(['remove etcd member cp-2 (18249187646912138824)']);
    expect(members.map((member) => member.name)).toEqual(['cp-0', 'cp-1']);
    const again = remove(port, 'cp-2', peers);
    expect(await again.outcome).toEqual({ ok: true, value: { verb: 'ensure-member-removed', existed: false } });
    expect(again.context.intents).toEqual([]);
  });

  test('removes what a failed join announced and never started, and no other unnamed member', async () => {
    const members = three().map((member) => (member.name === 'cp-2' ? { ...member, name: '' } : member));
    const port = await playEtcd(ending, members);
    const near = remove(port, 'cp-9', [...peers, '127.0.0.23']);
    expect(await near.outcome).toMatchObject({ ok: true, value: { existed: false } });
    expect(await remove(port, 'cp-2', peers).outcome).toMatchObject({ ok: true, value: { existed: true } });
    expect(members.length).toBe(2);
  });

  test('keeps its hands off without a quorum', async () => {
    const members = three().map((member) => ({ ...member, up: member.name === 'cp-0' }));
    const port = await playEtcd(ending, members);
    const { outcome, context } = remove(port, 'cp-2', peers);
    expect(await outcome).toMatchObject({ ok: false, error: { code: 'NO_QUORUM' } });
    expect(context.intents).toEqual([]);
    expect(members.length).toBe(3);
  });
});

describe('quorum', () => {
  const group = (text: string): EtcdMember[] =>
    [...text].map((letter, index) => ({
      id: String(index),
      name: `m${index}`,
      host: '',
      healthy: letter === 'H' || letter === 'l',
      learner: letter === 'l',
    }));
  test.each([
    // H healthy, d dead, l a healthy learner; the number is who goes.
    ['HHd', 2, true],
    ['HHH', 0, true],
    ['Hdd', 2, false],
    ['Hd', 1, false],
    ['HH', 0, true],
    ['H', 0, false],
    ['HHHdd', 4, true],
    ['HHddd', 4, false],
    ['Hl', 1, true],
    ['Hl', 0, false],
    ['HHdl', 2, true],
    ['HdHd', 0, false],
  ])('of %s, may %i go: %s', (text, who, may) => {
    const members = group(text);
    const member = members[who];
    if (member === undefined) throw new Error('no such member');
    expect(objectionTo(member, members) === null).toBe(may);
  });
});
