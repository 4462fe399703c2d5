// Cluster profiles: the built-in one and one's own. A version never changes; a new one is a new profile of the same name.
import { z } from 'zod';
import { BUILTIN_PROFILE } from '../../shared/builtin-profile.ts';
import { ClusterProfile, type Layer } from '../../shared/cluster-profile.ts';
import { ProfileId, randomPart, type Scope } from '../../shared/ids.ts';
import { type ApiFailure, apiFailure } from '../../shared/problem.ts';
import { err, ok } from '../../shared/result.ts';
import { randomBytes } from '../clock.ts';
import { overlapFailure } from '../overlapping-networks.ts';
import type { Catalogue, PageWanted } from '../store/catalogue.ts';
import {
  addProfile,
  findProfile,
  listProfiles as listProfileRows,
  type ProfileRow,
  removeProfile,
} from '../store/cluster-profiles.ts';
import { clustersUsing } from '../store/clusters.ts';
import { CLUSTERS_NAMED_MAX } from './gateways.ts';
import { PageQuery, pageOf, readPage } from './page.ts';
import { fieldFailure } from './parse-failure.ts';
import { EDITORS, PROJECT_ADMINS, READERS } from './roles.ts';
import { defineRoute, Nothing } from './route.ts';

const OneProfile = z.strictObject({ profileId: ProfileId });
export const ProfileCreate = ClusterProfile.omit({ profileId: true });

export const createClusterProfile = defineRoute(
  {
    method: 'POST',
    path: '/v1/cluster-profiles',
    summary: 'Add a profile, or a further version of one by the same name',
    roles: EDITORS,
    params: Nothing,
    query: Nothing,
    body: ProfileCreate,
    answers: { 201: ClusterProfile },
    problems: ['PROFILE_VERSION_TAKEN', 'CIDR_OVERLAP', 'IPV6_UNSUPPORTED'],
  },
  async ({ catalogue, principal, body, now }) => {
    const failed = layersFailure(body.type, body.layers);
    if (failed !== null) return err(failed);
    const profile = { profileId: ProfileId.parse(`pro_${randomPart(randomBytes(20))}`), ...body };
    const isBuiltIn = profile.name === BUILTIN_PROFILE.name && profile.version === BUILTIN_PROFILE.version;
    const added = !isBuiltIn && (await addProfile(catalogue, principal.scope, { profile, createdAt: now }));
    if (!added) return err(apiFailure('PROFILE_VERSION_TAKEN'));
    return ok({ status: 201, body: profile, headers: { location: `/v1/cluster-profiles/${profile.profileId}` } });
  },
);

export const listClusterProfiles = defineRoute(
  {
    method: 'GET',
    path: '/v1/cluster-profiles',
    summary: 'List profiles, the built-in one last',
    roles: READERS,
    params: Nothing,
    query: PageQuery,
    body: Nothing,
    answers: { 200: pageOf(ClusterProfile) },
    problems: ['CURSOR_INVALID'],
  },
  async ({ catalogue, principal, query }) => {
    const page = await readPage(
      query,
      (wanted) => profilesWithBuiltIn(catalogue, principal.scope, wanted),
      (row) => ({ createdAt: row.createdAt, id: row.profile.profileId }),
    );
    if (!page.ok) return page;
    const items = page.value.items.map((row) => row.profile);
    return ok({ status: 200, body: { items, nextCursor: page.value.nextCursor } });
  },
);

export const getClusterProfile = defineRoute(
  {
    method: 'GET',
    path: '/v1/cluster-profiles/{profileId}',
    summary: 'One profile with its layers',
    roles: READERS,
    params: OneProfile,
    query: Nothing,
    body: Nothing,
    answers: { 200: ClusterProfile },
    problems: [],
  },
  async ({ catalogue, principal, params }) => {
    const profile = await profileOf(catalogue, principal.scope, params.profileId);
    return profile === null ? err(apiFailure('NOT_FOUND')) : ok({ status: 200, body: profile });
  },
);

export const deleteClusterProfile = defineRoute(
  {
    method: 'DELETE',
    path: '/v1/cluster-profiles/{profileId}',
    summary: 'Delete a profile that no cluster was made from',
    roles: PROJECT_ADMINS,
    params: OneProfile,
    query: Nothing,
    body: Nothing,
    answers: { 204: null },
    problems: ['PROFILE_IN_USE', 'PROFILE_BUILT_IN'],
  },
  async ({ catalogue, principal, params }) => {
    const { scope } = principal;
    const { profileId } = params;
    if (profileId === BUILTIN_PROFILE.profileId) return err(apiFailure('PROFILE_BUILT_IN'));
    if ((await findProfile(catalogue, scope, profileId)) === null) return err(apiFailure('NOT_FOUND'));
    if (await removeProfile(catalogue, scope, profileId)) return ok({ status: 204 });
    const clusters = await clustersUsing(catalogue, scope, { profileId }, CLUSTERS_NAMED_MAX);
    return err(apiFailure('PROFILE_IN_USE', undefined, { clusters }));
  },
);

/** A profile this project may use; null when there is none. */
export async function profileOf(catalogue: Catalogue, scope: Scope, id: ProfileId): Promise<ClusterProfile | null> {
  return id === BUILTIN_PROFILE.profileId ? BUILTIN_PROFILE : findProfile(catalogue, scope, id);
}

/** The built-in profile stands as if made at the beginning of time: last of the last page. */
async function profilesWithBuiltIn(catalogue: Catalogue, scope: Scope, wanted: PageWanted): Promise<ProfileRow[]> {
  const rows = await listProfileRows(catalogue, scope, wanted);
  const isPast = wanted.after?.id === BUILTIN_PROFILE.profileId;
  return rows.length < wanted.limit && !isPast ? [...rows, { profile: BUILTIN_PROFILE, createdAt: 0 }] : rows;
}

/** What an infrastructure must consist of; the same is true of a full profile, and an add-on has no infrastructure. */
function layersFailure(type: ClusterProfile['type'], layers: readonly Layer[]): ApiFailure | null {
  const count = (kind: Layer['kind']) => layers.filter((layer) => layer.kind === kind).length;
  for (const kind of ['os', 'kubernetes', 'cni'] as const) {
    const wanted = type === 'addon' ? 0 : 1;
    if (count(kind) !== wanted) return fieldFailure('layers', `must hold exactly ${wanted} of kind ${kind}`);
  }
  if (count('csi') > (type === 'addon' ? 0 : 1)) return fieldFailure('layers', 'hold too many of kind csi');
  if (type === 'infra' && count('addon') > 0) return fieldFailure('layers', 'of an infra profile hold no addon');
  const names = layers.map((layer) => layer.name);
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) return fieldFailure('layers', `hold the name ${twice} twice`);
  return overlapFailure(layers);
}
