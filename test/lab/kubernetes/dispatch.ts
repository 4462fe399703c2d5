// From an authorised request to its handler: which kind, which verb; and the refusals for what is unknown or not played.
import { applyPatch } from './applying.ts';
import type { Answer, Call } from './call.ts';
import { failed } from './call.ts';
import type { Cluster } from './cluster.ts';
import type { CustomKind } from './custom-resources.ts';
import { mediaType } from './decoding.ts';
import { remove, removeCollection } from './deleting.ts';
import { get, list } from './reading.ts';
import type { Target } from './request.ts';
import type { Resource } from './resources.ts';
import { NOT_MODELLED, RESOURCES, verbsOf } from './resources.ts';
import { componentStatuses, review } from './reviews.ts';
import { methodNotAllowed, notModelled, pageNotFound, resourceUnknown } from './status.ts';
import { subresource } from './subresources.ts';
import { create, patch, update } from './writing.ts';

export type Found = { readonly resource: Resource; readonly custom: CustomKind | undefined };

/** Groups a real server has and the stand-in does not. */
const REAL_GROUPS = new Set([
  'autoscaling',
  'discovery.k8s.io',
  'events.k8s.io',
  'flowcontrol.apiserver.k8s.io',
  'node.k8s.io',
  'resource.k8s.io',
  'apiregistration.k8s.io',
]);

/** The kind a URL names, or the answer to give for none. Unknown group: plain 404; unknown kind of a known one: a Status. */
export function findKind(cluster: Cluster, target: Target): Found | Answer {
  const custom = cluster.customResources.kinds();
  const is = (one: Resource): boolean =>
    one.group === target.group && one.version === target.version && one.plural === target.plural;
  const builtin = RESOURCES.find(is);
  if (builtin !== undefined) return { resource: builtin, custom: undefined };
  const found = custom.find((kind) => is(kind.resource));
  if (found !== undefined) return { resource: found.resource, custom: found };
  const known = [...RESOURCES, ...custom.map((kind) => kind.resource)].some(
    (one) => one.group === target.group && one.version === target.version,
  );
  const real = known ? NOT_MODELLED.includes(target.plural) : REAL_GROUPS.has(target.group);
  if (real) return failed(notModelled(`${target.plural} of ${target.group === '' ? 'the core group' : target.group}`));
  return known ? failed(resourceUnknown()) : { ...pageNotFound(), headers: { 'x-content-type-options': 'nosniff' } };
}

export const isAnswer = (found: Found | Answer): found is Answer => 'status' in found;

/** Handles a call of any verb but watch. */
export function handle(call: Call): Answer {
  const { resource, target } = call;
  if (resource.namespaced && target.namespace === '' && target.name !== '') return failed(resourceUnknown());
  if (target.subresource !== '') return subresource(call);
  const verb = call.request.verb;
  if (!verbsOf(resource).includes(verb)) return failed(methodNotAllowed());
  if (resource.createOnly) return review(call);
  if (resource.plural === 'componentstatuses')
    return target.name === '' ? componentStatuses(call) : failed(notModelled('a single ComponentStatus'));
  switch (verb) {
    case 'get':
      return get(call);
    case 'list':
    case 'watch':
      return list(call);
    case 'create':
      if (target.name !== '') return failed(methodNotAllowed());
      return resource.namespaced && target.namespace === '' ? failed(methodNotAllowed()) : create(call);
    case 'update':
      return update(call);
    case 'patch':
      return mediaType(call) === 'application/apply-patch+yaml' ? applyPatch(call) : patch(call);
    case 'delete':
      return remove(call);
    case 'deletecollection':
      return removeCollection(call);
  }
}
