// kubeadm's join tokens: Secrets of type bootstrap.kubernetes.io/token that authenticate as bearers until they expire.
import type { Clock } from './clock.ts';
import type { Json, JsonObject } from './json.ts';
import { nameOf, text } from './json.ts';
import { SECRETS } from './resources.ts';
import type { Store } from './store.ts';

export const TOKEN_TYPE = 'bootstrap.kubernetes.io/token';
const NAMESPACE = 'kube-system';
/** The cleaner was seen to remove an expired token within about a second. */
const CLEANED_AFTER_MS = 1_000;

export type User = {
  readonly name: string;
  readonly uid?: string;
  readonly groups: readonly string[];
  readonly extra?: Readonly<Record<string, readonly string[]>>;
};

/** A field of a Secret's data, decoded. */
export function secretText(secret: Json | undefined, key: string): string {
  return Buffer.from(text(secret, 'data', key), 'base64').toString('utf8');
}

const expiryOf = (secret: Json): number => {
  const told = secretText(secret, 'expiration');
  return told === '' ? Number.POSITIVE_INFINITY : Date.parse(told);
};

/** Who `id.secret` is, or undefined when no valid token Secret says so. */
export function userOfBootstrapToken(store: Store, clock: Clock, token: string): User | undefined {
  const match = /^([a-z0-9]{6})\.([a-z0-9]{16})$/.exec(token);
  if (match === null) return undefined;
  const [id, secret] = [match[1] ?? '', match[2] ?? ''];
  const found = store.get(SECRETS, NAMESPACE, `bootstrap-token-${id}`);
  if (!found.ok || text(found.value, 'type') !== TOKEN_TYPE) return undefined;
  if (secretText(found.value, 'token-secret') !== secret || secretText(found.value, 'token-id') !== id)
    return undefined;
  if (secretText(found.value, 'usage-bootstrap-authentication') !== 'true') return undefined;
  if (!(expiryOf(found.value) > clock.now())) return undefined;
  const extra = secretText(found.value, 'auth-extra-groups')
    .split(',')
    .filter((group) => group !== '');
  return { name: `system:bootstrap:${id}`, groups: ['system:bootstrappers', ...extra, 'system:authenticated'] };
}

/** Removes token Secrets soon after they expire, as the controller manager's token cleaner does. */
export function cleanExpiredTokens(store: Store, clock: Clock): () => void {
  const timers = new Map<string, () => void>();
  const unsubscribe = store.subscribe((change) => {
    if (change.resource !== SECRETS || text(change.object, 'type') !== TOKEN_TYPE) return;
    const name = nameOf(change.object);
    timers.get(name)?.();
    timers.delete(name);
    const expiry = expiryOf(change.object);
    if (change.type === 'DELETED' || !Number.isFinite(expiry)) return;
    timers.set(
      name,
      clock.after(Math.max(0, expiry - clock.now()) + CLEANED_AFTER_MS, () => {
        timers.delete(name);
        store.remove(SECRETS, NAMESPACE, name);
      }),
    );
  });
  return () => {
    unsubscribe();
    for (const cancel of timers.values()) cancel();
  };
}

/** The Secret kubeadm writes for a token. `expiresAt` in epoch milliseconds. */
export function bootstrapTokenSecret(token: string, expiresAt: number): JsonObject {
  const [id = '', secret = ''] = token.split('.');
  const base64 = (value: string): string => Buffer.from(value).toString('base64');
  return {
    kind: 'Secret',
    apiVersion: 'v1',
    metadata: { name: `bootstrap-token-${id}`, namespace: NAMESPACE },
    data: {
      'auth-extra-groups': base64('system:bootstrappers:kubeadm:default-node-token'),
      expiration: base64(new Date(expiresAt).toISOString()),
      'token-id': base64(id),
      'token-secret': base64(secret),
      'usage-bootstrap-authentication': base64('true'),
      'usage-bootstrap-signing': base64('true'),
    },
    type: TOKEN_TYPE,
  };
}
