// The three older kinds of PATCH: JSON merge patch, strategic merge patch and JSON patch.
import type { Result } from '../../../shared/result.ts';
import { err, ok } from '../../../shared/result.ts';
import type { Json, JsonObject } from './json.ts';
import { clone, equal, isObject, list, text } from './json.ts';
import { itemKey, listKind } from './list-keys.ts';
import type { ApiFailure } from './status.ts';
import { badRequest, patchRejected } from './status.ts';

/** RFC 7386: null removes, maps merge, everything else replaces. */
export function mergePatch(target: Json | undefined, patch: Json): Json {
  if (!isObject(patch)) return clone(patch);
  const result: JsonObject = isObject(target) ? clone(target) : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = mergePatch(result[key], value);
  }
  return result;
}

function strategicList(target: readonly Json[], patch: readonly Json[], field: string): Json[] {
  if (patch.some((item) => text(item, '$patch') === 'replace')) {
    return patch.filter((item) => text(item, '$patch') === '').map((item) => clone(item));
  }
  const kind = listKind(field, [...patch, ...target], true);
  if (kind.kind === 'atomic') return patch.map((item) => clone(item));
  if (kind.kind === 'set') return [...target, ...patch.filter((item) => !target.some((other) => equal(item, other)))];
  const result = target.map((item) => clone(item));
  for (const item of patch) {
    const index = result.findIndex((other) => itemKey(other, kind.keys) === itemKey(item, kind.keys));
    if (text(item, '$patch') === 'delete') {
      if (index >= 0) result.splice(index, 1);
    } else if (index < 0) result.push(strategicMergePatch({}, item));
    else result[index] = strategicMergePatch(result[index], item);
  }
  return result;
}

function strategicDirective(result: JsonObject, key: string, value: Json): void {
  const removal = /^\$deleteFromPrimitiveList\/(.+)$/.exec(key)?.[1];
  if (removal === undefined || !Array.isArray(value)) return;
  const kept = list(result, removal).filter((item) => !value.some((gone) => equal(item, gone)));
  result[removal] = kept;
}

/** Kubernetes' own merge: lists of objects merge by key, with the $patch, $retainKeys and deletion directives. */
export function strategicMergePatch(target: Json | undefined, patch: Json): Json {
  if (!isObject(patch)) return clone(patch);
  if (patch.$patch === 'replace') {
    return Object.fromEntries(
      Object.entries(patch)
        .filter(([key]) => key !== '$patch')
        .map(([key, value]) => [key, clone(value)]),
    );
  }
  const result: JsonObject = isObject(target) ? clone(target) : {};
  const retain = patch.$retainKeys;
  if (Array.isArray(retain)) for (const key of Object.keys(result)) if (!retain.includes(key)) delete result[key];
  for (const [key, value] of Object.entries(patch)) {
    if (key.startsWith('$')) strategicDirective(result, key, value);
    else if (value === null) delete result[key];
    else if (isObject(value) && value.$patch === 'delete') delete result[key];
    else if (Array.isArray(value)) result[key] = strategicList(list(result, key), value, key);
    else result[key] = strategicMergePatch(result[key], value);
  }
  return result;
}

const steps = (pointer: string): string[] =>
  pointer === ''
    ? []
    : pointer
        .slice(1)
        .split('/')
        .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));

function child(node: Json | undefined, step: string): Json | undefined {
  if (Array.isArray(node)) return node[Number(step)];
  return isObject(node) ? node[step] : undefined;
}

/** Puts, replaces or takes a value; false when the place does not exist. Writes into `root`. */
function edit(root: Json, path: readonly string[], action: 'add' | 'replace' | 'remove', value: Json): boolean {
  const last = path.at(-1);
  if (last === undefined) return false;
  const parent = path.slice(0, -1).reduce<Json | undefined>(child, root);
  if (Array.isArray(parent)) {
    const index = last === '-' && action === 'add' ? parent.length : Number(last);
    const within = Number.isInteger(index) && index >= 0 && index < parent.length + (action === 'add' ? 1 : 0);
    if (!within) return false;
    if (action === 'add') parent.splice(index, 0, value);
    else if (action === 'replace') parent[index] = value;
    else parent.splice(index, 1);
    return true;
  }
  if (!isObject(parent) || (action !== 'add' && !Object.hasOwn(parent, last))) return false;
  if (action === 'remove') delete parent[last];
  else parent[last] = value;
  return true;
}

function applyOperation(root: Json, operation: Json): boolean {
  const path = steps(text(operation, 'path'));
  const value: Json = isObject(operation) ? (operation.value ?? null) : null;
  switch (text(operation, 'op')) {
    case 'add':
    case 'replace':
      return edit(root, path, text(operation, 'op') === 'add' ? 'add' : 'replace', clone(value));
    case 'remove':
      return edit(root, path, 'remove', null);
    case 'test':
      return equal(path.reduce<Json | undefined>(child, root), value);
    case 'copy':
    case 'move': {
      const from = steps(text(operation, 'from'));
      const found = from.reduce<Json | undefined>(child, root);
      if (found === undefined) return false;
      const copied = clone(found);
      if (text(operation, 'op') === 'move' && !edit(root, from, 'remove', null)) return false;
      return edit(root, path, 'add', copied);
    }
    default:
      return false;
  }
}

/** RFC 6902. One operation that fails refuses them all with 422, in the server's unhelpful words. */
export function jsonPatch(target: JsonObject, patch: Json): Result<JsonObject, ApiFailure> {
  if (!Array.isArray(patch))
    return err(badRequest('json: cannot unmarshal object into Go value of type jsonpatch.Patch'));
  const result = clone(target);
  for (const operation of patch) if (!applyOperation(result, operation)) return err(patchRejected());
  return ok(result);
}
