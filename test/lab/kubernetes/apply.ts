// Who owns which field, and server-side apply: create, merge, conflict, take over, drop. By v1.36.2's recorded answers.
import type { Result } from '../../../shared/result.ts';
import { err, ok } from '../../../shared/result.ts';
import type { FieldSet } from './field-set.ts';
import { fieldsOf, fromFieldsV1, removeAt, spell, toFieldsV1, union, valueAt, without } from './field-set.ts';
import type { Json, JsonObject } from './json.ts';
import { clone, equal, grow, isObject, list, text } from './json.ts';
import { isAtomicMap, itemKey, listKind } from './list-keys.ts';
import type { ApiFailure, Cause } from './status.ts';
import { applyConflict } from './status.ts';

/** The author of a write. `time` in the API's form. */
export type FieldManager = {
  readonly name: string;
  readonly operation: 'Apply' | 'Update';
  readonly apiVersion: string;
  readonly subresource: string;
  readonly time: string;
};

type Owned = { readonly manager: FieldManager; readonly fields: FieldSet };

function read(object: JsonObject | undefined): Owned[] {
  return list(object, 'metadata', 'managedFields').map((entry) => ({
    manager: {
      name: text(entry, 'manager'),
      operation: text(entry, 'operation') === 'Apply' ? 'Apply' : 'Update',
      apiVersion: text(entry, 'apiVersion'),
      subresource: text(entry, 'subresource'),
      time: text(entry, 'time'),
    },
    fields: fromFieldsV1(isObject(entry) ? entry.fieldsV1 : undefined),
  }));
}

function write(object: JsonObject, owned: readonly Owned[]): JsonObject {
  const copy = clone(object);
  const metadata = grow(copy, 'metadata');
  const entries = owned
    .filter((entry) => entry.fields.size > 0)
    .map(({ manager, fields }): JsonObject => {
      const entry: JsonObject = {
        manager: manager.name,
        operation: manager.operation,
        apiVersion: manager.apiVersion,
        time: manager.time,
        fieldsType: 'FieldsV1',
        fieldsV1: toFieldsV1(fields),
      };
      if (manager.subresource !== '') entry.subresource = manager.subresource;
      return entry;
    });
  if (entries.length === 0) delete metadata.managedFields;
  else metadata.managedFields = entries;
  return copy;
}

const same = (a: FieldManager, b: FieldManager): boolean =>
  a.name === b.name && a.operation === b.operation && a.apiVersion === b.apiVersion && a.subresource === b.subresource;

/** Books a create, update or patch: what changed now belongs to its author alone. `after` keeps its other content. */
export function trackUpdate(before: JsonObject | undefined, after: JsonObject, manager: FieldManager): JsonObject {
  const old = before === undefined ? new Map<string, readonly string[]>() : fieldsOf(before, true);
  const now = fieldsOf(after, true);
  const changed: FieldSet = new Map();
  for (const [key, path] of now) {
    const value = valueAt(after, path);
    const container = isObject(value) || Array.isArray(value);
    const previous = before === undefined ? undefined : valueAt(before, path);
    const isLeaf = !container || fieldsOf({ x: value ?? null }, false).size === 1;
    if (!old.has(key) || (isLeaf && !equal(value, previous))) changed.set(key, path);
  }
  const gone = without(old, now);
  const owned = read(before ?? after);
  const others = owned
    .filter((entry) => !same(entry.manager, manager))
    .map((entry) => ({ manager: entry.manager, fields: without(without(entry.fields, changed), gone) }));
  const mine = owned.find((entry) => same(entry.manager, manager));
  const fields = union(without(mine?.fields ?? new Map(), gone), changed);
  const author = changed.size > 0 || mine === undefined ? manager : mine.manager;
  return write(after, [...others, { manager: author, fields }]);
}

/** An object somebody inside the cluster makes, booked to them. */
export function bookedTo(name: string, object: JsonObject, time: string): JsonObject {
  return trackUpdate(undefined, object, {
    name,
    operation: 'Update',
    apiVersion: text(object, 'apiVersion'),
    subresource: '',
    time,
  });
}

function merge(live: Json | undefined, applied: Json, field: string): Json {
  if (isObject(applied) && isObject(live) && !isAtomicMap(field)) {
    const merged: JsonObject = clone(live);
    for (const [key, value] of Object.entries(applied)) merged[key] = merge(live[key], value, key);
    return merged;
  }
  if (Array.isArray(applied) && Array.isArray(live)) {
    const kind = listKind(field, [...applied, ...live]);
    if (kind.kind === 'set') return [...live, ...applied.filter((item) => !live.some((other) => equal(item, other)))];
    if (kind.kind === 'keyed') {
      const merged = clone(live);
      for (const item of applied) {
        const index = merged.findIndex((other) => itemKey(other, kind.keys) === itemKey(item, kind.keys));
        if (index < 0) merged.push(clone(item));
        else merged[index] = merge(merged[index], item, '');
      }
      return merged;
    }
  }
  return clone(applied);
}

function describe(manager: FieldManager): string {
  if (manager.operation === 'Apply') return `conflict with "${manager.name}"`;
  const subresource = manager.subresource === '' ? '' : ` with subresource "${manager.subresource}"`;
  return `conflict with "${manager.name}"${subresource} using ${manager.apiVersion}`;
}

function conflictsWith(live: JsonObject, applied: JsonObject, mine: FieldSet, others: readonly Owned[]): Cause[] {
  const causes: Cause[] = [];
  for (const [key, path] of mine) {
    const value = valueAt(applied, path);
    for (const other of others) {
      if (!other.fields.has(key)) continue;
      const current = valueAt(live, path);
      const inner = isObject(value) && isObject(current) && path.at(-1)?.startsWith('k:') === true;
      if (inner || equal(value, current)) continue;
      causes.push({ reason: 'FieldManagerConflict', message: describe(other.manager), field: spell(path) });
    }
  }
  return causes;
}

/** The field sets after an apply: mine anew, the others less what was taken by force. */
function reown(owned: readonly Owned[], manager: FieldManager, mine: FieldSet, taken: FieldSet): Owned[] {
  const others = owned
    .filter((entry) => !same(entry.manager, manager))
    .map((entry) => ({ manager: entry.manager, fields: without(entry.fields, taken) }));
  const before = owned.find((entry) => same(entry.manager, manager));
  const unchanged = before !== undefined && before.fields.size === mine.size && without(mine, before.fields).size === 0;
  const entry = { manager: unchanged ? before.manager : manager, fields: mine };
  const index = owned.findIndex((candidate) => same(candidate.manager, manager));
  if (index < 0) others.push(entry);
  else others.splice(Math.min(index, others.length), 0, entry);
  // Apply managers come first, as on a real server.
  return [
    ...others.filter((o) => o.manager.operation === 'Apply'),
    ...others.filter((o) => o.manager.operation !== 'Apply'),
  ];
}

/**
 * Server-side apply of a whole configuration onto the live object (undefined: it is created). Fields the manager listed
 * before and no longer lists go, unless another owns them. 409 with one cause per contested field, unless forced.
 */
export function applyConfiguration(
  live: JsonObject | undefined,
  applied: JsonObject,
  manager: FieldManager,
  force: boolean,
): Result<JsonObject, ApiFailure> {
  const mine = fieldsOf(applied);
  if (live === undefined) return ok(write(applied, [{ manager, fields: mine }]));
  const owned = read(live);
  const others = owned.filter((entry) => !same(entry.manager, manager));
  const causes = conflictsWith(live, applied, mine, others);
  if (causes.length > 0 && !force) return err(applyConflict(causes));
  const contested: FieldSet = new Map();
  for (const [key, path] of mine) {
    if (!equal(valueAt(applied, path), valueAt(live, path))) contested.set(key, path);
  }
  const previous = owned.find((entry) => same(entry.manager, manager))?.fields ?? new Map();
  const merged = merge(live, applied, '');
  let result: JsonObject = isObject(merged) ? merged : clone(live);
  const dropped = [...without(previous, mine).entries()].sort(([, a], [, b]) => b.length - a.length);
  for (const [key, path] of dropped) {
    if (!others.some((entry) => entry.fields.has(key))) result = removeAt(result, path);
  }
  return ok(write(result, reown(owned, manager, mine, contested)));
}
