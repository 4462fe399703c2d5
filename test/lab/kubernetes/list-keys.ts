// Which lists of the built-in kinds merge by key. A real server reads this from its schemas; these are the ones that
// pods, workloads, nodes and services use. Lists not named here are replaced whole, as `atomic` lists are.
import type { Json } from './json.ts';
import { dig } from './json.ts';

const KEYED: Readonly<Record<string, readonly string[]>> = {
  addresses: ['type'],
  conditions: ['type'],
  containers: ['name'],
  env: ['name'],
  ephemeralContainers: ['name'],
  hostAliases: ['ip'],
  imagePullSecrets: ['name'],
  initContainers: ['name'],
  ownerReferences: ['uid'],
  podIPs: ['ip'],
  hostIPs: ['ip'],
  secrets: ['name'],
  topologySpreadConstraints: ['topologyKey', 'whenUnsatisfiable'],
  volumeDevices: ['devicePath'],
  volumeMounts: ['mountPath'],
  volumes: ['name'],
  webhooks: ['name'],
};

/** Lists that a strategic merge patch merges although server-side apply treats them as one value. */
const STRATEGIC_ONLY: Readonly<Record<string, readonly string[]>> = { taints: ['key'], subsets: [] };

const SETS = new Set(['finalizers', 'podCIDRs']);

/** Maps that change hands as one value. */
const ATOMIC_MAPS = new Set([
  'selector',
  'nodeSelector',
  'roleRef',
  'labelSelector',
  'namespaceSelector',
  'objectSelector',
  'fieldRef',
  'secretKeyRef',
  'configMapKeyRef',
  'resourceFieldRef',
  'claimRef',
]);

export type ListKind =
  | { readonly kind: 'atomic' }
  | { readonly kind: 'set' }
  | { readonly kind: 'keyed'; readonly keys: readonly string[] };

/** How a list under a field name merges. Custom resources have no keys here: their lists are atomic. */
export function listKind(field: string, items: readonly Json[], strategic = false): ListKind {
  if (SETS.has(field)) return { kind: 'set' };
  if (field === 'ports') {
    const container = items.some((item) => dig(item, 'containerPort') !== undefined);
    const port = container ? 'containerPort' : 'port';
    return { kind: 'keyed', keys: strategic ? [port] : [port, 'protocol'] };
  }
  const keys = KEYED[field] ?? (strategic ? STRATEGIC_ONLY[field] : undefined);
  if (keys === undefined || keys.length === 0) return { kind: 'atomic' };
  return { kind: 'keyed', keys: strategic ? keys.slice(0, 1) : keys };
}

export const isAtomicMap = (field: string): boolean => ATOMIC_MAPS.has(field);

/** The identity of a keyed item; protocol defaults to TCP as in every Kubernetes port. */
export function itemKey(item: Json, keys: readonly string[]): string {
  const parts: Record<string, Json> = {};
  for (const key of [...keys].sort()) {
    const value = dig(item, key);
    if (value !== undefined) parts[key] = value;
    else if (key === 'protocol') parts[key] = 'TCP';
  }
  return JSON.stringify(parts);
}
