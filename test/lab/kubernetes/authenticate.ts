// Who is asking: bearer token, client certificate of the cluster's CA, or nobody. In the real server's order.
import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { TLSSocket } from 'node:tls';
import type { Result } from '../../../shared/result.ts';
import { err, ok } from '../../../shared/result.ts';
import type { User } from './bootstrap-tokens.ts';
import { userOfBootstrapToken } from './bootstrap-tokens.ts';
import type { Clock } from './clock.ts';
import type { ServiceAccountTokens } from './service-account-tokens.ts';
import type { ApiFailure } from './status.ts';
import { badRequest, unauthorized } from './status.ts';
import type { Store } from './store.ts';

const ANONYMOUS: User = { name: 'system:anonymous', groups: ['system:unauthenticated'] };
/** A token used once stays good this long after it is gone: the server's authentication cache, as recorded. */
const CACHE_MS = 10_000;
const CACHE_MAX = 1_000;

export type Authenticate = (headers: IncomingHttpHeaders, socket: TLSSocket) => Result<User, ApiFailure>;

function fromCertificate(socket: TLSSocket): Result<User, ApiFailure> | undefined {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return undefined;
  if (!socket.authorized) return err(unauthorized());
  const attributes = certificate.subject.split('\n').map((line) => line.split('='));
  const values = (key: string): string[] =>
    attributes.filter(([name]) => name === key).map(([, ...rest]) => rest.join('='));
  const name = values('CN')[0];
  if (name === undefined) return err(unauthorized());
  const fingerprint = createHash('sha256').update(certificate.raw).digest('hex');
  return ok({
    name,
    groups: [...values('O'), 'system:authenticated'],
    extra: { 'authentication.kubernetes.io/credential-id': [`X509SHA256=${fingerprint}`] },
  });
}

/** Makes the authenticator. An invalid credential is 401 even where none at all would do. */
export function createAuthenticate(store: Store, clock: Clock, accounts: ServiceAccountTokens): Authenticate {
  const cache = new Map<string, { user: User; until: number }>();
  return (headers, socket) => {
    const bearer = /^Bearer\s+(.+)$/i.exec(headers.authorization ?? '')?.[1];
    if (bearer === undefined) return fromCertificate(socket) ?? ok(ANONYMOUS);
    const user = userOfBootstrapToken(store, clock, bearer) ?? accounts.userOf(bearer);
    if (user === undefined) {
      const cached = cache.get(bearer);
      return cached !== undefined && cached.until > clock.now() ? ok(cached.user) : err(unauthorized());
    }
    cache.delete(bearer);
    cache.set(bearer, { user, until: clock.now() + CACHE_MS });
    for (const oldest of cache.keys()) {
      if (cache.size <= CACHE_MAX) break;
      cache.delete(oldest);
    }
    return ok(user);
  };
}

/** The user the Impersonate headers ask to be, undefined when there are none. Whether one may is for the authoriser. */
export function impersonated(headers: IncomingHttpHeaders): Result<User | undefined, ApiFailure> {
  const values = (name: string): string[] => {
    const value = headers[name];
    if (value === undefined) return [];
    return Array.isArray(value) ? value : value.split(',').map((part) => part.trim());
  };
  const name = values('impersonate-user')[0];
  const groups = values('impersonate-group');
  if (name === undefined) {
    if (groups.length === 0) return ok(undefined);
    const list = groups.map((group) => JSON.stringify(group)).join(', ');
    return err(
      badRequest(
        `requested &user.DefaultInfo{Name:"", UID:"", Groups:[]string{${list}}, Extra:map[string][]string(nil)} without impersonating a user name`,
      ),
    );
  }
  const extra: Record<string, string[]> = {};
  for (const header of Object.keys(headers)) {
    const key = /^impersonate-extra-(.+)$/.exec(header)?.[1];
    if (key !== undefined) extra[decodeURIComponent(key)] = values(header);
  }
  const user: User = { name, groups: [...groups, 'system:authenticated'] };
  return ok(Object.keys(extra).length === 0 ? user : { ...user, extra });
}
