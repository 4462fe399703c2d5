// The end of a gateway: at once when it has no machines of its own, after they are given back when it has, and given up with what
// it holds when nobody can reach it any more.
import { z } from 'zod';
import { GatewayView, OrphanedGateway } from '../../shared/gateway-view.ts';
import { apiFailure } from '../../shared/problem.ts';
import { err, ok } from '../../shared/result.ts';
import { gatewayOf } from '../env.ts';
import { log } from '../log.ts';
import { clustersUsing } from '../store/clusters.ts';
import {
  abandonGatewayClusters,
  beginGatewayDeletion,
  beginGatewayRemoval,
  endGatewayRemoval,
  findGateway,
  type GatewayRow,
} from '../store/gateways.ts';
import { askObject, callObject } from './call-object.ts';
import { CLUSTERS_NAMED_MAX, OneGateway } from './gateways.ts';
import { TENANT_ADMINS } from './roles.ts';
import { type Context, defineRoute, type Handled, Nothing, type Principal } from './route.ts';

export const deleteGateway = defineRoute(
  {
    method: 'DELETE',
    path: '/v1/gateways/{gatewayId}',
    summary:
      'Delete a gateway without clusters, and its cloud accounts, as a tenant admin. Machines of its own are given back first (202). With orphan=true one that no relay was seen of for 15 minutes is given up, and the answer says what stays behind in MAAS',
    roles: TENANT_ADMINS,
    params: OneGateway,
    query: z.strictObject({ orphan: z.enum(['true', 'false']).default('false') }),
    body: Nothing,
    answers: { 200: OrphanedGateway, 202: GatewayView, 204: null },
    problems: ['GATEWAY_HAS_CLUSTERS', 'GATEWAY_REACHABLE', 'UNAVAILABLE'],
  },
  async (call) => {
    const row = await findGateway(call.catalogue, call.principal.scope, call.params.gatewayId);
    if (row === null) return err(apiFailure('NOT_FOUND'));
    return call.query.orphan === 'true' ? giveUp(call, row) : end(call, row);
  },
);

type Ending = Context & { readonly principal: Principal };

async function end({ env, catalogue, principal, now }: Ending, row: GatewayRow): Handled {
  if (await beginGatewayRemoval(catalogue, row.scope, row.id, now)) {
    // Hidden already. An object that does not answer now is told by the sweep.
    await endRemoval({ env, catalogue }, row);
    return ok({ status: 204 });
  }
  if (!(await beginGatewayDeletion(catalogue, row.scope, row.id, now))) return hasClusters(catalogue, row);
  const object = () => gatewayOf(env, row.scope, row.id);
  const asked = await askObject(() => object().requestDeletion(principal.keyName));
  if (asked.ok) return ok({ status: 202, body: asked.value });
  // It ended while it was asked: there was nothing left to give back.
  return asked.error.code === 'NOT_FOUND' ? ok({ status: 204 }) : asked;
}

async function giveUp({ env, catalogue, now }: Ending, row: GatewayRow): Handled {
  const { scope, id } = row;
  const clusters = await clustersUsing(catalogue, scope, { gatewayId: id }, 1);
  if (clusters.length > 0) return hasClusters(catalogue, row);
  const left = await askObject(() => gatewayOf(env, scope, id).leftovers());
  if (!left.ok) return left;
  // The answer may be lost, and nobody else will know.
  log({ event: 'gateway-given-up', gateway: id, left: JSON.stringify(left.value) });
  await abandonGatewayClusters(catalogue, { scope, gatewayId: id }, now);
  if (!(await beginGatewayRemoval(catalogue, scope, id, now))) return hasClusters(catalogue, row);
  await endRemoval({ env, catalogue }, row);
  return ok({ status: 200, body: left.value });
}

async function endRemoval({ env, catalogue }: Pick<Context, 'env' | 'catalogue'>, row: GatewayRow): Promise<void> {
  const removed = await callObject(() => gatewayOf(env, row.scope, row.id).remove());
  if (removed.ok) await endGatewayRemoval(catalogue, row.scope, row.id);
}

async function hasClusters(catalogue: Context['catalogue'], { scope, id }: GatewayRow): Handled {
  const clusters = await clustersUsing(catalogue, scope, { gatewayId: id }, CLUSTERS_NAMED_MAX);
  return err(apiFailure('GATEWAY_HAS_CLUSTERS', undefined, { clusters }));
}
