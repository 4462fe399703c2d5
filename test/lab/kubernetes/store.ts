// The objects of one cluster, their versions and the history watches replay. Knows no HTTP and no kind's rules.
import type { Result } from '../../../shared/result.ts';
import { err, ok } from '../../../shared/result.ts';
import type { Clock } from './clock.ts';
import { timestamp } from './clock.ts';
import type { JsonObject } from './json.ts';
import { clone, equal, grow, isTerminating, list, nameOf, namespaceOf, text, uidOf } from './json.ts';
import type { Resource } from './resources.ts';
import type { ApiFailure } from './status.ts';
import { alreadyExists, modified, notFound } from './status.ts';

export type ChangeType = 'ADDED' | 'MODIFIED' | 'DELETED';
/** `before` is what watchers with a selector saw last; undefined for ADDED. */
export type Change = {
  readonly type: ChangeType;
  readonly resource: Resource;
  readonly object: JsonObject;
  readonly before: JsonObject | undefined;
  readonly version: number;
};

/** A real server keeps about this many events a kind; older versions answer 410. */
const HISTORY_MAX = 2_000;

const bucketOf = (resource: Resource): string => `${resource.group}/${resource.plural}`;
const keyOf = (namespace: string, name: string): string => `${namespace}/${name}`;

export type Store = ReturnType<typeof createStore>;

/** Makes an empty store. `newUid` is a parameter so that a simulator can replay. First object gets resourceVersion 1. */
export function createStore(clock: Clock, newUid: () => string) {
  const buckets = new Map<string, Map<string, JsonObject>>();
  const history: Change[] = [];
  const listeners = new Set<(change: Change) => void>();
  let version = 0;
  let oldest = 0;

  const bucket = (resource: Resource): Map<string, JsonObject> => {
    const name = bucketOf(resource);
    const found = buckets.get(name);
    if (found !== undefined) return found;
    const made = new Map<string, JsonObject>();
    buckets.set(name, made);
    return made;
  };

  function record(type: ChangeType, resource: Resource, object: JsonObject, before: JsonObject | undefined): void {
    const change: Change = { type, resource, object, before, version };
    history.push(change);
    if (history.length > HISTORY_MAX) oldest = history.shift()?.version ?? oldest;
    for (const listener of [...listeners]) listener(change);
  }

  const subject = (resource: Resource, name: string) => ({ plural: resource.plural, group: resource.group, name });

  function get(resource: Resource, namespace: string, name: string): Result<JsonObject, ApiFailure> {
    const found = bucket(resource).get(keyOf(resource.namespaced ? namespace : '', name));
    return found === undefined ? err(notFound(subject(resource, name))) : ok(clone(found));
  }

  /** Stores a new object: gives it uid, version and creationTimestamp, and returns the stored copy. */
  function create(resource: Resource, wanted: JsonObject): Result<JsonObject, ApiFailure> {
    const object = clone(wanted);
    const metadata = grow(object, 'metadata');
    const key = keyOf(resource.namespaced ? namespaceOf(object) : '', nameOf(object));
    if (bucket(resource).has(key)) return err(alreadyExists(subject(resource, nameOf(object))));
    version += 1;
    metadata.uid = uidOf(object) === '' ? newUid() : uidOf(object);
    metadata.resourceVersion = String(version);
    if (text(metadata, 'creationTimestamp') === '') metadata.creationTimestamp = timestamp(clock.now());
    bucket(resource).set(key, object);
    record('ADDED', resource, object, undefined);
    return ok(clone(object));
  }

  /** Removes at once; the DELETED event carries the last state with a new version. */
  function remove(resource: Resource, namespace: string, name: string): Result<JsonObject, ApiFailure> {
    const key = keyOf(resource.namespaced ? namespace : '', name);
    const before = bucket(resource).get(key);
    if (before === undefined) return err(notFound(subject(resource, name)));
    bucket(resource).delete(key);
    version += 1;
    const last = clone(before);
    grow(last, 'metadata').resourceVersion = String(version);
    record('DELETED', resource, last, before);
    return ok(clone(before));
  }

  /**
   * Replaces an object. A resourceVersion in it must be the current one (409 otherwise); without one nothing conflicts.
   * An unchanged object keeps its version. A terminating object without finalizers is removed.
   */
  function update(resource: Resource, wanted: JsonObject): Result<JsonObject, ApiFailure> {
    const key = keyOf(resource.namespaced ? namespaceOf(wanted) : '', nameOf(wanted));
    const before = bucket(resource).get(key);
    if (before === undefined) return err(notFound(subject(resource, nameOf(wanted))));
    const object = clone(wanted);
    const metadata = grow(object, 'metadata');
    const current = text(before, 'metadata', 'resourceVersion');
    const claimed = text(metadata, 'resourceVersion');
    if (claimed !== '' && claimed !== current) return err(modified(subject(resource, nameOf(wanted))));
    metadata.resourceVersion = current;
    if (equal(object, before)) return ok(clone(object));
    if (
      isTerminating(before) &&
      list(before, 'metadata', 'finalizers').length > 0 &&
      list(metadata, 'finalizers').length === 0
    ) {
      bucket(resource).set(key, object);
      remove(resource, namespaceOf(object), nameOf(object));
      return ok(clone(object));
    }
    version += 1;
    metadata.resourceVersion = String(version);
    bucket(resource).set(key, object);
    record('MODIFIED', resource, object, before);
    return ok(clone(object));
  }

  /** All objects of a kind in key order; `namespace` '' means every one. The copies are the store's: do not write to them. */
  function all(resource: Resource, namespace = ''): JsonObject[] {
    const found = [...bucket(resource).entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, object]) => object);
    return resource.namespaced && namespace !== ''
      ? found.filter((object) => namespaceOf(object) === namespace)
      : found;
  }

  /** Reads, changes and writes in one step; the change may not fail. Nothing happens when the object is gone. */
  function change(
    resource: Resource,
    namespace: string,
    name: string,
    edit: (object: JsonObject) => void,
  ): JsonObject | undefined {
    const found = get(resource, namespace, name);
    if (!found.ok) return undefined;
    edit(found.value);
    const written = update(resource, found.value);
    return written.ok ? written.value : undefined;
  }

  return {
    get,
    create,
    remove,
    update,
    all,
    change,
    version: (): number => version,
    /** Watches from a version at or below this one, and continue tokens of it, are too old. */
    oldestVersion: (): number => oldest,
    /** Forgets the history up to now, as etcd's compaction and a young watch cache do. */
    compact: (): void => {
      history.length = 0;
      oldest = version;
    },
    /** Raises the version, so that a test can speak of versions long past. */
    skipVersions: (count: number): void => {
      version += count;
    },
    since: (from: number): readonly Change[] => history.filter((change) => change.version > from),
    subscribe: (listener: (change: Change) => void): (() => void) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
