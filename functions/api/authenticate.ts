// Bearer key → who asks. A text that is not a key of ours costs no look-up: keys carry a check.
import { ApiKey } from '../../shared/api-key.ts';
import { type ApiFailure, apiFailure } from '../../shared/problem.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import { findKeyByHash } from '../store/api-keys.ts';
import type { Catalogue } from '../store/catalogue.ts';
import type { Access, Principal } from './route.ts';
import { sha256 } from './sha256.ts';

/** The token of `Authorization: Bearer …`; null without one. */
export function bearerOf(request: Request): string | null {
  return /^Bearer (\S.{0,511})$/i.exec(request.headers.get('authorization') ?? '')?.[1] ?? null;
}

export async function authenticate(
  request: Request,
  catalogue: Catalogue,
): Promise<Result<{ principal: Principal; key: ApiKey }, ApiFailure>> {
  const key = ApiKey.safeParse(bearerOf(request));
  if (!key.success) return err(apiFailure('UNAUTHENTICATED'));
  const found = await findKeyByHash(catalogue, await sha256(key.data));
  if (found === null) return err(apiFailure('UNAUTHENTICATED'));
  const { id: keyId, name: keyName, role } = found.view;
  return ok({ principal: { keyId, keyName, role, scope: found.scope }, key: key.data });
}

/** Null when the role may ask. */
export function roleFailure(access: Access, principal: Principal): ApiFailure | null {
  if (typeof access === 'string' || access.includes(principal.role)) return null;
  return apiFailure('FORBIDDEN', `This needs the role ${access.join(' or ')}; your key has ${principal.role}.`);
}
