// The one place that says whether a cluster may be asked for. Machines are not looked at: a request that no machine meets today
// is accepted and waits (architecture ruling 13.4).
import type { z } from 'zod';
import type { ClusterProfile } from '../../shared/cluster-profile.ts';
import type { ClusterSpec, NodePool } from '../../shared/cluster-spec.ts';
import type { Scope } from '../../shared/ids.ts';
import { type ApiFailure, apiFailure, type ProblemCode } from '../../shared/problem.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import { overlapFailure } from '../overlapping-networks.ts';
import type { Catalogue } from '../store/catalogue.ts';
import { type AccountRow, findUsableAccount } from '../store/cloud-accounts.ts';
import { profileOf } from './cluster-profiles.ts';
import { mergeParameters } from './merge-parameters.ts';
import { fieldFailure, valueAt } from './parse-failure.ts';

export type ValidCluster = {
  readonly account: AccountRow /** With the overrides merged in. */;
  readonly profile: ClusterProfile;
};

/** Spec and profile are kept in one row until the object has them; D1 takes 2,000,000 bytes a row. */
const CREATION_BYTES_MAX = 1_900_000;
/** What a spec may be refused for. */
export const SPEC_PROBLEMS: readonly ProblemCode[] = [
  'PROFILE_REQUIRED',
  'PROFILE_PARAMETER_UNKNOWN',
  'ACCOUNT_NOT_FOUND',
  'ACCOUNT_NOT_SHARED',
  'CP_POOL_REQUIRED',
  'CP_SIZE_ODD',
  'WORKERS_REQUIRED',
  'POOL_NAME_TAKEN',
  'CIDR_OVERLAP',
  'IPV6_UNSUPPORTED',
];

/** A DNS label; `<cluster>-<slot>` must fit. */
const HOST_NAME_MAX = 63;

export async function validateCluster(
  catalogue: Catalogue,
  scope: Scope,
  spec: ClusterSpec,
): Promise<Result<ValidCluster, ApiFailure>> {
  const misfit = poolsFailure(spec);
  if (misfit !== null) return err(misfit);
  const profile = await profileOf(catalogue, scope, spec.profileId);
  if (profile === null) return err(apiFailure('PROFILE_REQUIRED', `There is no profile ${spec.profileId}.`));
  if (profile.type === 'addon') return err(apiFailure('PROFILE_REQUIRED', `${profile.name} is an add-on profile.`));
  const merged = mergeParameters(profile, spec.parameters);
  if (!merged.ok) return merged;
  const overlap = overlapFailure(merged.value.layers, spec.endpoint.ip);
  if (overlap !== null) return err(overlap);
  const account = await findUsableAccount(catalogue, scope, spec.accountId);
  if (account === null) return err(apiFailure('ACCOUNT_NOT_FOUND'));
  if (account === 'not-shared') return err(apiFailure('ACCOUNT_NOT_SHARED'));
  const size = new TextEncoder().encode(JSON.stringify([spec, merged.value, account.access])).length;
  if (size > CREATION_BYTES_MAX) return err(apiFailure('BODY_TOO_LARGE', 'Spec and profile together are too large.'));
  return ok({ account, profile: merged.value });
}

/** Names what the schema refused by the rule behind it: a control plane of 0, 2, 4, 6, 8 … machines. */
export function explainSpec(raw: unknown, refused: z.ZodError): ApiFailure | null {
  const even = refused.issues.some((issue) => {
    const [list, index, field] = issue.path;
    if (list !== 'pools' || index === undefined || field !== 'size') return false;
    const pool = ['pools', index];
    return valueAt(raw, [...pool, 'role']) === 'control-plane' && Number.isInteger(valueAt(raw, [...pool, 'size']));
  });
  return even ? apiFailure('CP_SIZE_ODD') : null;
}

function poolsFailure(spec: ClusterSpec): ApiFailure | null {
  const controlPlanes = spec.pools.filter((pool) => pool.role === 'control-plane');
  const [controlPlane] = controlPlanes;
  if (controlPlane === undefined || controlPlanes.length > 1) return apiFailure('CP_POOL_REQUIRED');
  if (controlPlane.size % 2 === 0) return apiFailure('CP_SIZE_ODD', `${controlPlane.name} has ${controlPlane.size}.`);
  const workers = spec.pools.reduce((sum, pool) => sum + (pool.role === 'worker' ? pool.size : 0), 0);
  if (workers === 0 && !controlPlane.allowWorkloads) return apiFailure('WORKERS_REQUIRED');
  const names = spec.pools.map((pool) => pool.name);
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) return apiFailure('POOL_NAME_TAKEN', `Two pools are called ${twice}.`);
  const long = spec.pools.findIndex((pool) => hostNameLength(spec.name, pool) > HOST_NAME_MAX);
  if (long === -1) return null;
  return fieldFailure(
    `pools.${long}.name`,
    `with the cluster’s name makes host names of over ${HOST_NAME_MAX} characters`,
  );
}

/** Of the pool's last machine: `<cluster>-<pool>-<index>`. */
const hostNameLength = (cluster: string, pool: NodePool): number =>
  `${cluster}-${pool.name}-${Math.max(0, pool.size - 1)}`.length;
