// The Kubernetes API of one cluster: the real KubernetesApi.
import { z } from 'zod';
import type { Result } from '../../shared/result.ts';
import { err, ok } from '../../shared/result.ts';
import type { ClusterIdentity } from '../bootstrap/cluster-identity.ts';
import type { Clock } from '../ports.ts';
import { ClusterConnection, unreachable } from './connection.ts';
import { createDiscovery } from './discovery.ts';
import { joinTokenSecret } from './join-token-secret.ts';
import type {
  Eviction,
  KubernetesApi,
  KubernetesCall,
  KubernetesFailure,
  KubernetesObject,
  NodeEvent,
  WatchEnd,
} from './kubernetes-api.ts';
import { NodeList, NodeObject, nodeViewOf, PodList, podViewOf } from './node-view.ts';

/** The name under which Kubernetes notes which fields are ours. */
const FIELD_MANAGER = 'slipway';
/** Below the library's bound of 30 s without a byte, so that a quiet watch is ended by the server and a dead one by us. */
const WATCH_SECONDS = 25;
/** Pages of a list: a reply stays some MB. */
const PAGE_SIZE = '500';
const PAGES_MAX = 100;

/**
 * Nothing is sent before the first call. Close it when done.
 * @param server `https://<virtual ip>:6443`  @param callMsMax only tests have another
 */
export function createKubernetesApi(
  server: string,
  identity: ClusterIdentity,
  clock: Clock,
  callMsMax?: number,
): KubernetesApi {
  const connection = new ClusterConnection(server, identity, clock, callMsMax);
  const discovery = createDiscovery(connection);
  return {
    readiness: () => readiness(connection),
    listNodes: async () => {
      const list = await parsed(NodeList, connection.call({ method: 'GET', path: '/api/v1/nodes' }));
      if (!list.ok) return list;
      return ok({ nodes: list.value.items.map(nodeViewOf), resourceVersion: list.value.metadata.resourceVersion });
    },
    watchNodes: (resourceVersion, onEvent, signal) => watchNodes(connection, resourceVersion, onEvent, signal),
    readNode: async (name) => {
      const node = await parsed(NodeObject, connection.call({ method: 'GET', path: nodePath(name) }));
      if (node.ok) return ok(nodeViewOf(node.value));
      return isNotFound(node.error) ? ok(null) : node;
    },
    cordonNode: (name) =>
      settled(
        connection.call({
          method: 'PATCH',
          path: nodePath(name),
          contentType: 'application/merge-patch+json',
          body: { spec: { unschedulable: true } },
        }),
      ),
    deleteNode: async (name) => {
      const deleted = await connection.call({ method: 'DELETE', path: nodePath(name) });
      if (deleted.ok) return ok(true);
      return isNotFound(deleted.error) ? ok(false) : deleted;
    },
    listPodsOn: (nodeName) => listPodsOn(connection, nodeName),
    evictPod: (namespace, name) => evictPod(connection, namespace, name),
    readConfigMap: async (namespace, name) => {
      const map = await parsed(
        ConfigMapObject,
        connection.call({ method: 'GET', path: configMapPath(namespace, name) }),
      );
      if (!map.ok) return isNotFound(map.error) ? ok(null) : map;
      return ok({ resourceVersion: map.value.metadata.resourceVersion, data: map.value.data });
    },
    changeConfigMap: (namespace, name, data, resourceVersion) =>
      settled(
        connection.call({
          method: 'PATCH',
          path: configMapPath(namespace, name),
          query: { fieldManager: FIELD_MANAGER },
          contentType: 'application/merge-patch+json',
          body: { metadata: { resourceVersion }, data },
        }),
      ),
    createJoinToken: async (token) => {
      const now = await connection.now();
      if (!now.ok) return now;
      const body = joinTokenSecret(token, now.value);
      return settled(connection.call({ method: 'POST', path: '/api/v1/namespaces/kube-system/secrets', body }));
    },
    apply: async (object) => {
      const path = await discovery.pathOf(object);
      return path.ok ? applyAt(connection, path.value, object) : path;
    },
    close: () => connection.close(),
  };
}

async function readiness(connection: ClusterConnection): Promise<{ ready: boolean; detail: string }> {
  const answer = await connection.call({ method: 'GET', path: '/readyz' });
  if (answer.ok)
    return { ready: answer.value === 'ok', detail: answer.value === 'ok' ? '' : 'it answers in an unknown form' };
  const { error } = answer;
  if (error.code === 'KUBERNETES_UNREACHABLE') return { ready: false, detail: error.detail.slice(0, 500) };
  // Before RBAC is bootstrapped even /readyz is forbidden: starting, not broken.
  if (error.status === 403) return { ready: false, detail: 'it is starting' };
  const failing = error.detail.split('\n').filter((line) => line.startsWith('[-]'));
  return { ready: false, detail: (failing.join('; ') || `${error.status} ${error.detail}`).slice(0, 500) };
}

async function watchNodes(
  connection: ClusterConnection,
  resourceVersion: string,
  onEvent: (event: NodeEvent) => void,
  signal: AbortSignal,
): Promise<WatchEnd> {
  let problem: WatchEnd | null = null;
  const failure = await connection.watch(
    '/api/v1/nodes',
    { resourceVersion, allowWatchBookmarks: 'true', timeoutSeconds: String(WATCH_SECONDS) },
    (type, object) => {
      const read = problem ?? readEvent(type, object);
      if (read.kind === 'expired' || read.kind === 'failed' || read.kind === 'ended') problem = read;
      else onEvent(read);
    },
    signal,
  );
  if (problem !== null) return problem;
  if (failure === null) return { kind: 'ended' };
  return failure.status === 410 ? { kind: 'expired' } : { kind: 'failed', detail: failure.detail };
}

const WatchError = z.object({ code: z.int(), message: z.string().default('') });

/** A version that is too old is told by an event in an answer of 200. */
function readEvent(type: string, object: unknown): NodeEvent | WatchEnd {
  if (type === 'ERROR') {
    const told = WatchError.safeParse(object);
    if (told.success && told.data.code === 410) return { kind: 'expired' };
    return { kind: 'failed', detail: told.success ? told.data.message : 'an error of unknown form' };
  }
  const node = NodeObject.safeParse(object);
  if (!node.success) return { kind: 'failed', detail: `an event of ${type} in an unknown form` };
  if (type === 'BOOKMARK') return { kind: 'bookmark', resourceVersion: node.data.metadata.resourceVersion };
  return type === 'DELETED'
    ? { kind: 'gone', name: node.data.metadata.name }
    : { kind: 'present', node: nodeViewOf(node.data) };
}

async function listPodsOn(
  connection: ClusterConnection,
  nodeName: string,
): KubernetesCall<ReturnType<typeof podViewOf>[]> {
  const pods: ReturnType<typeof podViewOf>[] = [];
  let next = '';
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const query = {
      fieldSelector: `spec.nodeName=${nodeName}`,
      limit: PAGE_SIZE,
      ...(next === '' ? {} : { continue: next }),
    };
    const list = await parsed(PodPage, connection.call({ method: 'GET', path: '/api/v1/pods', query }));
    if (!list.ok) return list;
    pods.push(...list.value.items.map(podViewOf));
    next = list.value.metadata.continue;
    if (next === '') return ok(pods);
  }
  return err(unreachable('the list of pods has no end'));
}

const PodPage = PodList.extend({ metadata: z.object({ continue: z.string().default('') }).prefault({}) });

const ConfigMapObject = z.object({
  metadata: z.object({ resourceVersion: z.string() }),
  data: z.record(z.string(), z.string()).default({}),
});

async function evictPod(connection: ClusterConnection, namespace: string, name: string): KubernetesCall<Eviction> {
  const evicted = await connection.call({
    method: 'POST',
    path: `${podPath(namespace, name)}/eviction`,
    body: { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { namespace, name } },
  });
  if (evicted.ok) return ok('evicted');
  if (isNotFound(evicted.error)) return ok('gone');
  // 500: more than one budget covers the pod, which Kubernetes won't judge (recording `eviction-two-pdbs-500`).
  const { error } = evicted;
  if (error.code === 'KUBERNETES_REFUSED' && (error.status === 429 || error.status === 500)) return ok('blocked');
  return evicted;
}

/** By force: what a profile says wins over a field that a human or a controller took. */
function applyAt(connection: ClusterConnection, path: string, object: KubernetesObject): KubernetesCall<null> {
  return settled(
    connection.call({
      method: 'PATCH',
      path,
      query: { fieldManager: FIELD_MANAGER, force: 'true' },
      contentType: 'application/apply-patch+yaml',
      body: object,
    }),
  );
}

/** A JSON answer in the form that is looked for; anything else is not Kubernetes. */
async function parsed<S extends z.ZodType>(
  schema: S,
  call: Promise<Result<unknown, KubernetesFailure>>,
): KubernetesCall<z.infer<S>> {
  const answer = await call;
  if (!answer.ok) return answer;
  const value = schema.safeParse(answer.value);
  return value.success ? ok(value.data) : err(unreachable(`not Kubernetes' form: ${z.prettifyError(value.error)}`));
}

async function settled(call: Promise<Result<unknown, KubernetesFailure>>): KubernetesCall<null> {
  const answer = await call;
  return answer.ok ? ok(null) : answer;
}

const configMapPath = (namespace: string, name: string): string =>
  `/api/v1/namespaces/${encodeURIComponent(namespace)}/configmaps/${encodeURIComponent(name)}`;
const nodePath = (name: string): string => `/api/v1/nodes/${encodeURIComponent(name)}`;
const podPath = (namespace: string, name: string): string =>
  `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(name)}`;

const isNotFound = (failure: KubernetesFailure): boolean =>
  failure.code === 'KUBERNETES_REFUSED' && failure.status === 404;
