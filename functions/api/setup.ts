// The first key of a deployment, made once by whoever holds its secret.
import { makeApiKey, SetupResponse } from '../../shared/api-key.ts';
import { ApiKeyId, randomPart, Scope } from '../../shared/ids.ts';
import { type ApiFailure, apiFailure } from '../../shared/problem.ts';
import { err, ok } from '../../shared/result.ts';
import { randomBytes } from '../clock.ts';
import { makeTenant } from '../store/tenants.ts';
import { bearerOf } from './authenticate.ts';
import { tooManyTries } from './public-tries.ts';
import { type Context, definePublicRoute, Nothing } from './route.ts';
import { sameSecret, sha256 } from './sha256.ts';

/** One default of each from the first row on (architecture ruling 13.11). */
export const DEFAULT_SCOPE = Scope.parse({
  tenantId: 'ten_default',
  projectId: 'prj_default',
  jurisdiction: 'default',
});

export const setUp = definePublicRoute(
  {
    method: 'POST',
    path: '/v1/setup',
    summary: 'Make the default tenant and project and the first tenant-admin key, once',
    access: 'setup-secret',
    params: Nothing,
    query: Nothing,
    body: Nothing,
    answers: { 201: SetupResponse },
    problems: ['SETUP_SECRET_WRONG', 'SETUP_DONE', 'RATE_LIMITED'],
  },
  async (call) => {
    const refused = await setupSecretFailure(call);
    if (refused !== null) return err(refused);
    const key = makeApiKey(randomBytes(24));
    const view = {
      id: ApiKeyId.parse(`key_${randomPart(randomBytes(20))}`),
      projectId: DEFAULT_SCOPE.projectId,
      name: 'admin',
      role: 'tenant-admin' as const,
      createdAt: call.now,
      revokedAt: null,
    };
    const made = await makeTenant(call.catalogue, DEFAULT_SCOPE, { view, hash: await sha256(key) }, call.now);
    if (!made) return err(apiFailure('SETUP_DONE'));
    return ok({ status: 201, body: { ...DEFAULT_SCOPE, apiKey: { ...view, key } } });
  },
);

/** Null for whoever holds the deployment's secret. Tries are counted. */
export async function setupSecretFailure(context: Context): Promise<ApiFailure | null> {
  const limited = await tooManyTries(context, 'setup');
  if (limited !== null) return limited;
  const given = bearerOf(context.request);
  const held = context.env.SETUP_SECRET;
  // Compared even when there is none, so that the answer's time does not tell.
  const same = await sameSecret(given ?? '', held ?? '');
  return !given || !held || !same ? apiFailure('SETUP_SECRET_WRONG') : null;
}
