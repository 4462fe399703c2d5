import { afterEach, describe, expect, test } from 'vitest';
import { createClusterDial } from '../../relay/kubernetes/connect.ts';
import type { EtcdApi } from '../../relay/kubernetes/etcd-members.ts';
import type { NodeEvent, NodeView, WatchEnd } from '../../relay/kubernetes/kubernetes-api.ts';
import { watchAccess } from '../../relay/kubernetes/watch-access.ts';
import { watchCluster } from '../../relay/kubernetes/watch-cluster.ts';
import type { BodyOf } from '../../shared/command.ts';
import type { ClusterFact } from '../../shared/observation.ts';
import { err, ok } from '../../shared/result.ts';
import { contextFor, playKubernetes, realPorts } from '../relay-bootstrap/bench.ts';
import { until } from '../support/until.ts';
import { accessTo, createEnding, startCluster } from './cluster-bench.ts';

const ending = createEnding();
afterEach(() => ending.run());

/** Timers that pass at once, so that a watch of hours takes no time; every wait gives way to what else is ready. */
const hurried = {
  ...realPorts(),
  timers: {
    after: (_delayMs: number, then: () => void) => {
      const turn = setImmediate(then);
      return () => clearImmediate(turn);
    },
  },
};

const node = (name: string, ready: boolean, role: NodeView['role'] = 'worker', resourceVersion = '5'): NodeView => ({
  name,
  resourceVersion,
  ready,
  reason: ready ? '' : 'KubeletNotReady: no network',
  role,
  unschedulable: false,
  unreachable: false,
  providerId: null,
  internalIp: role === 'control-plane' ? `10.0.0.${name.length}` : null,
  kubeletVersion: 'v1.36.2',
});

type Scene = {
  readonly lists: (readonly NodeView[] | 'refused')[];
  readonly watches: { readonly events: readonly NodeEvent[]; readonly end: WatchEnd }[];
  readonly readiness: { readonly ready: boolean; readonly detail: string }[];
};

/** Plays a scene to its last list and watch, then holds; answers the facts told and the versions watched from. */
async function play(
  scene: Scene,
  members: readonly { id: string; name: string; healthy: boolean; learner: boolean; host: string }[] = [],
) {
  const stop = new AbortController();
  const facts: ClusterFact[] = [];
  const versions: string[] = [];
  const asked: string[][] = [];
  const { promise: finished, resolve: finish } = Promise.withResolvers<void>();
  const [lists, watches, readiness] = [[...scene.lists], [...scene.watches], [...scene.readiness]];
  const api = playKubernetes({
    readiness: async () => readiness.shift() ?? scene.readiness.at(-1) ?? { ready: true, detail: '' },
    listNodes: async () => {
      const list = lists.shift() ?? scene.lists.at(-1) ?? [];
      if (list === 'refused') return err({ code: 'KUBERNETES_UNREACHABLE' as const, detail: 'away' });
      return ok({ nodes: list, resourceVersion: `list-${scene.lists.length - lists.length}` });
    },
    watchNodes: async (version: string, onEvent: (event: NodeEvent) => void, signal: AbortSignal) => {
      versions.push(version);
      const next = watches.shift();
      if (next === undefined) {
        finish();
        return new Promise<WatchEnd>((resolve) => signal.addEventListener('abort', () => resolve({ kind: 'ended' })));
      }
      for (const event of next.events) onEvent(event);
      return next.end;
    },
  });
  const etcd: EtcdApi = {
    listMembers: async (peers) => {
      asked.push([...peers]);
      return ok(members);
    },
    removeMember: async () => ok(null),
    close: async () => {},
  };
  const watching = watchCluster({
    api,
    etcd,
    ports: hurried,
    emit: (fact) => facts.push(fact),
    signal: stop.signal,
  });
  await finished;
  if (members.length > 0)
    await until(5_000, 'etcd members', () => facts.some((fact) => fact.kind === 'etcd-members'), 1);
  stop.abort();
  await watching;
  return { facts, versions, asked };
}

const READY = [{ ready: true, detail: '' }];
const nodesTold = (facts: readonly ClusterFact[]) =>
  facts.flatMap((fact) => (fact.kind === 'node' ? [`${fact.name} ${fact.present ? '' : 'gone '}${fact.ready}`] : []));

describe('watching a cluster', () => {
  test('tells changes only, and goes on from the last version after a watch has ended', async () => {
    const { facts, versions } = await play({
      readiness: READY,
      lists: [[node('a', false)]],
      watches: [
        { events: [{ kind: 'present', node: node('a', false, 'worker', '7') }], end: { kind: 'ended' } },
        {
          events: [
            { kind: 'present', node: node('a', true, 'worker', '8') },
            { kind: 'bookmark', resourceVersion: '9' },
          ],
          end: { kind: 'ended' },
        },
        {
          events: [
            { kind: 'gone', name: 'a' },
            { kind: 'gone', name: 'never-seen' },
          ],
          end: { kind: 'ended' },
        },
      ],
    });
    expect(nodesTold(facts)).toEqual(['a false', 'a true', 'a gone false']);
    expect(versions.slice(0, 4)).toEqual(['list-1', '7', '9', '9']);
    expect(facts.filter((fact) => fact.kind === 'api-server')).toEqual([
      { kind: 'api-server', ready: true, detail: '' },
    ]);
  });

  test('lists anew when the version is too old or a watch fails, and finds what was missed', async () => {
    const { facts, versions } = await play({
      readiness: READY,
      lists: [[node('a', true), node('b', true)], 'refused', [node('b', false)], [node('b', false), node('c', true)]],
      watches: [
        { events: [], end: { kind: 'expired' } },
        { events: [], end: { kind: 'failed', detail: 'cut' } },
      ],
    });
    expect(nodesTold(facts)).toEqual(['a true', 'b true', 'a gone false', 'b false', 'c true']);
    expect(versions).toEqual(['list-1', 'list-3', 'list-4']);
  });

  test('asks for nodes only when the API is ready, and calls it gone only after three failures', async () => {
    const down = { ready: false, detail: 'connect ECONNREFUSED' };
    const up = { ready: true, detail: '' };
    const { facts } = await play({
      readiness: [down, { ready: false, detail: 'it is starting' }, up, down, down, up, down, down, down, up],
      lists: [[node('a', true)]],
      watches: Array.from({ length: 60 }, () => ({ events: [], end: { kind: 'failed' as const, detail: 'cut' } })),
    });
    const told = facts.flatMap((fact) => (fact.kind === 'api-server' ? [`${fact.ready} ${fact.detail}`] : []));
    expect(told).toEqual([
      'false connect ECONNREFUSED',
      'false it is starting',
      'true ',
      'false connect ECONNREFUSED',
      'true ',
    ]);
    expect(facts.findIndex((fact) => fact.kind === 'node')).toBeGreaterThan(1);
  });

  test('tells etcd members of two control planes and more, asking ready ones first', async () => {
    const members = [
      { id: '2', name: 'b', healthy: true, learner: false, host: 'x' },
      { id: '1', name: 'a', healthy: false, learner: true, host: 'y' },
    ];
    const { facts, asked } = await play(
      {
        readiness: READY,
        lists: [[node('cp', false, 'control-plane'), node('cp-0', true, 'control-plane'), node('w', true)]],
        watches: [],
      },
      members,
    );
    expect(facts.find((fact) => fact.kind === 'etcd-members')).toEqual({
      kind: 'etcd-members',
      members: [
        { id: '1', name: 'a', healthy: false, learner: true },
        { id: '2', name: 'b', healthy: true, learner: false },
      ],
    });
    expect(asked[0]).toEqual(['10.0.0.4', '10.0.0.2']);
    expect(facts.filter((fact) => fact.kind === 'etcd-members').length).toBe(1);
  });

  test('sees a whole life of the lab cluster', async () => {
    const { lab } = await startCluster(ending, { listenAfterMs: 0, rolesAfterMs: 200, readyAfterMs: 200 });
    const body: BodyOf<'ensure-identity'> = { verb: 'ensure-identity', clusterName: 'x', existing: null };
    const stop = new AbortController();
    const context = contextFor(body, realPorts(), stop.signal);
    const watching = watchAccess(createClusterDial(realPorts().clock))(accessTo(lab.url), context);
    const has = (text: string) =>
      until(10_000, text, () => context.facts.some((fact) => JSON.stringify(fact).includes(text)), 20);
    await has('"kind":"api-server","ready":false');
    await has('"kind":"api-server","ready":true');
    lab.registerNode({ name: 'w0', role: 'worker', internalIp: '10.0.0.31', cniConfigured: true });
    await has('"name":"w0","present":true,"ready":true');
    lab.kubeletGone('w0');
    await has('NodeStatusUnknown');
    stop.abort();
    await watching;
  });

  test('says so when the identity cannot be opened', async () => {
    const body: BodyOf<'ensure-identity'> = { verb: 'ensure-identity', clusterName: 'x', existing: null };
    const context = contextFor(body, realPorts());
    const access = accessTo('https://127.0.0.1:6443');
    const sealed = { ...access, identity: { ...access.identity, ciphertext: 'another-gateways' } };
    await watchAccess(createClusterDial(realPorts().clock))(sealed, context);
    expect(context.facts).toMatchObject([{ kind: 'api-server', ready: false }]);
  });
});
