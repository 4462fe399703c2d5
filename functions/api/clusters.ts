// Clusters: made, listed, read. What happens to a cluster is its object's business.
import { z } from 'zod';
import { ClusterSpec } from '../../shared/cluster-spec.ts';
import { ClusterPhase, ClusterSummary, ClusterView } from '../../shared/cluster-view.ts';
import { ClusterId, randomPart } from '../../shared/ids.ts';
import { QUEUED_CLUSTERS_MAX } from '../../shared/limits.ts';
import { type ApiFailure, apiFailure } from '../../shared/problem.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import { randomBytes } from '../clock.ts';
import { clusterOf } from '../env.ts';
import { finishCreation, reserve } from '../make-cluster.ts';
import {
  type ClusterRow,
  findCluster,
  findOwnCreation,
  listClusters as listClusterRows,
  type StoredCreation,
} from '../store/clusters.ts';
import { queuedClusters } from '../store/gateways.ts';
import { callObject } from './call-object.ts';
import { PageQuery, pageOf, readPage } from './page.ts';
import { EDITORS, READERS } from './roles.ts';
import { type Call, type Context, defineRoute, type Handled, Nothing, type Principal } from './route.ts';
import { TimelinePage, TimelineQuery } from './timeline-query.ts';
import { explainSpec, SPEC_PROBLEMS, validateCluster } from './validate-cluster.ts';

export const OneCluster = z.strictObject({ clusterId: ClusterId });

export const createCluster = defineRoute(
  {
    method: 'POST',
    path: '/v1/clusters',
    summary: 'Ask for a cluster; accepted also while the gateway is away or machines are short',
    roles: EDITORS,
    params: Nothing,
    query: Nothing,
    body: ClusterSpec,
    answers: { 201: ClusterView },
    problems: [...SPEC_PROBLEMS, 'CLUSTER_NAME_TAKEN', 'UPGRADE_QUEUE_FULL', 'UNAVAILABLE'],
    explain: explainSpec,
  },
  async (call) => {
    const own = await ownCreation(call);
    if (own !== null) return own.creation === null ? shown(call, own.id) : finish(call, own.creation);
    const creation = await reserveFor(call);
    return creation.ok ? finish(call, creation.value) : creation;
  },
);

export const listClusters = defineRoute(
  {
    method: 'GET',
    path: '/v1/clusters',
    summary: 'List clusters; deleted ones only by phase=deleted, for 72 hours',
    roles: READERS,
    params: Nothing,
    query: z.strictObject({
      ...PageQuery.shape,
      phase: ClusterPhase.optional(),
      name: z.string().max(63).optional(),
    }),
    body: Nothing,
    answers: { 200: pageOf(ClusterSummary) },
    problems: ['CURSOR_INVALID'],
  },
  async ({ catalogue, principal, query }) => {
    const filters = { phase: query.phase ?? null, name: query.name ?? null };
    const page = await readPage(
      query,
      (wanted) => listClusterRows(catalogue, principal.scope, { ...wanted, ...filters }),
      (row) => row,
    );
    return page.ok ? ok({ status: 200, body: page.value }) : page;
  },
);

export const getCluster = defineRoute(
  {
    method: 'GET',
    path: '/v1/clusters/{clusterId}',
    summary: 'One cluster as it is now, with what it waits for',
    roles: READERS,
    params: OneCluster,
    query: Nothing,
    body: Nothing,
    answers: { 200: ClusterView },
    problems: ['UNAVAILABLE'],
  },
  async (call) => {
    const view = await readCluster(call, call.params.clusterId);
    return view.ok ? ok({ status: 200, body: view.value }) : view;
  },
);

export const getTimeline = defineRoute(
  {
    method: 'GET',
    path: '/v1/clusters/{clusterId}/timeline',
    summary: 'What happened, oldest first; `after` continues from the last seq read',
    roles: READERS,
    params: OneCluster,
    query: TimelineQuery,
    body: Nothing,
    answers: { 200: TimelinePage },
    problems: ['UNAVAILABLE'],
  },
  async ({ env, catalogue, principal, params, query }) => {
    const row = await findCluster(catalogue, principal.scope, params.clusterId);
    if (row === null) return err(apiFailure('NOT_FOUND'));
    const items = await callObject(() => clusterOf(env, row.scope, row.id).timeline(query.after, query.limit));
    return items.ok ? ok({ status: 200, body: { items: items.value } }) : items;
  },
);

type Reader = Context & { readonly principal: Principal };

/** The view from the object. The row is looked for first: an object exists as soon as it is named, whoever names it. */
export async function readCluster(context: Reader, id: ClusterId): Promise<Result<ClusterView, ApiFailure>> {
  const row = await findCluster(context.catalogue, context.principal.scope, id);
  return row === null ? err(apiFailure('NOT_FOUND')) : readRow(context, row);
}

/** As readCluster, for what changes or opens a cluster: whoever may do that to clusters may not do it to a gateway. */
export async function readWorkload(context: Reader, id: ClusterId): Promise<Result<ClusterView, ApiFailure>> {
  const row = await findCluster(context.catalogue, context.principal.scope, id);
  if (row === null) return err(apiFailure('NOT_FOUND'));
  if (row.kind === 'gateway') return err(apiFailure('NOT_FOUND', 'These are the machines of a gateway.'));
  return readRow(context, row);
}

async function readRow(context: Reader, row: ClusterRow): Promise<Result<ClusterView, ApiFailure>> {
  const view = await callObject(() => clusterOf(context.env, row.scope, row.id).view());
  if (!view.ok) return view;
  // Reserved, and the object does not have it yet: the sweep or the same request finishes it.
  return view.value === null ? err(apiFailure('UNAVAILABLE')) : ok(view.value);
}

export const newClusterId = (): ClusterId => ClusterId.parse(`clu_${randomPart(randomBytes(20))}`);

type Creating = Call<unknown, unknown, ClusterSpec> & { readonly principal: Principal };

const ownCreation = async ({ catalogue, principal, body, repeatKey }: Creating) =>
  repeatKey === null ? null : findOwnCreation(catalogue, principal.scope, body.name, repeatKey);

async function reserveFor(call: Creating): Promise<Result<StoredCreation, ApiFailure>> {
  const { catalogue, principal, body: spec, repeatKey: creationKey, now } = call;
  const valid = await validateCluster(catalogue, principal.scope, spec);
  if (!valid.ok) return valid;
  const { account, profile } = valid.value;
  const queued = await queuedClusters(catalogue, principal.scope, account.gatewayId);
  if (queued >= QUEUED_CLUSTERS_MAX) return err(apiFailure('UPGRADE_QUEUE_FULL'));
  const creation: StoredCreation = {
    scope: principal.scope,
    clusterId: newClusterId(),
    gatewayId: account.gatewayId,
    ...(account.scope.projectId === principal.scope.projectId ? {} : { gatewayScope: account.scope }),
    account: account.access,
    spec,
    profile,
    cluster: 'workload',
  };
  return reserve(catalogue, { creation, accountVersion: account.keyVersion, creationKey }, now);
}

async function finish({ env, catalogue }: Creating, creation: StoredCreation): Handled {
  const view = await callObject(() => finishCreation(env, catalogue, creation));
  return view.ok ? created(view.value) : view;
}

async function shown(call: Creating, id: ClusterId): Handled {
  const view = await readCluster(call, id);
  return view.ok ? created(view.value) : view;
}

const created = (view: ClusterView): Awaited<Handled> =>
  ok({ status: 201, body: view, headers: { location: `/v1/clusters/${view.id}` } });
