// Looks at a gateway now: each of its relays, and from each the way to the console and to every MAAS that it serves.
import { DIAGNOSTICS_MS_MAX } from '../../shared/limits.ts';
import { CHECKED_ACCOUNTS_MAX, GatewayDiagnosis } from '../../shared/node-check.ts';
import { apiFailure } from '../../shared/problem.ts';
import { err, ok } from '../../shared/result.ts';
import { gatewayOf } from '../env.ts';
import { accountsOfGateway } from '../store/cloud-accounts.ts';
import { findGateway } from '../store/gateways.ts';
import { OBJECT_SLACK_MS } from './ask-gateway.ts';
import { askObject } from './call-object.ts';
import { OneGateway } from './gateways.ts';
import { PROJECT_ADMINS } from './roles.ts';
import { defineRoute, Nothing } from './route.ts';

export const diagnoseGateway = defineRoute(
  {
    method: 'POST',
    path: '/v1/gateways/{gatewayId}/diagnostics',
    summary:
      'Let each connected relay look around now, as `slipway-relay doctor` does, and whether MAAS takes the keys of the gateway’s accounts',
    roles: PROJECT_ADMINS,
    params: OneGateway,
    query: Nothing,
    body: Nothing,
    answers: { 200: GatewayDiagnosis },
    problems: ['GATEWAY_NOT_RUNNING', 'UNAVAILABLE'],
  },
  async ({ env, catalogue, principal, params, requestId }) => {
    const row = await findGateway(catalogue, principal.scope, params.gatewayId);
    if (row === null) return err(apiFailure('NOT_FOUND'));
    const accounts = await accountsOfGateway(catalogue, row.scope, row.id, CHECKED_ACCOUNTS_MAX);
    const found = await askObject(
      () => gatewayOf(env, row.scope, row.id).diagnose(requestId, accounts),
      DIAGNOSTICS_MS_MAX + OBJECT_SLACK_MS,
    );
    return found.ok ? ok({ status: 200, body: found.value }) : found;
  },
);
