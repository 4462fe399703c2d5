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

/** An empty store. `newUid` is a parameter so that a simulator can replay. The first object gets resourceVersion 1. */
export class Store {
  readonly #clock: Clock;
  readonly #newUid: () => string;
  readonly #buckets = new Map<string, Map<string, JsonObject>>();
  readonly #history: Change[] = [];
  readonly #listeners = new Set<(change: Change) => void>();
  #version = 0;
  #oldest = 0;

  constructor(clock: Clock, newUid: () => string) {
    this.#clock = clock;
    this.#newUid = newUid;
  }

  readonly #bucket = (resource: Resource): Map<string, JsonObject> => {
    const name = bucketOf(resource);
    const found = this.#buckets.get(name);
    if (found !== undefined) return found;
    const made = new Map<string, JsonObject>();
    this.#buckets.set(name, made);
    return made;
  };

  readonly #record = (
    type: ChangeType,
    resource: Resource,
    object: JsonObject,
    before: JsonObject | undefined,
  ): void => {
    const change: Change = { type, resource, object, before, version: this.#version };
    this.#history.push(change);
    if (this.#history.length > HISTORY_MAX) this.#oldest = this.#history.shift()?.version ?? this.#oldest;
    for (const listener of [...this.#listeners]) listener(change);
  };

  readonly #subject = (resource: Resource, name: string) => ({ plural: resource.plural, group: resource.group, name });

  readonly get = (resource: Resource, namespace: string, name: string): Result<JsonObject, ApiFailure> => {
    const found = this.#bucket(resource).get(keyOf(resource.namespaced ? namespace : '', name));
    return found === undefined ? err(notFound(this.#subject(resource, name))) : ok(clone(found));
  };

  /** Stores a new object: gives it uid, version and creationTimestamp, and returns the stored copy. */
  readonly create = (resource: Resource, wanted: JsonObject): Result<JsonObject, ApiFailure> => {
    const object = clone(wanted);
    const metadata = grow(object, 'metadata');
    const key = keyOf(resource.namespaced ? namespaceOf(object) : '', nameOf(object));
    if (this.#bucket(resource).has(key)) return err(alreadyExists(this.#subject(resource, nameOf(object))));
    this.#version += 1;
    metadata.uid = uidOf(object) === '' ? this.#newUid() : uidOf(object);
    metadata.resourceVersion = String(this.#version);
    if (text(metadata, 'creationTimestamp') === '') metadata.creationTimestamp = timestamp(this.#clock.now());
    this.#bucket(resource).set(key, object);
    this.#record('ADDED', resource, object, undefined);
    return ok(clone(object));
  };

  /** Removes at once; the DELETED event carries the last state with a new this.#version. */
  readonly remove = (resource: Resource, namespace: string, name: string): Result<JsonObject, ApiFailure> => {
    const key = keyOf(resource.namespaced ? namespace : '', name);
    const before = this.#bucket(resource).get(key);
    if (before === undefined) return err(notFound(this.#subject(resource, name)));
    this.#bucket(resource).delete(key);
    this.#version += 1;
    const last = clone(before);
    grow(last, 'metadata').resourceVersion = String(this.#version);
    this.#record('DELETED', resource, last, before);
    return ok(clone(before));
  };

  /**
   * Replaces an object. A resourceVersion in it must be the current one (409 otherwise); without one nothing conflicts.
   * An unchanged object keeps its this.#version. A terminating object without finalizers is removed.
   */
  readonly update = (resource: Resource, wanted: JsonObject): Result<JsonObject, ApiFailure> => {
    const key = keyOf(resource.namespaced ? namespaceOf(wanted) : '', nameOf(wanted));
    const before = this.#bucket(resource).get(key);
    if (before === undefined) return err(notFound(this.#subject(resource, nameOf(wanted))));
    const object = clone(wanted);
    const metadata = grow(object, 'metadata');
    const current = text(before, 'metadata', 'resourceVersion');
    const claimed = text(metadata, 'resourceVersion');
    if (claimed !== '' && claimed !== current) return err(modified(this.#subject(resource, nameOf(wanted))));
    metadata.resourceVersion = current;
    if (equal(object, before)) return ok(clone(object));
    if (
      isTerminating(before) &&
      list(before, 'metadata', 'finalizers').length > 0 &&
      list(metadata, 'finalizers').length === 0
    ) {
      this.#bucket(resource).set(key, object);
      this.remove(resource, namespaceOf(object), nameOf(object));
      return ok(clone(object));
    }
    this.#version += 1;
    metadata.resourceVersion = String(this.#version);
    this.#bucket(resource).set(key, object);
    this.#record('MODIFIED', resource, object, before);
    return ok(clone(object));
  };

  /** All objects of a kind in key order; `namespace` '' means every one. The copies are the store's: do not write to them. */
  readonly all = (resource: Resource, namespace = ''): JsonObject[] => {
    const found = [...this.#bucket(resource).entries()]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, object]) => object);
    return resource.namespaced && namespace !== ''
      ? found.filter((object) => namespaceOf(object) === namespace)
      : found;
  };

  /** Reads, changes and writes in one step; the change may not fail. Nothing happens when the object is gone. */
  readonly change = (
    resource: Resource,
    namespace: string,
    name: string,
    edit: (object: JsonObject) => void,
  ): JsonObject | undefined => {
    const found = this.get(resource, namespace, name);
    if (!found.ok) return undefined;
    edit(found.value);
    const written = this.update(resource, found.value);
    return written.ok ? written.value : undefined;
  };

  readonly version = (): number => this.#version;
  /** Watches from a version below this one, and continue tokens of it, are too old. */
  readonly oldestVersion = (): number => this.#oldest;
  /** Forgets the history up to now, as etcd's compaction and a young watch cache do. */
  readonly compact = (): void => {
    this.#history.length = 0;
    this.#oldest = this.#version;
  };
  /** Raises the version, so that a test can speak of versions long past. */
  readonly skipVersions = (count: number): void => {
    this.#version += count;
  };
  readonly since = (from: number): readonly Change[] => this.#history.filter((change) => change.version > from);
  readonly subscribe = (listener: (change: Change) => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };
}
