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

/** Plays scheduler, kubelets and pod collector on a store. `reconcile` may be called at any time, any number of times. */
export class Pods {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #timings: Timings;
  readonly #isAlive: (node: string) => boolean;
  readonly #pending = new Map<string, () => void>();
  #addresses = 1;

  constructor(store: Store, clock: Clock, timings: Timings, isAlive: (node: string) => boolean) {
    this.#store = store;
    this.#clock = clock;
    this.#timings = timings;
    this.#isAlive = isAlive;
  }

  /** Runs `work` once for a pod and a purpose after a delay, however often it is asked for meanwhile. */
  readonly #once = (pod: JsonObject, purpose: string, delayMs: number, work: () => void): void => {
    const key = `${purpose}/${uidOf(pod)}`;
    if (this.#pending.has(key)) return;
    this.#pending.set(
      key,
      this.#clock.after(delayMs, () => {
        this.#pending.delete(key);
        work();
      }),
    );
  };

  readonly #changePod = (pod: JsonObject, edit: (pod: JsonObject) => void): void => {
    this.#store.change(PODS, namespaceOf(pod), nameOf(pod), (found) => {
      if (uidOf(found) === uidOf(pod)) edit(found);
    });
  };

  readonly #schedule = (pod: JsonObject, load: Map<string, number>): void => {
    const nodes = this.#store.all(NODES);
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
      if (!told) this.#changePod(pod, (found) => markUnschedulable(found, why, this.#clock.now()));
      return;
    }
    load.set(nameOf(best), count(best) + 1);
    this.#changePod(pod, (found) => {
      grow(found, 'spec').nodeName = nameOf(best);
    });
  };

  readonly #start = (pod: JsonObject): void => {
    this.#once(pod, 'start', this.#timings.podStartMs, () => {
      const node = this.#store.get(NODES, '', text(pod, 'spec', 'nodeName'));
      if (!node.ok || !this.#isAlive(nameOf(node.value))) return;
      const hostIp = nodeAddress(node.value);
      this.#addresses += 1;
      const podIp =
        object(pod, 'spec').hostNetwork === true ? hostIp : `10.244.${this.#addresses >> 8}.${this.#addresses & 255}`;
      this.#changePod(pod, (found) => {
        if (text(found, 'status', 'phase') !== 'Running' || !isReady(found))
          markRunning(found, hostIp, podIp, this.#clock.now());
      });
    });
  };

  readonly #finishStop = (pod: JsonObject): void => {
    const found = this.#store.get(PODS, namespaceOf(pod), nameOf(pod));
    if (!found.ok || uidOf(found.value) !== uidOf(pod)) return;
    if (list(found.value, 'metadata', 'finalizers').length === 0)
      this.#store.remove(PODS, namespaceOf(pod), nameOf(pod));
  };

  readonly #reconcilePod = (pod: JsonObject, load: Map<string, number>): void => {
    const node = text(pod, 'spec', 'nodeName');
    if (node === '') {
      if (!isTerminating(pod)) this.#schedule(pod, load);
      return;
    }
    if (!this.#store.get(NODES, '', node).ok)
      return this.#once(pod, 'collect', this.#timings.podCollectMs, () => {
        if (!this.#store.get(NODES, '', node).ok) this.#finishStop(pod);
      });
    if (!this.#isAlive(node)) return;
    if (isTerminating(pod)) {
      const graceMs = (number(pod, 'metadata', 'deletionGracePeriodSeconds') ?? 0) * 1000;
      return this.#once(pod, 'stop', Math.min(this.#timings.podStopMs, graceMs), () => {
        if (this.#isAlive(node)) this.#finishStop(pod);
      });
    }
    if (isFinished(pod)) return;
    if (!isReady(pod)) return this.#start(pod);
    const runsOnce = list(pod, 'metadata', 'ownerReferences').some((owner) => text(owner, 'kind') === 'Job');
    if (runsOnce)
      this.#once(pod, 'complete', this.#timings.podStartMs, () =>
        this.#changePod(pod, (found) => markSucceeded(found, this.#clock.now())),
      );
  };

  readonly reconcile = (): void => {
    const pods = this.#store.all(PODS);
    const load = new Map<string, number>();
    for (const pod of pods) {
      const node = text(pod, 'spec', 'nodeName');
      if (node !== '') load.set(node, (load.get(node) ?? 0) + 1);
    }
    for (const pod of pods) this.#reconcilePod(pod, load);
  };

  /** Deletes a pod as the API does: at once when it has no node or the grace is 0, else terminating first. Returns its last form. */
  readonly remove = (pod: JsonObject, graceSeconds: number | undefined): JsonObject => {
    const asked = graceSeconds ?? number(pod, 'spec', 'terminationGracePeriodSeconds') ?? 30;
    const grace =
      text(pod, 'spec', 'nodeName') === '' || isFinished(pod) || (isMirror(pod) && graceSeconds === undefined)
        ? 0
        : asked;
    const marked = clone(pod);
    const metadata = grow(marked, 'metadata');
    metadata.deletionTimestamp = timestamp(this.#clock.now() + grace * 1000);
    metadata.deletionGracePeriodSeconds = grace;
    metadata.generation = (number(metadata, 'generation') ?? 1) + 1;
    if (isTerminating(pod) && grace > 0) return pod;
    if (grace === 0 && list(pod, 'metadata', 'finalizers').length === 0) {
      this.#store.remove(PODS, namespaceOf(pod), nameOf(pod));
      return marked;
    }
    const written = this.#store.update(PODS, marked);
    return written.ok ? written.value : marked;
  };

  /** The pods of a node that went silent: phase stays, Ready goes. */
  readonly markNodeLost = (node: string): void => {
    for (const pod of this.#store.all(PODS)) {
      if (text(pod, 'spec', 'nodeName') === node)
        this.#changePod(pod, (found) => markUnready(found, this.#clock.now()));
    }
  };

  /** Ends every timer. */
  readonly stop = (): void => {
    for (const cancel of this.#pending.values()) cancel();
  };
}
