// Server-side apply as a request: checked, merged by apply.ts, stored.
import type { Result } from '../../../shared/result.ts';
import { err, ok } from '../../../shared/result.ts';
import { applyConfiguration } from './apply.ts';
import type { Answer, Call } from './call.ts';
import { answer, failed, isDryRun, isJsonObject, presented, subjectOf } from './call.ts';
import { timestamp } from './clock.ts';
import { decodePatch, unknownFields } from './decoding.ts';
import type { Json, JsonObject } from './json.ts';
import { clone, grow, list, nameOf, namespaceOf, object, text } from './json.ts';
import type { ApiFailure } from './status.ts';
import { badRequest, internal, invalid, modified } from './status.ts';
import { checkNamespace, checkOptions, complete, managerOf, save } from './writing.ts';

/** What an apply patch must be before anything is compared. */
function checkApplied(call: Call, applied: Json): Result<JsonObject, ApiFailure> {
  const [kind, version] = [text(applied, 'kind'), text(applied, 'apiVersion')];
  const slash = version.includes('/') ? version : `/${version}`;
  if (!isJsonObject(applied) || kind === '' || version === '')
    return err(badRequest(`invalid object type: ${slash}, Kind=${kind}`));
  if (kind !== call.resource.kind) return err(badRequest(`invalid object type: ${slash}, Kind=${kind}`));
  if (nameOf(applied) !== '' && nameOf(applied) !== call.target.name) {
    return err(
      badRequest(
        `the name of the object (${nameOf(applied)}) does not match the name on the URL (${call.target.name})`,
      ),
    );
  }
  const inside = namespaceOf(applied);
  if (call.resource.namespaced && inside !== '' && inside !== call.target.namespace) {
    return err(badRequest('the namespace of the provided object does not match the namespace sent on the request'));
  }
  if (list(applied, 'metadata', 'managedFields').length > 0)
    return err(badRequest('metadata.managedFields must be nil'));
  const unknown = unknownFields(call, applied)[0];
  if (unknown !== undefined) {
    return err(
      internal(
        `failed to create typed patch object (${inside}/${nameOf(applied)}; ${slash}, Kind=${kind}): .${unknown}: field not declared in schema`,
      ),
    );
  }
  return ok(applied);
}

/** PATCH with an apply patch: create, merge or conflict. */
export function applyPatch(call: Call): Answer {
  const wrongOptions = checkOptions(call);
  if (wrongOptions !== undefined) return failed(wrongOptions);
  const manager = call.request.query.get('fieldManager') ?? '';
  if (manager === '') {
    return failed(
      invalid('PatchOptions', 'meta.k8s.io', '', [
        { field: 'fieldManager', problem: 'Required value: is required for apply patch' },
      ]),
    );
  }
  const decoded = decodePatch(call);
  if (!decoded.ok) return failed(decoded.error);
  const checked = checkApplied(call, decoded.value);
  if (!checked.ok) return failed(checked.error);
  const applied = clone(checked.value);
  const metadata = grow(applied, 'metadata');
  metadata.name = call.target.name;
  const { store, options } = call.cluster;
  const live = store.get(call.resource, call.target.namespace, call.target.name);
  const claimed = text(metadata, 'resourceVersion');
  if (live.ok && claimed !== '' && claimed !== text(live.value, 'metadata', 'resourceVersion'))
    return failed(modified(subjectOf(call)));
  delete metadata.resourceVersion;
  if (call.resource.subresources.includes('status') && call.target.subresource === '') delete applied.status;
  if (call.resource.namespaced) metadata.namespace = call.target.namespace;
  const force = ['true', '1'].includes(call.request.query.get('force') ?? '');
  const merged = applyConfiguration(live.ok ? live.value : undefined, applied, managerOf(call, 'Apply'), force);
  if (!merged.ok) return failed(merged.error);
  if (live.ok) return save(call, live.value, merged.value, true);
  if (call.target.subresource !== '') return failed(live.error);
  const fresh = clone(merged.value);
  const booked = object(fresh, 'metadata').managedFields;
  const failure = checkNamespace(call, call.target.name) ?? complete(call, fresh);
  if (failure !== undefined) return failed(failure);
  if (booked !== undefined) grow(fresh, 'metadata').managedFields = booked;
  if (isDryRun(call)) {
    grow(fresh, 'metadata').creationTimestamp = timestamp(options.clock.now());
    return answer(201, presented(call.resource, fresh));
  }
  const created = store.create(call.resource, fresh);
  return created.ok ? answer(201, presented(call.resource, created.value)) : failed(created.error);
}
