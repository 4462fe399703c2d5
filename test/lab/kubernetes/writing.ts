// POST, PUT and PATCH of objects: decoded, completed, validated, booked to their author, stored.
import { randomBytes, randomUUID } from 'node:crypto';
import type { Result } from '../../../shared/result.ts';
import { err, ok } from '../../../shared/result.ts';
import { applyDefaults, validate } from './admission.ts';
import type { FieldManager } from './apply.ts';
import { trackUpdate } from './apply.ts';
import type { Answer, Call } from './call.ts';
import { answer, failed, isDryRun, managerName, presented, subjectOf } from './call.ts';
import { timestamp } from './clock.ts';
import { schemaErrors } from './custom-resources.ts';
import { decodeObject, decodePatch, dropFields, mediaType, unknownFields } from './decoding.ts';
import type { Json, JsonObject } from './json.ts';
import {
  clone,
  equal,
  grow,
  isObject,
  isTerminating,
  list,
  nameOf,
  namespaceOf,
  number,
  object,
  text,
} from './json.ts';
import { jsonPatch, mergePatch, strategicMergePatch } from './patch.ts';
import { NAMESPACES, NODES, SIGNING_REQUESTS } from './resources.ts';
import { admitSigningRequest } from './signing-requests.ts';
import type { ApiFailure } from './status.ts';
import { badRequest, forbidden, invalid, modified, notFound, unsupportedMediaType } from './status.ts';

const PATCH_TYPES = ['application/json-patch+json', 'application/merge-patch+json', 'application/apply-patch+yaml'];
const OPTIONS: Readonly<Record<string, string>> = {
  create: 'CreateOptions',
  update: 'UpdateOptions',
  patch: 'PatchOptions',
  delete: 'DeleteOptions',
};

/** The options every write has: dryRun may only say All. */
export function checkOptions(call: Call): ApiFailure | undefined {
  const kind = OPTIONS[call.request.verb] ?? 'CreateOptions';
  const odd = call.request.query.getAll('dryRun').filter((value) => value !== 'All');
  if (odd.length === 0) return undefined;
  return invalid(kind, 'meta.k8s.io', '', [
    { field: 'dryRun', problem: `Unsupported value: ${JSON.stringify(odd)}: supported values: "All"` },
  ]);
}

export function managerOf(call: Call, operation: 'Apply' | 'Update'): FieldManager {
  const { clock } = call.cluster.options;
  const version =
    call.resource.group === '' ? call.resource.version : `${call.resource.group}/${call.resource.version}`;
  return {
    name: managerName(call),
    operation,
    apiVersion: version,
    subresource: call.target.subresource,
    time: timestamp(clock.now()),
  };
}

/** The namespace must exist, and take new content. */
export function checkNamespace(call: Call, name: string): ApiFailure | undefined {
  if (!call.resource.namespaced) return undefined;
  const namespace = call.target.namespace;
  const found = call.cluster.store.get(NAMESPACES, '', namespace);
  if (!found.ok) return notFound({ plural: 'namespaces', group: '', name: namespace });
  if (!isTerminating(found.value)) return undefined;
  const cause = {
    reason: 'NamespaceTerminating',
    message: `namespace ${namespace} is being terminated`,
    field: 'metadata.namespace',
  };
  return forbidden(
    subjectOf(call, name),
    `unable to create new content in namespace ${namespace} because it is being terminated`,
    [cause],
  );
}

function check(call: Call, value: JsonObject, before: JsonObject | undefined): ApiFailure | undefined {
  const failure = validate(call.resource, value, before);
  if (failure !== undefined || call.custom === undefined) return failure;
  const errors = schemaErrors(call.custom.schema, value);
  return errors.length === 0 ? undefined : invalid(call.resource.kind, call.resource.group, nameOf(value), errors);
}

/** Stamps, defaults and checks a new object. Its uid is made here, since Jobs carry theirs in their labels. */
export function complete(call: Call, value: JsonObject): ApiFailure | undefined {
  const metadata = grow(value, 'metadata');
  for (const field of [
    'uid',
    'resourceVersion',
    'creationTimestamp',
    'deletionTimestamp',
    'deletionGracePeriodSeconds',
    'generation',
  ])
    delete metadata[field];
  if (text(metadata, 'name') === '' && text(metadata, 'generateName') !== '') {
    metadata.name = `${text(metadata, 'generateName')}${randomBytes(4).toString('hex').slice(0, 5)}`;
  }
  if (call.resource.namespaced) metadata.namespace = call.target.namespace;
  metadata.uid = randomUUID();
  if (call.resource.counted) metadata.generation = 1;
  if (call.resource === NODES) {
    const spec = grow(value, 'spec');
    spec.taints = [
      ...list(spec, 'taints').filter((taint) => text(taint, 'key') !== 'node.kubernetes.io/not-ready'),
      { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' },
    ];
  }
  const early = call.resource.plural === 'jobs' ? check(call, value, undefined) : undefined;
  if (early !== undefined) return early;
  applyDefaults(call.resource, value);
  return (
    check(call, value, undefined) ??
    (call.resource === SIGNING_REQUESTS ? admitSigningRequest(value, call.user) : undefined)
  );
}

/** Kinds whose recorded objects carry no managedFields: reviewed as a whole, or empty beside metadata. */
const UNTRACKED = new Set(['certificatesigningrequests']);

const tracked = (call: Call, before: JsonObject | undefined, after: JsonObject): JsonObject =>
  UNTRACKED.has(call.resource.plural) ? after : trackUpdate(before, after, managerOf(call, 'Update'));

export function create(call: Call): Answer {
  const { store, options } = call.cluster;
  const wrongOptions = checkOptions(call);
  if (wrongOptions !== undefined) return failed(wrongOptions);
  const decoded = decodeObject(call);
  if (!decoded.ok) return failed(decoded.error);
  const value = decoded.value.object;
  const inside = namespaceOf(value);
  if (call.resource.namespaced && inside !== '' && inside !== call.target.namespace) {
    return failed(badRequest('the namespace of the provided object does not match the namespace sent on the request'));
  }
  const failure = checkNamespace(call, nameOf(value)) ?? complete(call, value);
  if (failure !== undefined) return failed(failure);
  const existing = store.get(call.resource, namespaceOf(value), nameOf(value));
  if (isDryRun(call) && !existing.ok) {
    grow(value, 'metadata').creationTimestamp = timestamp(options.clock.now());
    return answer(201, presented(call.resource, value), decoded.value.warnings);
  }
  delete grow(value, 'metadata').managedFields;
  const { status: _status, ...authored } = value;
  const booked = object(tracked(call, undefined, authored), 'metadata').managedFields;
  if (booked !== undefined) grow(value, 'metadata').managedFields = booked;
  const created = store.create(call.resource, value);
  return created.ok
    ? answer(201, presented(call.resource, created.value), decoded.value.warnings)
    : failed(created.error);
}

const KEPT = [
  'name',
  'namespace',
  'uid',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'generateName',
  'generation',
];

/** Puts back what a write may not change, and counts a changed spec. Writes into `after`. */
function preserve(call: Call, before: JsonObject, after: JsonObject): void {
  const [was, metadata] = [object(before, 'metadata'), grow(after, 'metadata')];
  for (const field of KEPT) {
    const value = was[field];
    if (value === undefined) delete metadata[field];
    else metadata[field] = value;
  }
  const restore = (field: string): void => {
    const value = before[field];
    if (value === undefined) delete after[field];
    else after[field] = value;
  };
  const sub = call.target.subresource;
  if (sub === '' && call.resource.subresources.includes('status')) restore('status');
  if (sub === 'status')
    for (const field of Object.keys({ ...before, ...after }))
      if (!['status', 'metadata', 'kind', 'apiVersion'].includes(field)) restore(field);
  if (call.resource === SIGNING_REQUESTS) restore('spec');
  if (call.resource.counted && !equal(before.spec, after.spec))
    metadata.generation = (number(before, 'metadata', 'generation') ?? 0) + 1;
}

/** Stores a changed object. `warnings` go out with it. */
export function save(
  call: Call,
  before: JsonObject,
  wanted: JsonObject,
  booked = false,
  warnings: readonly string[] = [],
): Answer {
  const after = clone(wanted);
  if (nameOf(after) !== nameOf(before)) {
    return failed(
      badRequest(`the name of the object (${nameOf(after)}) does not match the name on the URL (${call.target.name})`),
    );
  }
  const claimed = text(after, 'metadata', 'resourceVersion');
  if (claimed !== '' && claimed !== text(before, 'metadata', 'resourceVersion'))
    return failed(modified(subjectOf(call)));
  preserve(call, before, after);
  applyDefaults(call.resource, after);
  const failure = check(call, after, before);
  if (failure !== undefined) return failed(failure);
  const { managedFields: _was, ...old } = object(before, 'metadata');
  const { managedFields: _is, ...now } = object(after, 'metadata');
  const same = equal({ ...before, metadata: old }, { ...after, metadata: now });
  const result = booked ? after : same ? clone(before) : tracked(call, before, after);
  if (isDryRun(call)) return answer(200, presented(call.resource, result), warnings);
  const stored = call.cluster.store.update(call.resource, result);
  return stored.ok ? answer(200, presented(call.resource, stored.value), warnings) : failed(stored.error);
}

export function update(call: Call): Answer {
  const wrongOptions = checkOptions(call);
  if (wrongOptions !== undefined) return failed(wrongOptions);
  const decoded = decodeObject(call);
  if (!decoded.ok) return failed(decoded.error);
  const before = call.cluster.store.get(call.resource, call.target.namespace, call.target.name);
  if (!before.ok) return failed(before.error);
  return save(call, before.value, decoded.value.object, false, decoded.value.warnings);
}

function patched(call: Call, before: JsonObject, patch: Json): Result<JsonObject, ApiFailure> {
  switch (mediaType(call)) {
    case 'application/json-patch+json':
      return jsonPatch(before, patch);
    case 'application/strategic-merge-patch+json': {
      const merged = strategicMergePatch(before, patch);
      return isObject(merged) ? ok(merged) : err(badRequest('the patch is not an object'));
    }
    default: {
      const merged = mergePatch(before, patch);
      return isObject(merged) ? ok(merged) : err(badRequest('the patch is not an object'));
    }
  }
}

/** The older kinds of PATCH; an apply patch is `applyPatch`'s. */
export function patch(call: Call): Answer {
  const type = mediaType(call);
  const known = PATCH_TYPES.includes(type) || type === 'application/strategic-merge-patch+json';
  if (!known) return failed(unsupportedMediaType());
  if (call.resource.custom && type === 'application/strategic-merge-patch+json')
    return failed(unsupportedMediaType(PATCH_TYPES));
  const wrongOptions = checkOptions(call);
  if (wrongOptions !== undefined) return failed(wrongOptions);
  if (call.request.query.has('force')) {
    return failed(
      invalid('PatchOptions', 'meta.k8s.io', '', [
        { field: 'force', problem: 'Forbidden: may not be specified for non-apply patch' },
      ]),
    );
  }
  const before = call.cluster.store.get(call.resource, call.target.namespace, call.target.name);
  if (!before.ok) return failed(before.error);
  const decoded = decodePatch(call);
  if (!decoded.ok) return failed(decoded.error);
  const wanted = patched(call, before.value, decoded.value);
  if (!wanted.ok) return failed(wanted.error);
  // A JSON or merge patch that did not speak of the version never conflicts: it carries the one it read.
  const after = wanted.value;
  const unknown = unknownFields(call, after);
  const validation = call.request.query.get('fieldValidation') ?? 'Warn';
  const told = unknown.map((field) => `unknown field ${JSON.stringify(field)}`);
  if (unknown.length > 0 && validation === 'Strict')
    return failed(badRequest(`strict decoding error: ${told.join(', ')}`));
  dropFields(after, unknown);
  return save(call, before.value, after, false, validation === 'Ignore' ? [] : told);
}
