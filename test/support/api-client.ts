// The public API as a client uses it: typed by the shared schemas, every answer parsed, a problem thrown as an ApiProblem.
import { z } from 'zod';
import { SetupResponse } from '../../shared/api-key.ts';
import type { ClusterSpecInput } from '../../shared/cluster-spec.ts';
import { ClusterSummary, ClusterView, TimelineEntry } from '../../shared/cluster-view.ts';
import { AccountView, GatewayView } from '../../shared/gateway-view.ts';
import { Problem } from '../../shared/problem.ts';
import type { UpgradeRequest } from '../../shared/release.ts';

export class ApiProblem extends Error {
  readonly problem: Problem;
  constructor(problem: Problem) {
    super(`${problem.code}: ${problem.detail} — ${problem.todo}`);
    this.problem = problem;
  }
}

const GatewayCreated = GatewayView.extend({ pairingCode: z.string(), pairingCodeExpiresAt: z.int() });
const GatewayList = z.object({ items: z.array(GatewayView) });
const AccountList = z.object({ items: z.array(AccountView) });
const Timeline = z.object({ items: z.array(TimelineEntry) });
const ClusterList = z.object({ items: z.array(ClusterSummary), nextCursor: z.string().nullable() });

const CALL_MS_MAX = 60_000;

export type ApiClient = ReturnType<typeof apiClient>;

export function apiClient(url: string, apiKey: string) {
  const call = <T>(schema: z.ZodType<T>, method: string, path: string, body?: unknown): Promise<T> =>
    callApi(schema, `${url}/v1${path}`, method, apiKey, body);
  return {
    setup: (setupSecret: string) => callApi(SetupResponse, `${url}/v1/setup`, 'POST', setupSecret, undefined),
    createGateway: (name: string) => call(GatewayCreated, 'POST', '/gateways', { name }),
    gateway: (id: string) => call(GatewayView, 'GET', `/gateways/${id}`),
    gateways: () => call(GatewayList, 'GET', '/gateways'),
    resizeGateway: (id: string, size: number) => call(GatewayView, 'PATCH', `/gateways/${id}`, { size }),
    /** Null when it is gone at once; else how it is while its machines are given back. */
    deleteGateway: (id: string, query = '') => call(GatewayView.nullable(), 'DELETE', `/gateways/${id}${query}`),
    upgradeGateway: (id: string, request: UpgradeRequest = {}) =>
      call(GatewayView, 'POST', `/gateways/${id}/upgrade`, request),
    gatewayTimeline: (id: string) => call(Timeline, 'GET', `/gateways/${id}/timeline?limit=200`),
    accounts: () => call(AccountList, 'GET', '/cloud-accounts'),
    createAccount: (account: { name: string; gatewayId: string; endpoint: string; apiKey: string }) =>
      call(AccountView, 'POST', '/cloud-accounts', account),
    createCluster: (spec: ClusterSpecInput | Record<string, unknown>) => call(ClusterView, 'POST', '/clusters', spec),
    cluster: (id: string) => call(ClusterView, 'GET', `/clusters/${id}`),
    clusters: (query = '') => call(ClusterList, 'GET', `/clusters${query}`),
    timeline: (id: string, after: number) => call(Timeline, 'GET', `/clusters/${id}/timeline?after=${after}&limit=200`),
    deleteCluster: (id: string, name: string) => call(ClusterView, 'DELETE', `/clusters/${id}?confirm=${name}`),
    abortCluster: (id: string) => call(ClusterView, 'POST', `/clusters/${id}/abort`, {}),
    kubeconfig: (id: string, requestPem: string) =>
      call(z.object({ kubeconfig: z.string() }), 'POST', `/clusters/${id}/kubeconfig`, { requestPem }),
    raw: call,
  };
}

async function callApi<T>(
  schema: z.ZodType<T>,
  url: string,
  method: string,
  bearer: string,
  body: unknown,
): Promise<T> {
  const response = await fetch(url, {
    method,
    headers: {
      authorization: `Bearer ${bearer}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(CALL_MS_MAX),
  });
  const text = await response.text();
  if (!response.ok) {
    // With a code’s own fields, such as `clusters`.
    const problem = Problem.loose().safeParse(JSON.parse(text));
    if (!problem.success)
      throw new Error(`${method} ${url} answered ${response.status} and no problem: ${text.slice(0, 300)}`);
    throw new ApiProblem(problem.data);
  }
  return schema.parse(text === '' ? null : JSON.parse(text));
}
