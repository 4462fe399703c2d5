// A gateway on machines grows: from one to three, of which one may be lost. Never back.
import { GatewayUpdate, GatewayView } from '../../shared/gateway-view.ts';
import { type ApiFailure, apiFailure } from '../../shared/problem.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import { clusterOf, gatewayOf } from '../env.ts';
import { findGateway, type GatewayRow } from '../store/gateways.ts';
import { askObject, callObject } from './call-object.ts';
import { OneGateway } from './gateways.ts';
import { PROJECT_ADMINS } from './roles.ts';
import { type Context, defineRoute, Nothing } from './route.ts';

export const resizeGateway = defineRoute(
  {
    method: 'PATCH',
    path: '/v1/gateways/{gatewayId}',
    summary: 'Let a gateway on machines grow, one machine after another; the first is not touched',
    roles: PROJECT_ADMINS,
    params: OneGateway,
    query: Nothing,
    body: GatewayUpdate,
    answers: { 202: GatewayView },
    problems: ['GATEWAY_SHRINK_UNSUPPORTED', 'GATEWAY_WITHOUT_MACHINES', 'GATEWAY_NOT_HEALTHY', 'UNAVAILABLE'],
  },
  async (call) => {
    const { env, catalogue, principal, params, body } = call;
    const row = await findGateway(catalogue, principal.scope, params.gatewayId);
    if (row === null) return err(apiFailure('NOT_FOUND'));
    const before = await readView(call, row);
    if (!before.ok) return before;
    const { machines } = before.value;
    const refused = resizeRefusal(machines, body.size);
    if (refused !== null) return err(refused);
    // Asked for already: the answer of before may have been lost.
    if (machines === null || machines.size === body.size) return ok({ status: 202, body: before.value });
    const resized = await askObject(() => clusterOf(env, row.scope, machines.clusterId).resize(body.size));
    if (!resized.ok) return resized;
    const after = await readView(call, row);
    return after.ok ? ok({ status: 202, body: after.value }) : after;
  },
);

function resizeRefusal(machines: GatewayView['machines'], size: number): ApiFailure | null {
  if (machines === null) return apiFailure('GATEWAY_WITHOUT_MACHINES');
  if (size < machines.size) return apiFailure('GATEWAY_SHRINK_UNSUPPORTED', `It has ${machines.size} machines.`);
  if (size === machines.size || machines.phase === 'running') return null;
  return apiFailure('GATEWAY_NOT_HEALTHY', `Its machines are ${machines.phase}.`);
}

async function readView({ env }: Context, row: GatewayRow): Promise<Result<GatewayView, ApiFailure>> {
  const view = await callObject(() => gatewayOf(env, row.scope, row.id).view());
  if (!view.ok) return view;
  return view.value === null ? err(apiFailure('NOT_FOUND')) : ok(view.value);
}
