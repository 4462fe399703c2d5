// API keys: made by a tenant admin, shown once.
import { z } from 'zod';
import { ApiKeyCreate, ApiKeyCreated, ApiKeyView, makeApiKey } from '../../shared/api-key.ts';
import { ApiKeyId, randomPart } from '../../shared/ids.ts';
import { apiFailure } from '../../shared/problem.ts';
import { err, ok } from '../../shared/result.ts';
import { randomBytes } from '../clock.ts';
import { addKey, listKeys, revokeKey } from '../store/api-keys.ts';
import { unknownProject } from '../store/projects.ts';
import { PageQuery, pageOf, readPage } from './page.ts';
import { TENANT_ADMINS } from './roles.ts';
import { defineRoute, Nothing } from './route.ts';
import { sha256 } from './sha256.ts';

const OneKey = z.strictObject({ apiKeyId: ApiKeyId });

export const createApiKey = defineRoute(
  {
    method: 'POST',
    path: '/v1/api-keys',
    summary: 'Make a key of a project, of one’s own if none is named; it is shown in this answer only',
    roles: TENANT_ADMINS,
    params: Nothing,
    query: Nothing,
    body: ApiKeyCreate,
    answers: { 201: ApiKeyCreated },
    problems: ['API_KEY_NAME_TAKEN', 'PROJECT_NOT_FOUND'],
  },
  async ({ catalogue, principal, body, now }) => {
    const key = makeApiKey(randomBytes(24));
    const id = ApiKeyId.parse(`key_${randomPart(randomBytes(20))}`);
    const projectId = body.projectId ?? principal.scope.projectId;
    if ((await unknownProject(catalogue, principal.scope, [projectId])) !== null)
      return err(apiFailure('PROJECT_NOT_FOUND'));
    const view = { id, projectId, name: body.name, role: body.role, createdAt: now, revokedAt: null };
    const added = await addKey(catalogue, principal.scope, view, await sha256(key));
    if (!added) return err(apiFailure('API_KEY_NAME_TAKEN'));
    return ok({ status: 201, body: { ...view, key }, headers: { location: `/v1/api-keys/${id}` } });
  },
);

export const listApiKeys = defineRoute(
  {
    method: 'GET',
    path: '/v1/api-keys',
    summary: 'List the keys of all projects, without the keys themselves',
    roles: TENANT_ADMINS,
    params: Nothing,
    query: PageQuery,
    body: Nothing,
    answers: { 200: pageOf(ApiKeyView) },
    problems: ['CURSOR_INVALID'],
  },
  async ({ catalogue, principal, query }) => {
    const page = await readPage(
      query,
      (wanted) => listKeys(catalogue, principal.scope, wanted),
      (key) => key,
    );
    return page.ok ? ok({ status: 200, body: page.value }) : page;
  },
);

export const revokeApiKey = defineRoute(
  {
    method: 'DELETE',
    path: '/v1/api-keys/{apiKeyId}',
    summary: 'Revoke a key, from its next request on',
    roles: TENANT_ADMINS,
    params: OneKey,
    query: Nothing,
    body: Nothing,
    answers: { 204: null },
    problems: ['LAST_ADMIN_KEY'],
  },
  async ({ catalogue, principal, params, now }) => {
    const revoked = await revokeKey(catalogue, principal.scope, params.apiKeyId, now);
    if (revoked === 'not-found') return err(apiFailure('NOT_FOUND'));
    if (revoked === 'last-admin') return err(apiFailure('LAST_ADMIN_KEY'));
    return ok({ status: 204 });
  },
);
