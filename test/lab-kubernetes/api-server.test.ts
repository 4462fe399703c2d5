// What no recording can show: the start-up in order, silence without a quorum, the loud refusals, and the real client
// library that the relay uses.
import { createServer } from 'node:net';
import { CoreV1Api, KubeConfig, KubernetesObjectApi, PatchStrategy, PolicyV1Api } from '@kubernetes/client-node';
import { afterEach, describe, expect, it } from 'vitest';
import { STAND_IN_HEADER } from '../lab/kubernetes/api-server.ts';
import type { KubernetesApiOptions } from '../lab/kubernetes/kubernetes-api.ts';
import type { PlayedCluster } from './played-cluster.ts';
import { playCluster, until } from './played-cluster.ts';

let lab: PlayedCluster | undefined;
const start = async (options: Partial<KubernetesApiOptions> = {}): Promise<PlayedCluster> => {
  lab = await playCluster(options);
  return lab;
};

afterEach(async () => {
  await lab?.api.close();
  lab = undefined;
});

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const bound = probe.address();
      probe.close(() => resolve(typeof bound === 'object' && bound !== null ? bound.port : 0));
    });
  });
}

function clientConfig(played: PlayedCluster): KubeConfig {
  const config = new KubeConfig();
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  config.loadFromOptions({
    clusters: [{ name: 'lab', server: played.api.url, caData: base64(played.caPem), skipTLSVerify: false }],
    users: [
      { name: 'admin', certData: base64(played.people.admin.certPem), keyData: base64(played.people.admin.keyPem) },
    ],
    contexts: [{ name: 'lab', cluster: 'lab', user: 'admin' }],
    currentContext: 'lab',
  });
  return config;
}

describe('the API server of the lab', () => {
  it('starts as a real one does: refused, 403, 500, ok', async () => {
    const port = await freePort();
    const played = await start({ port, startup: { listenAfterMs: 300, rolesAfterMs: 300, readyAfterMs: 300 } });
    const seen: string[] = [];
    await until(async () => {
      const told = await played.ask({ method: 'GET', path: '/readyz' }).then(
        (reply) => String(reply.status),
        (error: unknown) => (error instanceof Error && 'code' in error ? String(error.code) : 'odd'),
      );
      if (seen.at(-1) !== told) seen.push(told);
      return told === '200';
    });
    expect(seen).toEqual(['ECONNREFUSED', '403', '500', '200']);
  });

  it('says on every answer that it is a stand-in', async () => {
    const played = await start();
    for (const path of ['/version', '/readyz', '/api/v1/nodes', '/nonsense']) {
      const reply = await played.ask({ method: 'GET', path, who: played.people.admin });
      expect(reply.headers[STAND_IN_HEADER], path).toContain('stand-in');
    }
  });

  it('refuses loudly what it does not model', async () => {
    const played = await start();
    for (const path of [
      '/apis/autoscaling/v2/horizontalpodautoscalers',
      '/api/v1/replicationcontrollers',
      '/api/v1/nodes/w1/proxy/healthz',
      '/metrics',
    ]) {
      const reply = await played.ask({ method: 'GET', path, who: played.people.admin });
      expect([path, reply.status]).toEqual([path, 501]);
      expect(reply.text).toContain('does not model');
    }
  });

  it('without a quorum: reads hang and end without an answer, writes are 504, all is well again afterwards', async () => {
    const played = await start({ timings: { etcdCheckMs: 50 } });
    for (const [name, address] of [
      ['cp1', '10.88.0.21'],
      ['cp2', '10.88.0.22'],
      ['cp3', '10.88.0.23'],
    ] as const)
      played.api.addControlPlane(name, address);
    played.api.powerOff('cp1');
    played.api.powerOff('cp2');
    await expect(
      played.ask({ method: 'GET', path: '/api/v1/nodes/w1?timeout=200ms', who: played.people.admin }),
    ).rejects.toThrow();
    const hanging = played.ask({ method: 'GET', path: '/api/v1/nodes/w1', who: played.people.admin });
    const written = await played.ask({
      method: 'PATCH',
      path: '/api/v1/nodes/w1?timeout=100ms',
      who: played.people.admin,
      headers: { 'content-type': 'application/merge-patch+json' },
      body: '{}',
    });
    expect(written.status).toBe(504);
    expect((await played.ask({ method: 'GET', path: '/readyz' })).status).toBe(500);
    played.api.powerOn('cp1');
    expect((await hanging).status).toBe(200);
    expect((await played.ask({ method: 'GET', path: '/readyz' })).status).toBe(200);
  });

  it('serves the client library of the relay: list, apply, evict, watch for Ready', async () => {
    const played = await start({ timings: { podStartMs: 1, podStopMs: 1 } });
    const config = clientConfig(played);
    const core = config.makeApiClient(CoreV1Api);
    const nodes = await core.listNode();
    expect(nodes.items.map((node) => node.metadata?.name)).toEqual(['cp1', 'cp2', 'cp3', 'w1']);
    const objects = KubernetesObjectApi.makeApiClient(config);
    const manifest = {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'web', namespace: 'rec' },
      spec: {
        replicas: 2,
        selector: { matchLabels: { app: 'web' } },
        template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'c', image: 'c:1' }] } },
      },
    };
    const apply = () => objects.patch(manifest, undefined, undefined, 'slipway', true, PatchStrategy.ServerSideApply);
    const applied = await apply();
    await until(
      async () =>
        (await core.listNamespacedPod({ namespace: 'rec', fieldSelector: 'status.phase=Running' })).items.length === 2,
    );
    expect(await apply()).toMatchObject({ metadata: { name: applied.metadata?.name } });
    const [pod] = (await core.listPodForAllNamespaces({ fieldSelector: 'spec.nodeName=w1' })).items.filter(
      (one) => one.metadata?.namespace === 'rec',
    );
    const name = pod?.metadata?.name ?? '';
    await core.createNamespacedPodEviction({ namespace: 'rec', name, body: { metadata: { name, namespace: 'rec' } } });
    await until(
      async () =>
        !(await core.listNamespacedPod({ namespace: 'rec' })).items.some((one) => one.metadata?.name === name),
    );
    await config.makeApiClient(PolicyV1Api).createNamespacedPodDisruptionBudget({
      namespace: 'rec',
      body: { metadata: { name: 'all' }, spec: { minAvailable: 2, selector: { matchLabels: { app: 'web' } } } },
    });
    await until(
      async () =>
        (await core.listNamespacedPod({ namespace: 'rec', fieldSelector: 'status.phase=Running' })).items.length === 2,
    );
    const left = (await core.listNamespacedPod({ namespace: 'rec' })).items[0]?.metadata?.name ?? '';
    await expect(
      core.createNamespacedPodEviction({
        namespace: 'rec',
        name: left,
        body: { metadata: { name: left, namespace: 'rec' } },
      }),
    ).rejects.toMatchObject({ code: 429 });
  });
});
