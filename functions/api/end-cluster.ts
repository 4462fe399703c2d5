// The two ways to end a cluster: abort while it is not provisioned, delete afterwards. The object says which is right.
import { z } from 'zod';
import { ClusterView } from '../../shared/cluster-view.ts';
import { apiFailure } from '../../shared/problem.ts';
import { err, ok } from '../../shared/result.ts';
import { clusterOf } from '../env.ts';
import { askObject } from './call-object.ts';
import { OneCluster, readWorkload } from './clusters.ts';
import { EDITORS } from './roles.ts';
import { defineRoute, Nothing } from './route.ts';

export const deleteCluster = defineRoute(
  {
    method: 'DELETE',
    path: '/v1/clusters/{clusterId}',
    summary: 'Delete a provisioned cluster and give everything back; confirmed by its name',
    roles: EDITORS,
    params: OneCluster,
    query: z.strictObject({ confirm: z.string().max(64).optional() }),
    body: Nothing,
    answers: { 202: ClusterView },
    problems: ['CONFIRMATION_REQUIRED', 'USE_ABORT', 'UNAVAILABLE'],
  },
  async (call) => {
    const { env, principal, params, query } = call;
    const cluster = await readWorkload(call, params.clusterId);
    if (!cluster.ok) return cluster;
    if (query.confirm !== cluster.value.name) return err(apiFailure('CONFIRMATION_REQUIRED'));
    const object = () => clusterOf(env, principal.scope, params.clusterId);
    const asked = await askObject(() => object().requestDeletion(principal.keyName));
    return asked.ok ? ok({ status: 202, body: asked.value }) : asked;
  },
);

export const abortCluster = defineRoute(
  {
    method: 'POST',
    path: '/v1/clusters/{clusterId}/abort',
    summary: 'Stop a cluster that is not provisioned yet and give everything back',
    roles: EDITORS,
    params: OneCluster,
    query: Nothing,
    body: Nothing,
    answers: { 202: ClusterView },
    problems: ['USE_DELETE', 'UNAVAILABLE'],
  },
  async (call) => {
    const { env, principal, params } = call;
    const cluster = await readWorkload(call, params.clusterId);
    if (!cluster.ok) return cluster;
    const object = () => clusterOf(env, principal.scope, params.clusterId);
    const asked = await askObject(() => object().requestAbort(principal.keyName));
    return asked.ok ? ok({ status: 202, body: asked.value }) : asked;
  },
);
