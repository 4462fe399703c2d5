import { GatewayView } from '../../shared/gateway-view.ts';
import { apiFailure } from '../../shared/problem.ts';
import { UpgradeRequest } from '../../shared/release.ts';
import { err, ok } from '../../shared/result.ts';
import { now } from '../clock.ts';
import { gatewayOf } from '../env.ts';
import { findGateway } from '../store/gateways.ts';
import { expectUpgrade, findRelease, newestRelease } from '../store/releases.ts';
import { askObject, callObject } from './call-object.ts';
import { OneGateway } from './gateways.ts';
import { PROJECT_ADMINS, READERS } from './roles.ts';
import { defineRoute, Nothing } from './route.ts';
import { TimelinePage, TimelineQuery } from './timeline-query.ts';

export const upgradeGateway = defineRoute(
  {
    method: 'POST',
    path: '/v1/gateways/{gatewayId}/upgrade',
    summary: 'Upgrade what runs on a gateway, now or in a window: its relays one at a time, then its machines',
    roles: PROJECT_ADMINS,
    params: OneGateway,
    query: Nothing,
    body: UpgradeRequest,
    answers: { 202: GatewayView },
    problems: [
      'RELEASE_UNKNOWN',
      'UPGRADE_NOT_NEWER',
      'UPGRADE_UNDER_WAY',
      'WINDOW_INVALID',
      'GATEWAY_NOT_RUNNING',
      'UNAVAILABLE',
    ],
  },
  async ({ env, catalogue, principal, params, body }) => {
    const row = await findGateway(catalogue, principal.scope, params.gatewayId);
    if (row === null) return err(apiFailure('NOT_FOUND'));
    const { version, window = null } = body;
    const found = version === undefined ? await newestRelease(catalogue) : await findRelease(catalogue, version);
    if (found === null) return err(apiFailure('RELEASE_UNKNOWN'));
    const { release, publishedAt } = found;
    const asked = { published: { release, publishedAt }, window, actor: principal.keyName };
    await expectUpgrade(catalogue, row.scope, row.id, window?.startsAt ?? now());
    const begun = await askObject(() => gatewayOf(env, row.scope, row.id).requestUpgrade(asked));
    return begun.ok ? ok({ status: 202, body: begun.value }) : begun;
  },
);

export const cancelUpgrade = defineRoute(
  {
    method: 'DELETE',
    path: '/v1/gateways/{gatewayId}/upgrade',
    summary: 'Cancel an upgrade that waits for its window',
    roles: PROJECT_ADMINS,
    params: OneGateway,
    query: Nothing,
    body: Nothing,
    answers: { 200: GatewayView },
    problems: ['UPGRADE_NOT_SCHEDULED', 'UNAVAILABLE'],
  },
  async ({ env, catalogue, principal, params }) => {
    const row = await findGateway(catalogue, principal.scope, params.gatewayId);
    if (row === null) return err(apiFailure('NOT_FOUND'));
    const cancelled = await askObject(() => gatewayOf(env, row.scope, row.id).cancelUpgrade());
    return cancelled.ok ? ok({ status: 200, body: cancelled.value }) : cancelled;
  },
);

export const getGatewayTimeline = defineRoute(
  {
    method: 'GET',
    path: '/v1/gateways/{gatewayId}/timeline',
    summary: 'What happened to a gateway, oldest first; `after` continues from the last seq read',
    roles: READERS,
    params: OneGateway,
    query: TimelineQuery,
    body: Nothing,
    answers: { 200: TimelinePage },
    problems: ['UNAVAILABLE'],
  },
  async ({ env, catalogue, principal, params, query }) => {
    const row = await findGateway(catalogue, principal.scope, params.gatewayId);
    if (row === null) return err(apiFailure('NOT_FOUND'));
    const items = await callObject(() => gatewayOf(env, row.scope, row.id).timeline(query.after, query.limit));
    return items.ok ? ok({ status: 200, body: { items: items.value } }) : items;
  },
);
