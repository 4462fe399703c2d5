// ensure-applied and ensure-node-removed against the lab's Kubernetes API, by the same client as in production.
import { afterEach, describe, expect, test } from 'vitest';
import type { CommandContext } from '../../relay/commands/handler.ts';
import { ensureApplied } from '../../relay/commands/manifests.ts';
import { ensureNodeRemoved } from '../../relay/commands/nodes.ts';
import { createClusterDial } from '../../relay/kubernetes/connect.ts';
import type { BodyOf } from '../../shared/command.ts';
import { err } from '../../shared/result.ts';
import { contextFor, realPorts } from '../relay-bootstrap/bench.ts';
import { until } from '../support/until.ts';
import { accessTo, createEnding, startCluster } from './cluster-bench.ts';

const ending = createEnding();
afterEach(() => ending.run());
const ports = realPorts();
const dial = createClusterDial(ports.clock);

describe('ensure-applied', () => {
  const body = (server: string, manifests: string): BodyOf<'ensure-applied'> => ({
    verb: 'ensure-applied',
    access: accessTo(server),
    name: 'cni',
    manifests,
  });
  const apply = (server: string, manifests: string, change: Partial<CommandContext> = {}) => {
    const context = contextFor(body(server, manifests), ports);
    return { context, outcome: ensureApplied(dial)(body(server, manifests), { ...context, ...change }) };
  };

  const CRD = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.example.org}
spec:
  group: example.org
  names: {kind: Thing, plural: things, singular: thing, listKind: ThingList}
  scope: Namespaced
  versions:
  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
`;

  test('applies a definition and an object of it in one go, although it is served only a moment later', async () => {
    const { lab } = await startCluster(ending);
    const manifests = `
apiVersion: example.org/v1
kind: Thing
metadata: {name: one, namespace: net}
spec: {a: 1}
---
${CRD}
---
apiVersion: v1
kind: Namespace
metadata: {name: net}
`;
    const first = apply(lab.url, manifests);
    expect(await first.outcome).toEqual({
      ok: true,
      value: {
        verb: 'ensure-applied',
        applied: [
          'v1 Namespace net',
          'apiextensions.k8s.io/v1 CustomResourceDefinition things.example.org',
          'example.org/v1 Thing net/one',
        ],
      },
    });
    expect((await apply(lab.url, manifests).outcome).ok).toBe(true);
    expect(first.context.intents[0]).toBe('apply v1 Namespace net');
  });

  test('waits for an API that is still starting', async () => {
    const { lab } = await startCluster(ending, { listenAfterMs: 0, rolesAfterMs: 400, readyAfterMs: 100 });
    const namespace = '{apiVersion: v1, kind: Namespace, metadata: {name: early}}';
    expect((await apply(lab.url, namespace).outcome).ok).toBe(true);
  });

  test('names the object that Kubernetes refuses, and repeats nothing that cannot pass', async () => {
    const { lab } = await startCluster(ending);
    const bad = '{apiVersion: v1, kind: ConfigMap, metadata: {name: Not_A_Name, namespace: default}}';
    const { outcome, context } = apply(lab.url, bad);
    const failed = await outcome;
    expect(failed).toMatchObject({ ok: false, error: { code: 'KUBERNETES_REFUSED', status: 422 } });
    expect(!failed.ok && 'detail' in failed.error && failed.error.detail).toContain('ConfigMap default/Not_A_Name');
    expect(context.intents.length).toBe(1);
  });

  test('a manifest that is none is refused before anything is asked', async () => {
    const { outcome, context } = apply('https://127.0.0.1:45999', 'just text');
    expect(await outcome).toMatchObject({ ok: false, error: { status: 422, reason: 'NotAManifest' } });
    expect(context.intents).toEqual([]);
  });

  test('stops where the fence says, and when it is withdrawn', async () => {
    const { lab, api } = await startCluster(ending);
    const stale = err({ code: 'STALE_GENERATION' as const, highest: 9, detail: 'newer' });
    const namespace = '{apiVersion: v1, kind: Namespace, metadata: {name: late}}';
    expect(await apply(lab.url, namespace, { beforeChange: async () => stale }).outcome).toEqual(stale);
    const stop = new AbortController();
    stop.abort();
    const away = 'https://127.0.0.1:45999';
    expect(await apply(away, namespace, { signal: stop.signal }).outcome).toEqual(err({ code: 'STOPPED' }));
    expect((await api.readiness()).ready).toBe(true);
  });
});

describe('ensure-node-removed', () => {
  const body = (server: string, drain: boolean): BodyOf<'ensure-node-removed'> => ({
    verb: 'ensure-node-removed',
    access: accessTo(server),
    nodeName: 'w0',
    drain,
  });
  const remove = (server: string, drain: boolean, drainMs?: number) => {
    const context = contextFor(body(server, drain), ports);
    return { context, outcome: ensureNodeRemoved(dial, drainMs)(body(server, drain), context) };
  };

  const DEPLOYMENT = (replicas: number) => `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: default}
spec:
  replicas: ${replicas}
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: web}]}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent, namespace: default}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec: {tolerations: [{operator: Exists}], containers: [{name: agent, image: agent}]}
`;
  const BUDGET = (minAvailable: number) => `
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web, namespace: default}
spec: {minAvailable: ${minAvailable}, selector: {matchLabels: {app: web}}}
`;

  async function clusterWith(manifests: string, nodes: readonly string[]) {
    const cluster = await startCluster(ending);
    for (const [index, name] of nodes.entries()) {
      cluster.lab.registerNode({ name, role: 'worker', internalIp: `10.0.0.${31 + index}`, cniConfigured: true });
    }
    const applied: BodyOf<'ensure-applied'> = {
      verb: 'ensure-applied',
      access: accessTo(cluster.lab.url),
      name: 'x',
      manifests,
    };
    expect((await ensureApplied(dial)(applied, contextFor(applied, ports))).ok).toBe(true);
    return cluster;
  }
  const podsOn = async (api: Awaited<ReturnType<typeof startCluster>>['api'], name: string) => {
    const pods = await api.listPodsOn(name);
    return pods.ok ? pods.value : [];
  };

  test('cordons, moves pods within their budget, leaves DaemonSets alone, and deletes the node', async () => {
    const { lab, api } = await clusterWith(`${DEPLOYMENT(3)}---${BUDGET(2)}`, ['w0', 'w1']);
    await until(10_000, 'pods on w0', async () =>
      (await podsOn(api, 'w0')).some((pod) => pod.name.startsWith('web') && pod.phase === 'Running'),
    );
    const { outcome, context } = remove(lab.url, true);
    expect(await outcome).toEqual({ ok: true, value: { verb: 'ensure-node-removed', existed: true } });
    expect(context.intents[0]).toBe('cordon node w0');
    expect(context.intents.at(-1)).toBe('delete node w0');
    expect(context.intents.filter((intent) => intent.includes('agent'))).toEqual([]);
    expect(await api.readNode('w0')).toEqual({ ok: true, value: null });
    // Again: there is nothing left to do, and nothing is done.
    const again = remove(lab.url, true);
    expect(await again.outcome).toEqual({ ok: true, value: { verb: 'ensure-node-removed', existed: false } });
    expect(again.context.intents).toEqual([]);
  });

  test('says which pods a budget holds, and keeps the node', async () => {
    const { lab, api } = await clusterWith(`${DEPLOYMENT(1)}---${BUDGET(1)}`, ['w0']);
    await until(10_000, 'the pod on w0', async () =>
      (await podsOn(api, 'w0')).some((pod) => pod.name.startsWith('web') && pod.phase === 'Running'),
    );
    const blocked = await remove(lab.url, true, 2_500).outcome;
    expect(blocked).toMatchObject({ ok: false, error: { code: 'DRAIN_BLOCKED' } });
    expect(JSON.stringify(blocked)).toMatch(/"pods":\["default\/web-[^"]+"\]/);
    expect(await api.readNode('w0')).toMatchObject({ ok: true, value: { unschedulable: true } });
    // Without a drain nothing holds it.
    expect((await remove(lab.url, false).outcome).ok).toBe(true);
  });

  test('does not wait for pods that nobody can end any more', async () => {
    const { lab, api } = await clusterWith(DEPLOYMENT(2), ['w0', 'w1']);
    await until(10_000, 'pods on w0', async () => (await podsOn(api, 'w0')).some((pod) => pod.phase === 'Running'));
    lab.powerOff('w0');
    await until(10_000, 'w0 to be lost', async () => {
      const node = await api.readNode('w0');
      return node.ok && node.value?.unreachable === true;
    });
    expect((await remove(lab.url, true, 8_000).outcome).ok).toBe(true);
    expect(await api.readNode('w0')).toEqual({ ok: true, value: null });
  });
});
