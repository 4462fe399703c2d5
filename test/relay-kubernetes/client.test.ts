import { afterEach, describe, expect, test } from 'vitest';
import { makeClusterIdentity } from '../../relay/bootstrap/cluster-identity.ts';
import { createKubernetesApi } from '../../relay/kubernetes/client.ts';
import type { NodeEvent } from '../../relay/kubernetes/kubernetes-api.ts';
import { realPorts } from '../relay-bootstrap/bench.ts';
import { until } from '../support/until.ts';
import { createEnding, identity, json, nodeObject, startCluster, startScripted } from './cluster-bench.ts';

const ending = createEnding();
afterEach(() => ending.run());

const worker = (name: string, address = '10.0.0.31') => ({
  name,
  role: 'worker' as const,
  internalIp: address,
  providerId: `maas:///default/${name}`,
  cniConfigured: true,
});

describe("a cluster's API", () => {
  test('is not ready while it starts, and ready in the end; 403 is not taken for broken', async () => {
    const { api } = await startCluster(ending, { listenAfterMs: 0, rolesAfterMs: 300, readyAfterMs: 300 });
    const seen = new Set<string>();
    await until(
      10_000,
      'readiness',
      async () => {
        const { ready, detail } = await api.readiness();
        seen.add(detail);
        return ready;
      },
      20,
    );
    expect([...seen].at(-1)).toBe('');
    expect(seen.size).toBeGreaterThan(1);
  });

  test('lists and watches nodes as they come, turn ready and go', async () => {
    const { lab, api } = await startCluster(ending);
    lab.registerNode(worker('w0'));
    const first = await api.listNodes();
    if (!first.ok) throw new Error(first.error.detail);
    expect(first.value.nodes).toMatchObject([
      { name: 'w0', role: 'worker', providerId: 'maas:///default/w0', internalIp: '10.0.0.31', unreachable: false },
    ]);
    const events: NodeEvent[] = [];
    const stop = new AbortController();
    const watching = api.watchNodes(first.value.resourceVersion, (event) => events.push(event), stop.signal);
    lab.registerNode({ ...worker('cp0', '10.0.0.21'), role: 'control-plane' });
    await until(10_000, 'cp0 to be ready', () =>
      events.some((event) => event.kind === 'present' && event.node.name === 'cp0' && event.node.ready),
    );
    expect(events.find((event) => event.kind === 'present' && event.node.name === 'cp0')).toMatchObject({
      node: { role: 'control-plane', kubeletVersion: 'v1.36.2' },
    });
    expect((await api.deleteNode('cp0')).ok).toBe(true);
    await until(10_000, 'cp0 to go', () => events.some((event) => event.kind === 'gone' && event.name === 'cp0'));
    stop.abort();
    expect(await watching).toEqual({ kind: 'ended' });
  });

  test('answers what is not there with values', async () => {
    const { api } = await startCluster(ending);
    expect(await api.readNode('nobody')).toEqual({ ok: true, value: null });
    expect(await api.deleteNode('nobody')).toEqual({ ok: true, value: false });
    expect(await api.evictPod('default', 'nobody')).toEqual({ ok: true, value: 'gone' });
    expect(await api.cordonNode('nobody')).toMatchObject({
      ok: false,
      error: { code: 'KUBERNETES_REFUSED', status: 404, reason: 'NotFound' },
    });
  });

  test('applies objects of any kind, and says what it does not know', async () => {
    const { api } = await startCluster(ending);
    const config = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'Settings', namespace: 'default' },
      data: { a: '1' },
    };
    expect(await api.apply(config)).toMatchObject({ ok: false, error: { status: 422 } });
    const role = {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRole',
      metadata: { name: 'Slipway:Reader' },
      rules: [{ apiGroups: [''], resources: ['nodes'], verbs: ['get'] }],
    };
    expect(await api.apply(role)).toEqual({ ok: true, value: null });
    expect(await api.apply(role)).toEqual({ ok: true, value: null });
    const unknown = { apiVersion: 'example.org/v1', kind: 'Thing', metadata: { name: 'x' } };
    expect(await api.apply(unknown)).toMatchObject({ ok: false, error: { code: 'KUBERNETES_REFUSED', status: 404 } });
  });

  test('makes a token that a machine can join with', async () => {
    const { api } = await startCluster(ending);
    const token = { id: 'abcdef', secret: '0123456789abcdef', lifeMs: 600_000 };
    expect(await api.createJoinToken(token)).toEqual({ ok: true, value: null });
    expect(await api.createJoinToken(token)).toMatchObject({
      ok: false,
      error: { status: 409, reason: 'AlreadyExists' },
    });
  });

  test('[CP14] a token lives by the clock of the API server, and is not made where that says no time', async () => {
    const asked: unknown[] = [];
    let date: string | null = 'Tue, 14 Jul 2026 09:00:00 GMT';
    const { api } = await startScripted(ending, (request, response) => {
      response.sendDate = false;
      if (date !== null) response.setHeader('date', date);
      if (request.method === 'POST') request.on('data', (body) => asked.push(JSON.parse(String(body))));
      json(response, request.method === 'POST' ? 201 : 200, {});
    });
    const token = { id: 'abcdef', secret: '0123456789abcdef', lifeMs: 600_000 };
    expect(await api.createJoinToken(token)).toEqual({ ok: true, value: null });
    expect(asked).toMatchObject([
      {
        metadata: { name: 'bootstrap-token-abcdef', namespace: 'kube-system' },
        type: 'bootstrap.kubernetes.io/token',
        stringData: { 'token-id': 'abcdef', expiration: '2026-07-14T09:10:00.000Z' },
      },
    ]);
    date = null;
    const refused = { code: 'KUBERNETES_UNREACHABLE', detail: expect.stringContaining('time') };
    expect(await api.createJoinToken(token)).toMatchObject({ ok: false, error: refused });
    expect(asked).toHaveLength(1);
  });
});

describe('an API that is none', () => {
  test('a port where nobody listens', async () => {
    const api = createKubernetesApi('https://127.0.0.1:45999', identity, realPorts().clock);
    ending.add(() => api.close());
    expect(await api.listNodes()).toMatchObject({ ok: false, error: { code: 'KUBERNETES_UNREACHABLE' } });
    const { ready, detail } = await api.readiness();
    expect(ready).toBe(false);
    expect(detail).toMatch(/ECONNREFUSED/);
  });

  test('a certificate of another authority: nothing is sent', async () => {
    let asked = 0;
    const other = await makeClusterIdentity('other', Date.now());
    const { api } = await startScripted(
      ending,
      (_request, response) => {
        asked += 1;
        json(response, 200, {});
      },
      { authority: other.ca },
    );
    expect(await api.listNodes()).toMatchObject({ ok: false, error: { code: 'KUBERNETES_UNREACHABLE' } });
    expect(asked).toBe(0);
  });

  test('HTML, broken JSON, another form, a cut answer', async () => {
    const bodies = ['<html>captive portal</html>', '{"items": [', '{"items": {}}'];
    let turn = 0;
    const { api } = await startScripted(ending, (_request, response) => {
      const body = bodies[turn] ?? '';
      turn += 1;
      if (turn > bodies.length) {
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': '500' });
        response.write('{"items"');
        response.destroy();
        return;
      }
      response.writeHead(200, { 'content-type': turn === 1 ? 'text/html' : 'application/json' });
      response.end(body);
    });
    for (let each = 0; each <= bodies.length; each += 1) {
      expect(await api.listNodes()).toMatchObject({ ok: false, error: { code: 'KUBERNETES_UNREACHABLE' } });
    }
  });

  test('silence, at once and in the middle of an answer', async () => {
    const { url } = await startScripted(ending, (request, response) => {
      if (request.url === '/readyz') return;
      response.writeHead(200, { 'content-type': 'application/json' });
      response.write('{');
    });
    const api = createKubernetesApi(url, identity, realPorts().clock, 200);
    ending.add(() => api.close());
    expect((await api.readiness()).ready).toBe(false);
    expect(await api.listNodes()).toMatchObject({ ok: false, error: { code: 'KUBERNETES_UNREACHABLE' } });
  });

  test('TLS connections are kept for many calls, with the certificate of the relay', async () => {
    const names = new Set<string>();
    let connections = 0;
    const { api, sockets } = await startScripted(ending, (request, response) => {
      connections = Math.max(connections, sockets.size);
      const socket = request.socket;
      if ('getPeerCertificate' in socket && typeof socket.getPeerCertificate === 'function') {
        names.add(socket.getPeerCertificate().subject.CN);
      }
      json(response, 200, { metadata: { resourceVersion: '1' }, items: [] });
    });
    for (let each = 0; each < 5; each += 1) expect((await api.listNodes()).ok).toBe(true);
    // The library alone would make five; the pool may open a second while the first is put back.
    expect(connections).toBeLessThanOrEqual(2);
    expect([...names]).toEqual(['slipway-relay']);
  });
});

describe('a watch', () => {
  test.each([
    [
      'too old a version told by an event',
      200,
      { type: 'ERROR', object: { kind: 'Status', code: 410, message: 'too old' } },
      'expired',
    ],
    [
      'another error told by an event',
      200,
      { type: 'ERROR', object: { kind: 'Status', code: 500, message: 'no' } },
      'failed',
    ],
    ['an event of an unknown form', 200, { type: 'ADDED', object: { kind: 'Pod' } }, 'failed'],
    ['too old a version told by the status', 410, {}, 'expired'],
    ['refused', 403, {}, 'failed'],
    ['a bookmark, then the end', 200, { type: 'BOOKMARK', object: nodeObject('', '99') }, 'ended'],
  ])('%s', async (_title, status, event, kind) => {
    const { api } = await startScripted(ending, (_request, response) => json(response, status, event));
    const events: NodeEvent[] = [];
    const end = await api.watchNodes('1', (one) => events.push(one), new AbortController().signal);
    expect(end.kind).toBe(kind);
    if (kind === 'ended') expect(events).toEqual([{ kind: 'bookmark', resourceVersion: '99' }]);
  });
});
