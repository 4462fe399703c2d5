// DELETE of one and of many: preconditions, finalizers, propagation, and the two forms of answer that were recorded.
import type { Answer, Call } from './call.ts';
import { answer, failed, isDryRun, listed, presented, subjectOf } from './call.ts';
import { timestamp } from './clock.ts';
import { orphanChildren } from './garbage.ts';
import type { JsonObject } from './json.ts';
import {
  clone,
  grow,
  isObject,
  isTerminating,
  list as listAt,
  nameOf,
  namespaceOf,
  number,
  text,
  uidOf,
} from './json.ts';
import { matcherOf } from './reading.ts';
import { apiVersionOf, CUSTOM_RESOURCE_DEFINITIONS, JOBS, NAMESPACES, PODS } from './resources.ts';
import { badRequest, modified, uidConflict } from './status.ts';
import { checkOptions } from './writing.ts';

function deleteOptions(call: Call): JsonObject | undefined {
  if (call.body.trim() === '') return {};
  try {
    const parsed: unknown = JSON.parse(call.body);
    const copy: unknown = JSON.parse(JSON.stringify(parsed));
    return isOptions(copy) ? copy : undefined;
  } catch {
    return undefined;
  }
}

const isOptions = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const ORPHANED_WARNING =
  'child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress this warning';

function gone(call: Call, object: JsonObject): Answer {
  const details: JsonObject = { name: nameOf(object) };
  if (call.resource.group !== '') details.group = call.resource.group;
  details.kind = call.resource.plural;
  details.uid = uidOf(object);
  return answer(200, { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details });
}

/** Marks an object that lingers: by a finalizer, a namespace's contents or a definition's instances. */
function linger(call: Call, object: JsonObject, edit: (object: JsonObject) => void): Answer {
  if (isTerminating(object)) return answer(200, presented(call.resource, object));
  const marked = clone(object);
  grow(marked, 'metadata').deletionTimestamp = timestamp(call.cluster.options.clock.now());
  edit(marked);
  const stored = call.cluster.store.update(call.resource, marked);
  return stored.ok ? answer(200, presented(call.resource, stored.value)) : failed(stored.error);
}

function removeNamespace(call: Call, object: JsonObject): Answer {
  return linger(call, object, (marked) => {
    grow(marked, 'status').phase = 'Terminating';
  });
}

function removeDefinition(call: Call, object: JsonObject): Answer {
  const { store, options, customResources } = call.cluster;
  const marked = linger(call, object, (definition) => {
    grow(definition, 'metadata').finalizers = ['customresourcecleanup.apiextensions.k8s.io'];
    const condition = {
      type: 'Terminating',
      status: 'True',
      lastTransitionTime: timestamp(options.clock.now()),
      reason: 'InstanceDeletionPending',
      message: 'CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon',
    };
    const status = grow(definition, 'status');
    status.conditions = [...listAt(status, 'conditions'), condition];
  });
  options.clock.after(options.timings.reconcileMs, () => {
    customResources.forget(object);
    store.remove(CUSTOM_RESOURCE_DEFINITIONS, '', nameOf(object));
  });
  return marked;
}

function removeOne(call: Call, object: JsonObject, options: JsonObject): Answer {
  const { store, pods } = call.cluster;
  const grace =
    number(options, 'gracePeriodSeconds') ??
    (call.request.query.has('gracePeriodSeconds') ? Number(call.request.query.get('gracePeriodSeconds')) : undefined);
  if (call.resource === PODS) return answer(200, presented(call.resource, pods.remove(object, grace)));
  if (call.resource === NAMESPACES) return removeNamespace(call, object);
  if (call.resource === CUSTOM_RESOURCE_DEFINITIONS) return removeDefinition(call, object);
  if (listAt(object, 'metadata', 'finalizers').length > 0) {
    return linger(call, object, (marked) => {
      grow(marked, 'metadata').deletionGracePeriodSeconds = 0;
    });
  }
  const policy = text(options, 'propagationPolicy') || (call.request.query.get('propagationPolicy') ?? '');
  const orphans = policy === 'Orphan' || (call.resource === JOBS && policy === '');
  if (orphans) orphanChildren(store, object);
  store.remove(call.resource, namespaceOf(object), nameOf(object));
  if (call.resource !== JOBS) return gone(call, object);
  const shown = presented(call.resource, clone(object));
  const metadata = grow(shown, 'metadata');
  metadata.deletionTimestamp = timestamp(call.cluster.options.clock.now());
  metadata.deletionGracePeriodSeconds = 0;
  metadata.generation = (number(metadata, 'generation') ?? 1) + 1;
  if (orphans) metadata.finalizers = ['orphan'];
  return answer(200, shown, policy === '' ? [ORPHANED_WARNING] : []);
}

/** DELETE of one object. A Status when it is gone at once, the object while it lingers; pods and Jobs always the object. */
export function remove(call: Call): Answer {
  const wrong = checkOptions(call);
  if (wrong !== undefined) return failed(wrong);
  const options = deleteOptions(call);
  if (options === undefined) return failed(badRequest('error decoding DeleteOptions'));
  const found = call.cluster.store.get(call.resource, call.target.namespace, call.target.name);
  if (!found.ok) return failed(found.error);
  const wantedUid = text(options, 'preconditions', 'uid');
  if (wantedUid !== '' && wantedUid !== uidOf(found.value)) {
    return failed(uidConflict(call.resource.kind, nameOf(found.value), wantedUid, uidOf(found.value)));
  }
  const version = text(options, 'preconditions', 'resourceVersion');
  if (version !== '' && version !== text(found.value, 'metadata', 'resourceVersion'))
    return failed(modified(subjectOf(call)));
  const dry = isDryRun(call) || listAt(options, 'dryRun').includes('All');
  return dry ? gone(call, found.value) : removeOne(call, found.value, options);
}

/** DELETE of a collection: the list of what was there. */
export function removeCollection(call: Call): Answer {
  const options = deleteOptions(call);
  if (options === undefined) return failed(badRequest('error decoding DeleteOptions'));
  const matches = matcherOf(call);
  if (!matches.ok) return failed(matches.error);
  const { store } = call.cluster;
  const found = store
    .all(call.resource, call.target.namespace)
    .filter((object) => isObject(object) && matches.value(object));
  if (!isDryRun(call)) for (const object of found) removeOne(call, object, options);
  return answer(200, {
    kind: `${call.resource.kind}List`,
    apiVersion: apiVersionOf(call.resource),
    metadata: { resourceVersion: String(store.version()) },
    items: found.map((object) => listed(call.resource, object)),
  });
}
