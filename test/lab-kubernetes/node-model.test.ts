// The cluster without HTTP, under a clock that only moves when told: what a simulator relies on.
import { describe, expect, it } from 'vitest';
import type { Clock } from '../lab/kubernetes/clock.ts';
import { createCluster } from '../lab/kubernetes/cluster.ts';
import { text } from '../lab/kubernetes/json.ts';
import { DAEMON_SETS, NODES, PODS } from '../lab/kubernetes/resources.ts';
import { DEFAULT_TIMINGS } from '../lab/kubernetes/timings.ts';

function manualClock() {
  let now = Date.parse('2026-01-01T00:00:00Z');
  let order = 0;
  const due: { at: number; order: number; work: () => void }[] = [];
  const clock: Clock = {
    now: () => now,
    after: (delayMs, work) => {
      order += 1;
      const entry = { at: now + delayMs, order, work };
      due.push(entry);
      return () => {
        const index = due.indexOf(entry);
        if (index >= 0) due.splice(index, 1);
      };
    },
  };
  return {
    clock,
    advance: (ms: number): void => {
      const end = now + ms;
      for (;;) {
        due.sort((a, b) => a.at - b.at || a.order - b.order);
        const next = due[0];
        if (next === undefined || next.at > end) break;
        due.shift();
        now = next.at;
        next.work();
      }
      now = end;
    },
  };
}

function played() {
  const time = manualClock();
  let uid = 0;
  const cluster = createCluster({
    clock: time.clock,
    timings: DEFAULT_TIMINGS,
    clusterName: 'sim',
    kubernetesVersion: 'v1.36.2',
    endpoint: '10.0.0.10:6443',
    caPem: 'none',
    podSubnet: '10.244.0.0/16',
    serviceSubnet: '10.96.0.0/12',
    newUid: () => {
      uid += 1;
      return `uid-${uid}`;
    },
  });
  const node = (name: string) => cluster.nodes.listNodes().find((one) => one.name === name);
  const applyNetwork = () =>
    cluster.store.create(DAEMON_SETS, {
      kind: 'DaemonSet',
      apiVersion: 'apps/v1',
      metadata: { name: 'cilium', namespace: 'cilium-system', generation: 1 },
      spec: {
        selector: { matchLabels: { a: 'b' } },
        template: {
          metadata: { labels: { a: 'b' } },
          spec: { containers: [{ name: 'c', image: 'c:1' }], tolerations: [{ operator: 'Exists' }] },
        },
      },
    });
  return { ...time, cluster, node, applyNetwork };
}

describe('the node model', () => {
  it('keeps nodes NotReady until a network plugin was applied', () => {
    const { cluster, advance, node, applyNetwork } = played();
    cluster.nodes.registerNode({ name: 'w1', role: 'worker', internalIp: '10.0.0.1' });
    advance(60_000);
    expect(node('w1')).toMatchObject({ ready: 'False', reason: 'KubeletNotReady' });
    applyNetwork();
    advance(2_000);
    expect(node('w1')).toMatchObject({ ready: 'True', reason: 'KubeletReady' });
    const stored = cluster.store.get(NODES, '', 'w1');
    expect(stored.ok && JSON.stringify(stored.value)).not.toContain('not-ready');
  });

  it('turns a silent node Unknown after the grace and back with its heartbeat', () => {
    const { cluster, advance, node, applyNetwork } = played();
    applyNetwork();
    cluster.nodes.registerNode({ name: 'w1', role: 'worker', internalIp: '10.0.0.1' });
    advance(5_000);
    cluster.powerOff('w1');
    advance(39_000);
    expect(node('w1')?.ready).toBe('True');
    advance(2_000);
    expect(node('w1')).toMatchObject({ ready: 'Unknown', reason: 'NodeStatusUnknown' });
    const stored = cluster.store.get(NODES, '', 'w1');
    expect(stored.ok && JSON.stringify(stored.value)).toContain('node.kubernetes.io/unreachable');
    cluster.powerOn('w1');
    advance(1_000);
    expect(node('w1')?.ready).toBe('True');
  });

  it('does not bring a deleted node back by itself, but at the next registration', () => {
    const { cluster, advance, node, applyNetwork } = played();
    applyNetwork();
    cluster.nodes.registerNode({ name: 'w1', role: 'worker', internalIp: '10.0.0.1' });
    advance(5_000);
    cluster.store.remove(NODES, '', 'w1');
    advance(60_000);
    expect(node('w1')).toBeUndefined();
    expect(cluster.store.all(PODS).filter((pod) => text(pod, 'spec', 'nodeName') === 'w1')).toEqual([]);
    cluster.nodes.registerNode({ name: 'w1', role: 'worker', internalIp: '10.0.0.1' });
    advance(1_000);
    expect(node('w1')?.ready).toBe('True');
  });

  it('refuses registrations without a quorum, and a newcomer in a dead member’s place', () => {
    const { cluster } = played();
    for (const index of [1, 2, 3]) expect(cluster.addControlPlane(`cp${index}`, `10.0.0.${index}`).ok).toBe(true);
    cluster.powerOff('cp3');
    expect(cluster.etcd.hasQuorum()).toBe(true);
    expect(cluster.addControlPlane('cp4', '10.0.0.3')).toMatchObject({ error: { code: 'ETCD_STALE_MEMBER' } });
    expect(cluster.removeControlPlane('cp3').ok).toBe(true);
    expect(cluster.addControlPlane('cp4', '10.0.0.3').ok).toBe(true);
    cluster.powerOff('cp1');
    cluster.powerOff('cp2');
    expect(cluster.removeControlPlane('cp1')).toMatchObject({ error: { code: 'ETCD_NO_QUORUM' } });
    expect(cluster.nodes.registerNode({ name: 'w1', role: 'worker', internalIp: '10.0.0.9' })).toMatchObject({
      error: { status: 504 },
    });
  });

  it('replays the same history from the same inputs', () => {
    const history = () => {
      const { cluster, advance, applyNetwork } = played();
      cluster.nodes.registerNode({ name: 'w1', role: 'worker', internalIp: '10.0.0.1' });
      applyNetwork();
      advance(10_000);
      return JSON.stringify(cluster.store.since(0).map((change) => [change.type, change.object]));
    };
    expect(history()).toBe(history());
  });
});
