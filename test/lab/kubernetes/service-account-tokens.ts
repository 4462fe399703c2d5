// Tokens of service accounts (TokenRequest): shaped like the real JWTs, valid while their account exists.
import { createHmac, randomBytes, randomUUID } from 'node:crypto';
import type { User } from './bootstrap-tokens.ts';
import type { Clock } from './clock.ts';
import type { JsonObject } from './json.ts';
import { nameOf, namespaceOf, uidOf } from './json.ts';
import { SERVICE_ACCOUNTS } from './resources.ts';
import type { Store } from './store.ts';

export const ISSUER = 'https://kubernetes.default.svc.cluster.local';
const ISSUED_MAX = 10_000;

type Issued = {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly expiresAt: number;
  readonly jti: string;
};

export type ServiceAccountTokens = ReturnType<typeof createServiceAccountTokens>;

/** Issues and recognises tokens; forgets the oldest beyond its bound. */
export function createServiceAccountTokens(store: Store, clock: Clock) {
  const issued = new Map<string, Issued>();
  const key = randomBytes(32);

  function issue(account: JsonObject, seconds: number): { token: string; expiresAt: number } {
    const jti = randomUUID();
    const expiresAt = clock.now() + seconds * 1000;
    const [namespace, name, uid] = [namespaceOf(account), nameOf(account), uidOf(account)];
    const part = (value: JsonObject): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const claims = {
      aud: [ISSUER],
      exp: Math.floor(expiresAt / 1000),
      iat: Math.floor(clock.now() / 1000),
      iss: ISSUER,
      jti,
      'kubernetes.io': { namespace, serviceaccount: { name, uid } },
      sub: `system:serviceaccount:${namespace}:${name}`,
    };
    const signed = `${part({ alg: 'HS256', kid: 'slipway-lab' })}.${part(claims)}`;
    const token = `${signed}.${createHmac('sha256', key).update(signed).digest('base64url')}`;
    issued.set(token, { namespace, name, uid, expiresAt, jti });
    for (const oldest of issued.keys()) {
      if (issued.size <= ISSUED_MAX) break;
      issued.delete(oldest);
    }
    return { token, expiresAt };
  }

  function userOf(token: string): User | undefined {
    const found = issued.get(token);
    if (found === undefined || found.expiresAt <= clock.now()) return undefined;
    const account = store.get(SERVICE_ACCOUNTS, found.namespace, found.name);
    if (!account.ok || uidOf(account.value) !== found.uid) return undefined;
    return {
      name: `system:serviceaccount:${found.namespace}:${found.name}`,
      uid: found.uid,
      groups: ['system:serviceaccounts', `system:serviceaccounts:${found.namespace}`, 'system:authenticated'],
      extra: { 'authentication.kubernetes.io/credential-id': [`JTI=${found.jti}`] },
    };
  }

  return { issue, userOf };
}
