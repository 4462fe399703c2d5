// The life of pods: scheduled, started, stopped, collected. Kubelets are played here; `isAlive` says which still run.
import type { Clock } from './clock.ts';
import { timestamp } from './clock.ts';
import type { Json, JsonObject } from './json.ts';
import {
  clone,
  grow,
  isTerminating,
  labelsOf,
  list,
  nameOf,
  namespaceOf,
  number,
  object,
  text,
  textMap,
  uidOf,
} from './json.ts';
import {
  isFinished,
  isMirror,
  isReady,
  markRunning,
  markSucceeded,
  markUnready,
  markUnschedulable,
} from './pod-object.ts';
import { NODES, PODS } from './resources.ts';
import type { Store } from './store.ts';
import type { Timings } from './timings.ts';

/** Taints that keep pods away unless tolerated; PreferNoSchedule does not. */
export function tolerates(pod: Json, taint: Json): boolean {
  return list(pod, 'spec', 'tolerations').some((toleration) => {
    const effect = text(toleration, 'effect');
    if (effect !== '' && effect !== text(taint, 'effect')) return false;
    const key = text(toleration, 'key');
    if (key === '') return text(toleration, 'operator') === 'Exists';
    if (key !== text(taint, 'key')) return false;
    return text(toleration, 'operator') === 'Exists' || text(toleration, 'value') === text(taint, 'value');
  });
}

/** Whether a node's labels satisfy a pod's nodeSelector. Affinity is not played. */
export function selects(pod: Json, node: Json): boolean {
  const labels = labelsOf(node);
  return Object.entries(textMap(object(pod, 'spec', 'nodeSelector'))).every(([key, value]) => labels[key] === value);
}

export const nodeAddress = (node: Json | undefined): string =>
  text(
    list(node, 'status', 'addresses').find((address) => text(address, 'type') === 'InternalIP'),
    'address',
  );

const nodeIsReady = (node: Json): boolean =>
  list(node, 'status', 'conditions').some(
    (condition) => text(condition, 'type') === 'Ready' && text(condition, 'status') === 'True',
  );

export type Pods = ReturnType<typeof createPods>;

/** Plays scheduler, kubelets and pod collector on a store. `reconcile` may be called at any time, any number of times. */
export function createPods(store: Store, clock: Clock, timings: Timings, isAlive: (node: string) => boolean) {
  const pending = new Map<string, () => void>();
  let addresses = 1;

  /** Runs `work` once for a pod and a purpose after a delay, however often it is asked for meanwhile. */
  function once(pod: JsonObject, purpose: string, delayMs: number, work: () => void): void {
    const key = `${purpose}/${uidOf(pod)}`;
    if (pending.has(key)) return;
    pending.set(
      key,
      clock.after(delayMs, () => {
        pending.delete(key);
        work();
      }),
    );
  }

  const changePod = (pod: JsonObject, edit: (pod: JsonObject) => void): void => {
    store.change(PODS, namespaceOf(pod), nameOf(pod), (found) => {
      if (uidOf(found) === uidOf(pod)) edit(found);
    });
  };

  function schedule(pod: JsonObject, load: Map<string, number>): void {
    const nodes = store.all(NODES);
    const fit = nodes.filter((node) => {
      const taints = list(node, 'spec', 'taints').filter((taint) => text(taint, 'effect') !== 'PreferNoSchedule');
      const open = object(node, 'spec').unschedulable !== true && nodeIsReady(node);
      return open && selects(pod, node) && taints.every((taint) => tolerates(pod, taint));
    });
    const count = (node: JsonObject): number => load.get(nameOf(node)) ?? 0;
    const [best] = fit.sort((a, b) => count(a) - count(b));
    if (best === undefined) {
      const why = `0/${nodes.length} nodes are available.`;
      const told = list(pod, 'status', 'conditions').some((condition) => text(condition, 'message') === why);
      if (!told) changePod(pod, (found) => markUnschedulable(found, why, clock.now()));
      return;
    }
    load.set(nameOf(best), count(best) + 1);
    changePod(pod, (found) => {
      grow(found, 'spec').nodeName = nameOf(best);
    });
  }

  function start(pod: JsonObject): void {
    once(pod, 'start', timings.podStartMs, () => {
      const node = store.get(NODES, '', text(pod, 'spec', 'nodeName'));
      if (!node.ok || !isAlive(nameOf(node.value))) return;
      const hostIp = nodeAddress(node.value);
      addresses += 1;
      const podIp = object(pod, 'spec').hostNetwork === true ? hostIp : `10.244.${addresses >> 8}.${addresses & 255}`;
      changePod(pod, (found) => {
        if (text(found, 'status', 'phase') !== 'Running' || !isReady(found))
          markRunning(found, hostIp, podIp, clock.now());
      });
    });
  }

  function finishStop(pod: JsonObject): void {
    const found = store.get(PODS, namespaceOf(pod), nameOf(pod));
    if (!found.ok || uidOf(found.value) !== uidOf(pod)) return;
    if (list(found.value, 'metadata', 'finalizers').length === 0) store.remove(PODS, namespaceOf(pod), nameOf(pod));
  }

  function reconcilePod(pod: JsonObject, load: Map<string, number>): void {
    const node = text(pod, 'spec', 'nodeName');
    if (node === '') {
      if (!isTerminating(pod)) schedule(pod, load);
      return;
    }
    if (!store.get(NODES, '', node).ok)
      return once(pod, 'collect', timings.podCollectMs, () => {
        if (!store.get(NODES, '', node).ok) finishStop(pod);
      });
    if (!isAlive(node)) return;
    if (isTerminating(pod)) {
      const graceMs = (number(pod, 'metadata', 'deletionGracePeriodSeconds') ?? 0) * 1000;
      return once(pod, 'stop', Math.min(timings.podStopMs, graceMs), () => {
        if (isAlive(node)) finishStop(pod);
      });
    }
    if (isFinished(pod)) return;
    if (!isReady(pod)) return start(pod);
    const runsOnce = list(pod, 'metadata', 'ownerReferences').some((owner) => text(owner, 'kind') === 'Job');
    if (runsOnce)
      once(pod, 'complete', timings.podStartMs, () => changePod(pod, (found) => markSucceeded(found, clock.now())));
  }

  function reconcile(): void {
    const pods = store.all(PODS);
    const load = new Map<string, number>();
    for (const pod of pods) {
      const node = text(pod, 'spec', 'nodeName');
      if (node !== '') load.set(node, (load.get(node) ?? 0) + 1);
    }
    for (const pod of pods) reconcilePod(pod, load);
  }

  /** Deletes a pod as the API does: at once when it has no node or the grace is 0, else terminating first. Returns its last form. */
  function remove(pod: JsonObject, graceSeconds: number | undefined): JsonObject {
    const asked = graceSeconds ?? number(pod, 'spec', 'terminationGracePeriodSeconds') ?? 30;
    const grace =
      text(pod, 'spec', 'nodeName') === '' || isFinished(pod) || (isMirror(pod) && graceSeconds === undefined)
        ? 0
        : asked;
    const marked = clone(pod);
    const metadata = grow(marked, 'metadata');
    metadata.deletionTimestamp = timestamp(clock.now() + grace * 1000);
    metadata.deletionGracePeriodSeconds = grace;
    metadata.generation = (number(metadata, 'generation') ?? 1) + 1;
    if (isTerminating(pod) && grace > 0) return pod;
    if (grace === 0 && list(pod, 'metadata', 'finalizers').length === 0) {
      store.remove(PODS, namespaceOf(pod), nameOf(pod));
      return marked;
    }
    const written = store.update(PODS, marked);
    return written.ok ? written.value : marked;
  }

  /** The pods of a node that went silent: phase stays, Ready goes. */
  function markNodeLost(node: string): void {
    for (const pod of store.all(PODS)) {
      if (text(pod, 'spec', 'nodeName') === node) changePod(pod, (found) => markUnready(found, clock.now()));
    }
  }

  return {
    reconcile,
    remove,
    markNodeLost,
    stop: () =>
      [...pending.values()].forEach((cancel) => {
        cancel();
      }),
  };
}
