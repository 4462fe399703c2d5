// Sets of field paths, the currency of server-side apply, and their wire form FieldsV1 ("f:data": {"f:a": {}}).
import type { Json, JsonObject } from './json.ts';
import { clone, isObject } from './json.ts';
import { isAtomicMap, itemKey, listKind } from './list-keys.ts';

/** A path is its FieldsV1 segments: `f:name`, `k:{"name":"c"}`, `v:"x"`. The map's key is their joined form. */
export type FieldSet = Map<string, readonly string[]>;

const SEPARATOR = '\u0000';
const keyOf = (path: readonly string[]): string => path.join(SEPARATOR);

/** Identity and bookkeeping, which nobody owns. */
const UNOWNED = new Set(
  [
    'name',
    'namespace',
    'uid',
    'resourceVersion',
    'generation',
    'creationTimestamp',
    'managedFields',
    'selfLink',
    'deletionTimestamp',
    'deletionGracePeriodSeconds',
  ].map((field) => keyOf(['f:metadata', `f:${field}`])),
);
/** Parts that exist by type, so that making them is nobody's deed. */
const STRUCTS = new Set(['metadata', 'spec', 'status', 'template', 'strategy']);

function walk(value: Json, field: string, path: readonly string[], containers: boolean, into: FieldSet): void {
  const own = (): void => {
    if (path.length > 0) into.set(keyOf(path), path);
  };
  if (isObject(value) && !isAtomicMap(field) && Object.keys(value).length > 0) {
    if (containers && !STRUCTS.has(field)) own();
    for (const [key, child] of Object.entries(value)) {
      const next = [...path, `f:${key}`];
      if (path.length === 0 && (key === 'apiVersion' || key === 'kind')) continue;
      if (!UNOWNED.has(keyOf(next))) walk(child, key, next, containers, into);
    }
    return;
  }
  if (Array.isArray(value) && value.length > 0) {
    const kind = listKind(field, value);
    if (kind.kind === 'set') {
      if (containers) own();
      for (const item of value) {
        const next = [...path, `v:${JSON.stringify(item)}`];
        into.set(keyOf(next), next);
      }
      return;
    }
    if (kind.kind === 'keyed') {
      if (containers) own();
      for (const item of value) {
        const next = [...path, `k:${itemKey(item, kind.keys)}`];
        into.set(keyOf(next), next);
        walk(item, '', next, containers, into);
      }
      return;
    }
  }
  if (!(isObject(value) && path.length === 1 && STRUCTS.has(field))) own();
}

/** Every field an object sets. With `containers` also the maps and lists themselves, as an update owns what it made. */
export function fieldsOf(object: Json, containers = false): FieldSet {
  const set: FieldSet = new Map();
  walk(object, '', [], containers, set);
  return set;
}

export function union(a: FieldSet, b: FieldSet): FieldSet {
  return new Map([...a, ...b]);
}

export function without(a: FieldSet, b: FieldSet): FieldSet {
  return new Map([...a].filter(([key]) => !b.has(key)));
}

/** The wire form. A path owned beside its children shows as ".". */
export function toFieldsV1(set: FieldSet): JsonObject {
  const root: JsonObject = {};
  for (const path of [...set.values()].sort((a, b) => a.length - b.length)) {
    let node = root;
    path.forEach((segment, index) => {
      const found = node[segment];
      const next: JsonObject = isObject(found) ? found : {};
      node[segment] = next;
      const parent = path.slice(0, index + 1);
      if (index < path.length - 1 && set.has(keyOf(parent))) next['.'] = {};
      node = next;
    });
  }
  return root;
}

export function fromFieldsV1(tree: Json | undefined): FieldSet {
  const set: FieldSet = new Map();
  const visit = (node: Json, path: readonly string[]): void => {
    if (!isObject(node)) return;
    const keys = Object.keys(node);
    if (path.length > 0 && (keys.length === 0 || keys.includes('.'))) set.set(keyOf(path), path);
    for (const key of keys) if (key !== '.') visit(node[key] ?? {}, [...path, key]);
  };
  if (tree !== undefined) visit(tree, []);
  return set;
}

function indexOfItem(items: readonly Json[], segment: string): number {
  if (segment.startsWith('v:')) return items.findIndex((item) => JSON.stringify(item) === segment.slice(2));
  const parsed: unknown = JSON.parse(segment.slice(2));
  const keys = typeof parsed === 'object' && parsed !== null ? Object.keys(parsed) : [];
  return items.findIndex((item) => itemKey(item, keys) === segment.slice(2));
}

/** The value at a path, or undefined. */
export function valueAt(object: Json, path: readonly string[]): Json | undefined {
  let current: Json | undefined = object;
  for (const segment of path) {
    if (segment.startsWith('f:')) current = isObject(current) ? current[segment.slice(2)] : undefined;
    else if (Array.isArray(current)) current = current[indexOfItem(current, segment)];
    else return undefined;
  }
  return current;
}

/** Takes a path out of an object, and the containers it leaves empty. Returns a new object. */
export function removeAt(object: JsonObject, path: readonly string[]): JsonObject {
  const copy = clone(object);
  const drop = (node: Json | undefined, rest: readonly string[]): boolean => {
    const segment = rest[0] ?? '';
    const name = segment.slice(2);
    if (segment.startsWith('f:') && isObject(node)) {
      if (rest.length === 1 || drop(node[name], rest.slice(1))) delete node[name];
      return Object.keys(node).length === 0;
    }
    if (Array.isArray(node)) {
      const index = indexOfItem(node, segment);
      if (index >= 0 && (rest.length === 1 || drop(node[index], rest.slice(1)))) node.splice(index, 1);
      return node.length === 0;
    }
    return false;
  };
  drop(copy, path);
  return copy;
}

/** The path as the server's messages write it: `.data.a`, `.spec.containers[name="c"].image`. */
export function spell(path: readonly string[]): string {
  return path
    .map((segment) => {
      if (segment.startsWith('f:')) return `.${segment.slice(2)}`;
      if (segment.startsWith('v:')) return `[${segment.slice(1)}]`;
      const parsed: unknown = JSON.parse(segment.slice(2));
      const pairs = typeof parsed === 'object' && parsed !== null ? Object.entries(parsed) : [];
      return `[${pairs.map(([key, value]) => `${key}=${JSON.stringify(value)}`).join(',')}]`;
    })
    .join('');
}
