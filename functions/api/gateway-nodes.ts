// The relay nodes of a gateway, as far as people decide about them: one is removed, or the key they share is given up, or kept
// elsewhere in case all are lost.
import { z } from 'zod';
import { GatewayView } from '../../shared/gateway-view.ts';
import { GatewayId, RelayNodeId } from '../../shared/ids.ts';
import { apiFailure } from '../../shared/problem.ts';
import { RecoveryBundle } from '../../shared/recovery.ts';
import { err, ok } from '../../shared/result.ts';
import { gatewayOf } from '../env.ts';
import { findGateway } from '../store/gateways.ts';
import { askObject, callObject } from './call-object.ts';
import { PROJECT_ADMINS, TENANT_ADMINS } from './roles.ts';
import { defineRoute, Nothing } from './route.ts';

const Confirmed = z.strictObject({ confirm: z.string().max(64).optional() });

export const deleteGatewayNode = defineRoute(
  {
    method: 'DELETE',
    path: '/v1/gateways/{gatewayId}/nodes/{nodeId}',
    summary:
      'Revoke one relay of a gateway, at once; the last that holds the gateway’s key only with confirm=<gateway name>',
    roles: PROJECT_ADMINS,
    params: z.strictObject({ gatewayId: GatewayId, nodeId: RelayNodeId }),
    query: Confirmed,
    body: Nothing,
    answers: { 204: null },
    problems: ['CONFIRMATION_REQUIRED', 'UNAVAILABLE'],
  },
  async ({ env, catalogue, principal, params, query }) => {
    const row = await findGateway(catalogue, principal.scope, params.gatewayId);
    if (row === null) return err(apiFailure('NOT_FOUND'));
    const isConfirmed = query.confirm === row.name;
    const revoked = await askObject(() => gatewayOf(env, row.scope, row.id).revokeNode(params.nodeId, isConfirmed));
    return revoked.ok ? ok({ status: 204 }) : revoked;
  },
);

export const resetGatewayKey = defineRoute(
  {
    method: 'POST',
    path: '/v1/gateways/{gatewayId}/reset-key',
    summary:
      'Give up a gateway’s lost key, so that the next relay that pairs brings a new one. Everything sealed to the old key (MAAS keys, cluster identities) stays unreadable for ever. With confirm=<gateway name>',
    roles: TENANT_ADMINS,
    params: z.strictObject({ gatewayId: GatewayId }),
    query: Confirmed,
    body: Nothing,
    answers: { 200: GatewayView },
    problems: ['CONFIRMATION_REQUIRED', 'GATEWAY_KEY_HELD', 'UNAVAILABLE'],
  },
  async ({ env, catalogue, principal, params, query }) => {
    const row = await findGateway(catalogue, principal.scope, params.gatewayId);
    if (row === null) return err(apiFailure('NOT_FOUND'));
    if (query.confirm !== row.name) {
      const detail = `Every MAAS key and cluster identity of ${row.name} becomes unreadable for ever. Confirm with its name.`;
      return err(apiFailure('CONFIRMATION_REQUIRED', detail));
    }
    const reset = await askObject(() => gatewayOf(env, row.scope, row.id).resetKey());
    if (!reset.ok) return reset;
    const view = await callObject(() => gatewayOf(env, row.scope, row.id).view());
    if (!view.ok) return view;
    return view.value === null ? err(apiFailure('NOT_FOUND')) : ok({ status: 200, body: view.value });
  },
);

export const getRecoveryBundle = defineRoute(
  {
    method: 'GET',
    path: '/v1/gateways/{gatewayId}/recovery-bundle',
    summary:
      'The gateway’s key, sealed to the recovery key it was created with: `slipway-relay recover` opens it. NOT_FOUND says why there is none',
    roles: TENANT_ADMINS,
    params: z.strictObject({ gatewayId: GatewayId }),
    query: Nothing,
    body: Nothing,
    answers: { 200: RecoveryBundle },
    problems: ['UNAVAILABLE'],
  },
  async ({ env, catalogue, principal, params }) => {
    const row = await findGateway(catalogue, principal.scope, params.gatewayId);
    if (row === null) return err(apiFailure('NOT_FOUND'));
    const bundle = await askObject(() => gatewayOf(env, row.scope, row.id).recoveryBundle());
    return bundle.ok ? ok({ status: 200, body: bundle.value }) : bundle;
  },
);
