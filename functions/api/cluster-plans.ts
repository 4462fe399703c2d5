// Dry runs: what a cluster would get if it were asked for now. Everything is checked and MAAS is asked, and nothing is stored.
import { ClusterPlan, ClusterPlanRequest } from '../../shared/cluster-plan.ts';
import { ClusterSpec } from '../../shared/cluster-spec.ts';
import type { ClusterId } from '../../shared/ids.ts';
import { apiFailure, type ProblemCode } from '../../shared/problem.ts';
import { err, ok } from '../../shared/result.ts';
import { clusterOf } from '../env.ts';
import { isClusterNameHeld } from '../store/clusters.ts';
import { askGateway } from './ask-gateway.ts';
import { askObject } from './call-object.ts';
import { ASKING } from './cloud-accounts.ts';
import { newClusterId, OneCluster, readCluster } from './clusters.ts';
import { EDITORS } from './roles.ts';
import { type Context, defineRoute, type Handled, Nothing, type Principal } from './route.ts';
import { explainSpec, SPEC_PROBLEMS, validateCluster } from './validate-cluster.ts';

const PLANNING: readonly ProblemCode[] = [...SPEC_PROBLEMS, ...ASKING, 'NO_MATCHING_MACHINE', 'IP_SHORTAGE'];

export const planNewCluster = defineRoute(
  {
    method: 'POST',
    path: '/v1/clusters/plan',
    summary: 'What a cluster would get now: its machines slot by slot, or what excludes them; nothing is stored',
    roles: EDITORS,
    params: Nothing,
    query: Nothing,
    body: ClusterSpec,
    answers: { 200: ClusterPlan },
    problems: [...PLANNING, 'CLUSTER_NAME_TAKEN'],
    explain: explainSpec,
  },
  async (call) => {
    const { catalogue, principal, body: spec, now } = call;
    if (await isClusterNameHeld(catalogue, principal.scope, spec.name, now))
      return err(apiFailure('CLUSTER_NAME_TAKEN'));
    return preview(call, newClusterId(), spec);
  },
);

export const planCluster = defineRoute(
  {
    method: 'POST',
    path: '/v1/clusters/{clusterId}/plan',
    summary:
      'What a cluster would get now for slots without a machine, with other pools if they are given; changes nothing',
    roles: EDITORS,
    params: OneCluster,
    query: Nothing,
    body: ClusterPlanRequest,
    answers: { 200: ClusterPlan },
    problems: [...PLANNING, 'CLUSTER_ENDING'],
    explain: explainSpec,
  },
  async (call) => {
    const cluster = await readCluster(call, call.params.clusterId);
    if (!cluster.ok) return cluster;
    const { id, spec } = cluster.value;
    return preview(call, id, { ...spec, pools: call.body.pools ?? spec.pools });
  },
);

type Asker = Context & { readonly principal: Principal };

async function preview(call: Asker, clusterId: ClusterId, spec: ClusterSpec): Handled {
  const { env, catalogue, principal } = call;
  const valid = await validateCluster(catalogue, principal.scope, spec);
  if (!valid.ok) return valid;
  const { account, profile } = valid.value;
  const look = { verb: 'observe-inventory', account: account.access } as const;
  const looked = await askGateway<'observe-inventory'>(call, account, look);
  if (!looked.ok) return looked;
  const asked = { clusterId, spec, profile, inventory: looked.value.inventory };
  // The planner runs in the objects; one that has no cluster answers from what it is given, and keeps nothing.
  const planned = await askObject(() => clusterOf(env, principal.scope, clusterId).preview(asked));
  return planned.ok ? ok({ status: 200, body: planned.value }) : planned;
}
