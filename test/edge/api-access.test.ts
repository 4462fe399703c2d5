// Every route by every kind of caller, made from the route table: a route that is added is tested here without a word.
import { beforeAll, describe, expect, test } from 'vitest';
import type { Route } from '../../functions/api/route.ts';
import { ROUTES } from '../../functions/api/routes.ts';
import { makeApiKey, ROLES, type Role } from '../../shared/api-key.ts';
import { callApi, makeKey, makeOtherTenant, problemOf, setUp } from './call-api.ts';

/** Who may what, by hand: the table must not be its own proof. A route that is missing here fails. */
const ALLOWED: Readonly<Record<string, 'public' | 'setup-secret' | readonly Role[]>> = {
  'GET /v1/health': 'public',
  'GET /v1/openapi.json': 'public',
  'POST /v1/setup': 'setup-secret',
  'POST /v1/pairing/challenge': 'public',
  'POST /v1/pairing': 'public',
  'GET /v1/whoami': ROLES,
  'POST /v1/projects': ['tenant-admin'],
  'GET /v1/projects': ['tenant-admin'],
  'POST /v1/api-keys': ['tenant-admin'],
  'GET /v1/api-keys': ['tenant-admin'],
  'DELETE /v1/api-keys/{apiKeyId}': ['tenant-admin'],
  'POST /v1/gateways': ['tenant-admin', 'project-admin'],
  'GET /v1/gateways': ROLES,
  'GET /v1/gateways/{gatewayId}': ROLES,
  'POST /v1/gateways/{gatewayId}/pairing-code': ['tenant-admin', 'project-admin'],
  'PATCH /v1/gateways/{gatewayId}': ['tenant-admin', 'project-admin'],
  'POST /v1/gateways/{gatewayId}/diagnostics': ['tenant-admin', 'project-admin'],
  'DELETE /v1/gateways/{gatewayId}': ['tenant-admin'],
  'DELETE /v1/gateways/{gatewayId}/nodes/{nodeId}': ['tenant-admin', 'project-admin'],
  'POST /v1/gateways/{gatewayId}/reset-key': ['tenant-admin'],
  'GET /v1/gateways/{gatewayId}/recovery-bundle': ['tenant-admin'],
  'POST /v1/gateways/{gatewayId}/upgrade': ['tenant-admin', 'project-admin'],
  'DELETE /v1/gateways/{gatewayId}/upgrade': ['tenant-admin', 'project-admin'],
  'GET /v1/gateways/{gatewayId}/timeline': ROLES,
  'POST /v1/gateway-releases': 'setup-secret',
  'GET /v1/gateway-releases': ROLES,
  'GET /v1/relay-programs/{version}/{platform}': 'public',
  'POST /v1/cloud-accounts': ['tenant-admin', 'project-admin'],
  'GET /v1/cloud-accounts': ROLES,
  'GET /v1/cloud-accounts/{accountId}': ROLES,
  'PATCH /v1/cloud-accounts/{accountId}': ['tenant-admin', 'project-admin'],
  'POST /v1/cloud-accounts/{accountId}/validate': ['tenant-admin', 'project-admin'],
  'DELETE /v1/cloud-accounts/{accountId}': ['tenant-admin', 'project-admin'],
  'GET /v1/cloud-accounts/{accountId}/inventory': ROLES,
  'POST /v1/cluster-profiles': ['tenant-admin', 'project-admin', 'project-editor'],
  'GET /v1/cluster-profiles': ROLES,
  'GET /v1/cluster-profiles/{profileId}': ROLES,
  'DELETE /v1/cluster-profiles/{profileId}': ['tenant-admin', 'project-admin'],
  'POST /v1/clusters': ['tenant-admin', 'project-admin', 'project-editor'],
  'POST /v1/clusters/plan': ['tenant-admin', 'project-admin', 'project-editor'],
  'POST /v1/clusters/{clusterId}/plan': ['tenant-admin', 'project-admin', 'project-editor'],
  'GET /v1/clusters': ROLES,
  'GET /v1/clusters/{clusterId}': ROLES,
  'GET /v1/clusters/{clusterId}/timeline': ROLES,
  'GET /v1/clusters/{clusterId}/events': ROLES,
  'POST /v1/clusters/{clusterId}/kubeconfig': ['tenant-admin', 'project-admin', 'project-editor'],
  'DELETE /v1/clusters/{clusterId}': ['tenant-admin', 'project-admin', 'project-editor'],
  'POST /v1/clusters/{clusterId}/abort': ['tenant-admin', 'project-admin', 'project-editor'],
};

/** Ids of the form of each, that nobody has. */
const IDS: Readonly<Record<string, string>> = {
  apiKeyId: 'key_0000000000000000000z',
  gatewayId: 'gw_0000000000000000000z',
  nodeId: 'nod_0000000000000000000z',
  accountId: 'acc_0000000000000000000z',
  profileId: 'pro_0000000000000000000z',
  clusterId: 'clu_0000000000000000000z',
};

const nameOf = (route: Route) => `${route.method} ${route.path}`;
const keyed = ROUTES.filter((route) => typeof route.access !== 'string');
const keys = new Map<Role, string>();
let admin: string;

const ask = (route: Route, key?: string) => {
  const path = route.path.replace(/\{(\w+)\}/g, (_all, name: string) => IDS[name] ?? 'missing');
  return callApi(route.method, path, key === undefined ? {} : { key });
};

beforeAll(async () => {
  admin = (await setUp()).key;
  for (const role of ROLES) keys.set(role, (await makeKey(admin, role)).key);
});

test('each route is named here, and each named route exists', () => {
  expect(ROUTES.map(nameOf).sort()).toEqual(Object.keys(ALLOWED).sort());
  for (const route of ROUTES) expect([nameOf(route), route.access]).toEqual([nameOf(route), ALLOWED[nameOf(route)]]);
});

test('public routes are few, and answer without a key', async () => {
  for (const route of ROUTES.filter((one) => one.access === 'public'))
    expect([401, 403], nameOf(route)).not.toContain((await ask(route)).status);
});

describe.each(keyed.map((route) => [nameOf(route), route] as const))('%s', (_name, route) => {
  test('refuses who has no key, garbage, a key never made, or a revoked one', async () => {
    const missing = await ask(route);
    expect(missing.headers.get('www-authenticate')).toBe('Bearer');
    await problemOf(Promise.resolve(missing), 'UNAUTHENTICATED');
    await problemOf(ask(route, 'garbage'), 'UNAUTHENTICATED');
    await problemOf(ask(route, makeApiKey(crypto.getRandomValues(new Uint8Array(24)))), 'UNAUTHENTICATED');
    const revoked = await makeKey(admin, 'tenant-admin');
    await callApi('DELETE', `/v1/api-keys/${revoked.id}`, { key: admin });
    await problemOf(ask(route, revoked.key), 'UNAUTHENTICATED');
  });

  test.each(ROLES)('%s', async (role) => {
    const allowed = ALLOWED[nameOf(route)] ?? [];
    const response = await ask(route, keys.get(role) ?? '');
    if (allowed.includes(role)) expect([401, 403]).not.toContain(response.status);
    else await problemOf(Promise.resolve(response), 'FORBIDDEN');
  });

  test('shows another tenant nothing', async () => {
    const other = await makeOtherTenant();
    const response = await ask(route, other.key);
    expect([401, 403, 500]).not.toContain(response.status);
    if (/\{/.test(route.path) && route.body.safeParse({}).success) expect(response.status).toBe(404);
  });
});
