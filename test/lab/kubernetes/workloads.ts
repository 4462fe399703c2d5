// Deployments, ReplicaSets, DaemonSets, StatefulSets and Jobs, played in the simplest way that has pods to show and to
// evict: wanted pods are made, surplus ones go, the status counts them. No rolling updates: a new template replaces all.
import { createHash } from 'node:crypto';
import { bookedTo } from './apply.ts';
import type { Clock } from './clock.ts';
import { timestamp } from './clock.ts';
import type { Json, JsonObject } from './json.ts';
import { clone, grow, isTerminating, list, nameOf, namespaceOf, number, object, text, uidOf } from './json.ts';
import { defaultPodSpec, isFinished, isReady, podFor } from './pod-object.ts';
import type { Pods } from './pods.ts';
import { selects, tolerates } from './pods.ts';
import type { Resource } from './resources.ts';
import { apiVersionOf, DAEMON_SETS, DEPLOYMENTS, JOBS, NODES, PODS, REPLICA_SETS, STATEFUL_SETS } from './resources.ts';
import type { Store } from './store.ts';

const POD_NAME_LETTERS = 'bcdfghjklmnpqrstvwxz2456789';

/** A suffix as Kubernetes makes them, derived so that a replay gives the same names. */
function suffix(seed: string, length: number): string {
  const digest = createHash('sha256').update(seed).digest();
  return [...digest.subarray(0, length)].map((byte) => POD_NAME_LETTERS[byte % POD_NAME_LETTERS.length]).join('');
}

const ownedBy = (store: Store, resource: Resource, owner: JsonObject): JsonObject[] =>
  store
    .all(resource, namespaceOf(owner))
    .filter((one) =>
      list(one, 'metadata', 'ownerReferences').some((reference) => text(reference, 'uid') === uidOf(owner)),
    );

export type Workloads = { reconcile(): void };

class WorkloadControllers implements Workloads {
  readonly #store: Store;
  readonly #pods: Pods;
  readonly #clock: Clock;
  #made = 0;

  constructor(store: Store, pods: Pods, clock: Clock) {
    this.#store = store;
    this.#pods = pods;
    this.#clock = clock;
  }

  readonly #makePod = (
    resource: Resource,
    owner: JsonObject,
    name: string,
    labels: JsonObject,
    node?: string,
  ): void => {
    const pod = podFor({ apiVersion: apiVersionOf(resource), kind: resource.kind, object: owner }, name, labels);
    const spec = grow(pod, 'spec');
    if (node !== undefined) spec.nodeName = node;
    defaultPodSpec(spec, false);
    grow(pod, 'metadata').generation = 1;
    pod.status = { phase: 'Pending', qosClass: 'BestEffort' };
    this.#store.create(PODS, bookedTo('kube-controller-manager', pod, timestamp(this.#clock.now())));
  };

  readonly #nextName = (owner: JsonObject): string => {
    this.#made += 1;
    return `${nameOf(owner)}-${suffix(`${uidOf(owner)}/${this.#made}`, 5)}`;
  };

  readonly #setStatus = (resource: Resource, owner: JsonObject, status: JsonObject): void => {
    this.#store.change(resource, namespaceOf(owner), nameOf(owner), (found) => {
      found.status = { observedGeneration: number(found, 'metadata', 'generation') ?? 1, ...status };
    });
  };

  readonly #reconcileReplicaSet = (set: JsonObject): void => {
    const owned = ownedBy(this.#store, PODS, set);
    const live = owned.filter((pod) => !isTerminating(pod) && !isFinished(pod));
    const wanted = isTerminating(set) ? 0 : (number(set, 'spec', 'replicas') ?? 1);
    for (const pod of live.slice(wanted)) this.#pods.remove(pod, undefined);
    for (let count = live.length; count < wanted; count += 1) this.#makePod(REPLICA_SETS, set, this.#nextName(set), {});
    const ready = live.slice(0, wanted).filter(isReady).length;
    this.#setStatus(REPLICA_SETS, set, {
      replicas: live.length,
      fullyLabeledReplicas: live.length,
      readyReplicas: ready,
      availableReplicas: ready,
    });
  };

  readonly #replicaSetFor = (deployment: JsonObject): JsonObject => {
    const template = clone(object(deployment, 'spec', 'template'));
    const hash = suffix(JSON.stringify(template), 10);
    const metadata = grow(template, 'metadata');
    metadata.labels = { ...object(metadata, 'labels'), 'pod-template-hash': hash };
    const selector = clone(object(deployment, 'spec', 'selector'));
    selector.matchLabels = { ...object(selector, 'matchLabels'), 'pod-template-hash': hash };
    return {
      kind: 'ReplicaSet',
      apiVersion: 'apps/v1',
      metadata: {
        name: `${nameOf(deployment)}-${hash}`,
        namespace: namespaceOf(deployment),
        generation: 1,
        labels: object(metadata, 'labels'),
        annotations: { 'deployment.kubernetes.io/revision': '1' },
        ownerReferences: [
          {
            apiVersion: 'apps/v1',
            kind: 'Deployment',
            name: nameOf(deployment),
            uid: uidOf(deployment),
            controller: true,
            blockOwnerDeletion: true,
          },
        ],
      },
      spec: { replicas: number(deployment, 'spec', 'replicas') ?? 1, selector, template },
      status: { replicas: 0 },
    };
  };

  readonly #reconcileDeployment = (deployment: JsonObject): void => {
    const wanted = this.#replicaSetFor(deployment);
    const replicas = number(deployment, 'spec', 'replicas') ?? 1;
    for (const set of ownedBy(this.#store, REPLICA_SETS, deployment)) {
      const target = nameOf(set) === nameOf(wanted) ? replicas : 0;
      this.#store.change(REPLICA_SETS, namespaceOf(set), nameOf(set), (found) => {
        grow(found, 'spec').replicas = target;
      });
    }
    const current = this.#store.get(REPLICA_SETS, namespaceOf(wanted), nameOf(wanted));
    if (!current.ok) this.#store.create(REPLICA_SETS, wanted);
    const set = current.ok ? current.value : wanted;
    const ready = number(set, 'status', 'readyReplicas') ?? 0;
    const count = number(set, 'status', 'replicas') ?? 0;
    const available = ready >= replicas;
    const old = list(deployment, 'status', 'conditions')[0];
    const value = available ? 'True' : 'False';
    const at = text(old, 'status') === value ? text(old, 'lastTransitionTime') : timestamp(this.#clock.now());
    this.#store.change(DEPLOYMENTS, namespaceOf(deployment), nameOf(deployment), (found) => {
      grow(grow(found, 'metadata'), 'annotations')['deployment.kubernetes.io/revision'] ??= '1';
    });
    this.#setStatus(DEPLOYMENTS, deployment, {
      replicas: count,
      updatedReplicas: count,
      readyReplicas: ready,
      availableReplicas: ready,
      unavailableReplicas: Math.max(0, replicas - ready),
      terminatingReplicas: 0,
      conditions: [
        {
          type: 'Available',
          status: value,
          lastUpdateTime: at,
          lastTransitionTime: at,
          reason: available ? 'MinimumReplicasAvailable' : 'MinimumReplicasUnavailable',
          message: available
            ? 'Deployment has minimum availability.'
            : 'Deployment does not have minimum availability.',
        },
        {
          type: 'Progressing',
          status: 'True',
          lastUpdateTime: at,
          lastTransitionTime: at,
          reason: available ? 'NewReplicaSetAvailable' : 'ReplicaSetUpdated',
          message: `ReplicaSet "${nameOf(wanted)}" ${available ? 'has successfully progressed.' : 'is progressing.'}`,
        },
      ],
    });
  };

  /** DaemonSet pods tolerate the node's own conditions by themselves; other taints need a toleration. */
  readonly #belongs = (set: JsonObject, node: JsonObject): boolean => {
    const template = object(set, 'spec', 'template');
    const taints = list(node, 'spec', 'taints').filter(
      (taint) => !text(taint, 'key').startsWith('node.kubernetes.io/') && text(taint, 'effect') !== 'PreferNoSchedule',
    );
    return selects(template, node) && taints.every((taint) => tolerates(template, taint));
  };

  readonly #reconcileDaemonSet = (set: JsonObject): void => {
    const owned = ownedBy(this.#store, PODS, set).filter((pod) => !isTerminating(pod));
    const targets = isTerminating(set)
      ? []
      : this.#store
          .all(NODES)
          .filter((node) => this.#belongs(set, node))
          .map(nameOf);
    const generation = String(number(set, 'metadata', 'generation') ?? 1);
    const labels = {
      'controller-revision-hash': suffix(JSON.stringify(object(set, 'spec', 'template')), 10),
      'pod-template-generation': generation,
    };
    for (const node of targets) {
      if (!owned.some((pod) => text(pod, 'spec', 'nodeName') === node))
        this.#makePod(DAEMON_SETS, set, this.#nextName(set), labels, node);
    }
    for (const pod of owned)
      if (
        !targets.includes(text(pod, 'spec', 'nodeName')) &&
        this.#store.get(NODES, '', text(pod, 'spec', 'nodeName')).ok
      )
        this.#pods.remove(pod, undefined);
    const ready = owned.filter(isReady).length;
    this.#setStatus(DAEMON_SETS, set, {
      currentNumberScheduled: owned.length,
      numberMisscheduled: 0,
      desiredNumberScheduled: targets.length,
      numberReady: ready,
      updatedNumberScheduled: owned.length,
      numberAvailable: ready,
    });
  };

  readonly #reconcileStatefulSet = (set: JsonObject): void => {
    const owned = ownedBy(this.#store, PODS, set);
    const wanted = isTerminating(set) ? 0 : (number(set, 'spec', 'replicas') ?? 1);
    for (let index = 0; index < wanted; index += 1) {
      const name = `${nameOf(set)}-${index}`;
      const found = owned.find((pod) => nameOf(pod) === name);
      if (found === undefined)
        this.#makePod(STATEFUL_SETS, set, name, {
          'apps.kubernetes.io/pod-index': String(index),
          'statefulset.kubernetes.io/pod-name': name,
        });
      // One at a time and in order, as `OrderedReady` says.
      if (found === undefined || !isReady(found)) break;
    }
    for (const pod of owned)
      if (Number(nameOf(pod).split('-').at(-1)) >= wanted && !isTerminating(pod)) this.#pods.remove(pod, undefined);
    const ready = owned.filter(isReady).length;
    this.#setStatus(STATEFUL_SETS, set, {
      replicas: owned.length,
      readyReplicas: ready,
      availableReplicas: ready,
      currentReplicas: owned.length,
      updatedReplicas: owned.length,
    });
  };

  readonly #reconcileJob = (job: JsonObject): void => {
    const owned = ownedBy(this.#store, PODS, job);
    const done = owned.filter((pod) => text(pod, 'status', 'phase') === 'Succeeded').length;
    const wanted = number(job, 'spec', 'completions') ?? 1;
    if (owned.length < wanted && !isTerminating(job)) this.#makePod(JOBS, job, this.#nextName(job), {});
    this.#store.change(JOBS, namespaceOf(job), nameOf(job), (found) => {
      const status = grow(found, 'status');
      if (text(status, 'completionTime') !== '') return;
      status.startTime ??= timestamp(this.#clock.now());
      const active = owned.filter((pod) => !isFinished(pod));
      Object.assign(status, {
        active: active.length,
        terminating: 0,
        uncountedTerminatedPods: {},
        ready: active.filter(isReady).length,
      });
      if (done < wanted) return;
      delete status.active;
      const now = timestamp(this.#clock.now());
      const ended = (type: string): Json => ({
        type,
        status: 'True',
        lastProbeTime: now,
        lastTransitionTime: now,
        reason: 'CompletionsReached',
        message: 'Reached expected number of succeeded pods',
      });
      Object.assign(status, {
        succeeded: done,
        completionTime: now,
        conditions: [ended('SuccessCriteriaMet'), ended('Complete')],
      });
    });
  };

  readonly reconcile = (): void => {
    for (const deployment of this.#store.all(DEPLOYMENTS))
      if (!isTerminating(deployment)) this.#reconcileDeployment(deployment);
    for (const set of this.#store.all(REPLICA_SETS)) this.#reconcileReplicaSet(set);
    for (const set of this.#store.all(DAEMON_SETS)) this.#reconcileDaemonSet(set);
    for (const set of this.#store.all(STATEFUL_SETS)) this.#reconcileStatefulSet(set);
    for (const job of this.#store.all(JOBS)) this.#reconcileJob(job);
  };
}

export const createWorkloads = (store: Store, pods: Pods, clock: Clock): Workloads =>
  new WorkloadControllers(store, pods, clock);
