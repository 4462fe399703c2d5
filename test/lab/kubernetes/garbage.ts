// What goes when something else goes: contents of a terminating namespace, and objects whose owner is no more.
import type { JsonObject } from './json.ts';
import { isTerminating, list, nameOf, namespaceOf, text } from './json.ts';
import type { Pods } from './pods.ts';
import type { Resource } from './resources.ts';
import { NAMESPACES, PODS, RESOURCES } from './resources.ts';
import type { Store } from './store.ts';

type Deps = { readonly store: Store; readonly pods: Pods; customKinds(): readonly Resource[] };

/** Only these kinds own something here; an owner of another kind is taken to be alive. */
const OWNERS = new Set(['ReplicaSet', 'Deployment', 'DaemonSet', 'StatefulSet', 'Job']);

export function createGarbageCollector({ store, pods, customKinds }: Deps) {
  const kinds = (): readonly Resource[] => [...RESOURCES.filter((one) => !one.createOnly), ...customKinds()];

  function drop(resource: Resource, object: JsonObject): void {
    if (resource === PODS) {
      if (!isTerminating(object)) pods.remove(object, undefined);
    } else if (list(object, 'metadata', 'finalizers').length === 0) {
      store.remove(resource, namespaceOf(object), nameOf(object));
    }
  }

  function reconcileNamespaces(): void {
    for (const namespace of store.all(NAMESPACES).filter(isTerminating)) {
      let left = 0;
      for (const resource of kinds().filter((one) => one.namespaced)) {
        for (const object of [...store.all(resource, nameOf(namespace))]) drop(resource, object);
        left += store.all(resource, nameOf(namespace)).length;
      }
      if (left === 0) store.remove(NAMESPACES, '', nameOf(namespace));
    }
  }

  function reconcileOwners(): void {
    const alive = new Set<string>();
    for (const resource of RESOURCES)
      if (OWNERS.has(resource.kind))
        for (const object of store.all(resource)) alive.add(text(object, 'metadata', 'uid'));
    for (const resource of RESOURCES.filter((one) => OWNERS.has(one.kind) || one === PODS)) {
      for (const object of [...store.all(resource)]) {
        const owners = list(object, 'metadata', 'ownerReferences').filter((owner) => OWNERS.has(text(owner, 'kind')));
        if (owners.length > 0 && !owners.some((owner) => alive.has(text(owner, 'uid')))) drop(resource, object);
      }
    }
  }

  return {
    reconcile: (): void => {
      reconcileNamespaces();
      reconcileOwners();
    },
  };
}

/** Takes an owner's uid out of its children, so that they outlive it (propagationPolicy=Orphan). */
export function orphanChildren(store: Store, owner: JsonObject): void {
  const uid = text(owner, 'metadata', 'uid');
  for (const resource of RESOURCES) {
    for (const object of [...store.all(resource, namespaceOf(owner))]) {
      const references = list(object, 'metadata', 'ownerReferences');
      if (!references.some((reference) => text(reference, 'uid') === uid)) continue;
      store.change(resource, namespaceOf(object), nameOf(object), (found) => {
        const metadata = found.metadata;
        if (typeof metadata !== 'object' || metadata === null || Array.isArray(metadata)) return;
        metadata.ownerReferences = references.filter((reference) => text(reference, 'uid') !== uid);
      });
    }
  }
}
