// /healthz, /livez, /readyz and their checks, with the phases of a server's first minute and the loss of etcd.
import type { Answer } from './call.ts';
import type { ApiRequest } from './request.ts';
import { pageNotFound } from './status.ts';

/** What a starting server is: `roles` nobody but system:masters is known, `hooks` almost there, `ready`. */
export type Phase = 'roles' | 'hooks' | 'ready';

const hook = (...names: string[]): string[] => names.map((name) => `poststarthook/${name}`);

const COMMON = [
  ...hook(
    'start-apiserver-admission-initializer',
    'generic-apiserver-start-informers',
    'priority-and-fairness-config-consumer',
  ),
  ...hook(
    'priority-and-fairness-filter',
    'storage-object-count-tracker-hook',
    'start-apiextensions-informers',
    'start-apiextensions-controllers',
  ),
  ...hook('crd-informer-synced', 'start-system-namespaces-controller', 'peer-endpoint-reconciler-controller'),
  ...hook('start-cluster-authentication-info-controller', 'start-kube-apiserver-identity-lease-controller'),
  ...hook(
    'start-kube-apiserver-identity-lease-garbage-collector',
    'storage-readiness',
    'start-legacy-token-tracking-controller',
  ),
  ...hook(
    'start-service-ip-repair-controllers',
    'rbac/bootstrap-roles',
    'scheduling/bootstrap-system-priority-classes',
  ),
  ...hook('priority-and-fairness-config-producer', 'bootstrap-controller', 'start-kubernetes-service-cidr-controller'),
  ...hook(
    'aggregator-reload-proxy-client-cert',
    'start-kube-aggregator-informers',
    'apiservice-status-local-available-controller',
  ),
  ...hook(
    'apiservice-status-remote-available-controller',
    'apiservice-registration-controller',
    'apiservice-wait-for-first-sync',
  ),
  ...hook('apiservice-discovery-controller', 'kube-apiserver-autoregistration'),
  'autoregister-completion',
  ...hook('apiservice-openapi-controller', 'apiservice-openapiv3-controller'),
];
const LIVE = ['ping', 'log', 'loopback-serving-certificate', 'etcd', ...COMMON];
const READY = ['ping', 'log', 'etcd', 'etcd-readiness', 'informer-sync', ...COMMON, 'shutdown'];

const EARLY_FAILURES = new Set([
  'informer-sync',
  ...hook(
    'start-apiextensions-controllers',
    'crd-informer-synced',
    'start-kube-apiserver-identity-lease-controller',
    'start-service-ip-repair-controllers',
  ),
  ...hook(
    'rbac/bootstrap-roles',
    'scheduling/bootstrap-system-priority-classes',
    'priority-and-fairness-config-producer',
    'bootstrap-controller',
  ),
  ...hook(
    'start-kubernetes-service-cidr-controller',
    'apiservice-registration-controller',
    'apiservice-discovery-controller',
  ),
  'autoregister-completion',
]);

const PLAIN = 'text/plain; charset=utf-8';
/** Not recorded on cached successes, but on everything that tells the list. */
const TOLD = { 'x-content-type-options': 'nosniff' };

export const isHealthPath = (path: string): boolean => /^\/(healthz|livez|readyz)(\/|$)/.test(path);

function failing(check: string, phase: Phase, quorum: boolean): boolean {
  if (check === 'etcd' || check === 'etcd-readiness') return !quorum;
  if (phase === 'roles') return EARLY_FAILURES.has(check);
  return phase === 'hooks' && check === 'poststarthook/rbac/bootstrap-roles';
}

/** Answers a health path. A failure always tells the whole list; `ok` is two bytes. */
export function health(request: ApiRequest, phase: Phase, quorum: boolean): Answer {
  const [, name = '', ...rest] = request.path.split('/');
  const checks = name === 'readyz' ? READY : LIVE;
  const one = rest.join('/');
  if (one !== '') {
    if (!checks.includes(one)) return { ...pageNotFound(), headers: TOLD };
    if (!failing(one, phase, quorum)) return { status: 200, contentType: PLAIN, body: 'ok' };
    const why = one.startsWith('etcd') ? 'error getting data from etcd: context deadline exceeded' : 'not finished';
    return { status: 500, contentType: PLAIN, body: `internal server error: ${why}\n`, headers: TOLD };
  }
  const excluded = request.query.getAll('exclude');
  let failed = false;
  const lines = checks.map((check) => {
    if (excluded.includes(check)) return `[+]${check} excluded: ok`;
    if (!failing(check, phase, quorum)) return `[+]${check} ok`;
    failed = true;
    return `[-]${check} failed: reason withheld`;
  });
  if (failed)
    return { status: 500, contentType: PLAIN, body: `${lines.join('\n')}\n${name} check failed\n`, headers: TOLD };
  if (!request.query.has('verbose')) return { status: 200, contentType: PLAIN, body: 'ok' };
  return { status: 200, contentType: PLAIN, body: `${lines.join('\n')}\n${name} check passed\n`, headers: TOLD };
}
