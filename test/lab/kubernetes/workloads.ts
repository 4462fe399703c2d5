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

export function createWorkloads(store: Store, pods: Pods, clock: Clock): Workloads {
  let made = 0;

  function makePod(resource: Resource, owner: JsonObject, name: string, labels: JsonObject, node?: string): void {
    const pod = podFor({ apiVersion: apiVersionOf(resource), kind: resource.kind, object: owner }, name, labels);
    const spec = grow(pod, 'spec');
    if (node !== undefined) spec.nodeName = node;
    defaultPodSpec(spec, false);
    grow(pod, 'metadata').generation = 1;
    pod.status = { phase: 'Pending', qosClass: 'BestEffort' };
    store.create(PODS, bookedTo('kube-controller-manager', pod, timestamp(clock.now())));
  }

  const nextName = (owner: JsonObject): string => {
    made += 1;
    return `${nameOf(owner)}-${suffix(`${uidOf(owner)}/${made}`, 5)}`;
  };

  function setStatus(resource: Resource, owner: JsonObject, status: JsonObject): void {
    store.change(resource, namespaceOf(owner), nameOf(owner), (found) => {
      found.status = { observedGeneration: number(found, 'metadata', 'generation') ?? 1, ...status };
    });
  }

  function reconcileReplicaSet(set: JsonObject): void {
    const owned = ownedBy(store, PODS, set);
    const live = owned.filter((pod) => !isTerminating(pod) && !isFinished(pod));
    const wanted = isTerminating(set) ? 0 : (number(set, 'spec', 'replicas') ?? 1);
    for (const pod of live.slice(wanted)) pods.remove(pod, undefined);
    for (let count = live.length; count < wanted; count += 1) makePod(REPLICA_SETS, set, nextName(set), {});
    const ready = live.slice(0, wanted).filter(isReady).length;
    setStatus(REPLICA_SETS, set, {
      replicas: live.length,
      fullyLabeledReplicas: live.length,
      readyReplicas: ready,
      availableReplicas: ready,
    });
  }

  function replicaSetFor(deployment: JsonObject): JsonObject {
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
  }

  function reconcileDeployment(deployment: JsonObject): void {
    const wanted = replicaSetFor(deployment);
    const replicas = number(deployment, 'spec', 'replicas') ?? 1;
    for (const set of ownedBy(store, REPLICA_SETS, deployment)) {
      const target = nameOf(set) === nameOf(wanted) ? replicas : 0;
      store.change(REPLICA_SETS, namespaceOf(set), nameOf(set), (found) => {
        grow(found, 'spec').replicas = target;
      });
    }
    const current = store.get(REPLICA_SETS, namespaceOf(wanted), nameOf(wanted));
    if (!current.ok) store.create(REPLICA_SETS, wanted);
    const set = current.ok ? current.value : wanted;
    const ready = number(set, 'status', 'readyReplicas') ?? 0;
    const count = number(set, 'status', 'replicas') ?? 0;
    const available = ready >= replicas;
    const old = list(deployment, 'status', 'conditions')[0];
    const value = available ? 'True' : 'False';
    const at = text(old, 'status') === value ? text(old, 'lastTransitionTime') : timestamp(clock.now());
    store.change(DEPLOYMENTS, namespaceOf(deployment), nameOf(deployment), (found) => {
      grow(grow(found, 'metadata'), 'annotations')['deployment.kubernetes.io/revision'] ??= '1';
    });
    setStatus(DEPLOYMENTS, deployment, {
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
  }

  /** DaemonSet pods tolerate the node's own conditions by themselves; other taints need a toleration. */
  function belongs(set: JsonObject, node: JsonObject): boolean {
    const template = object(set, 'spec', 'template');
    const taints = list(node, 'spec', 'taints').filter(
      (taint) => !text(taint, 'key').startsWith('node.kubernetes.io/') && text(taint, 'effect') !== 'PreferNoSchedule',
    );
    return selects(template, node) && taints.every((taint) => tolerates(template, taint));
  }

  function reconcileDaemonSet(set: JsonObject): void {
    const owned = ownedBy(store, PODS, set).filter((pod) => !isTerminating(pod));
    const targets = isTerminating(set)
      ? []
      : store
          .all(NODES)
          .filter((node) => belongs(set, node))
          .map(nameOf);
    const generation = String(number(set, 'metadata', 'generation') ?? 1);
    const labels = {
      'controller-revision-hash': suffix(JSON.stringify(object(set, 'spec', 'template')), 10),
      'pod-template-generation': generation,
    };
    for (const node of targets) {
      if (!owned.some((pod) => text(pod, 'spec', 'nodeName') === node))
        makePod(DAEMON_SETS, set, nextName(set), labels, node);
    }
    for (const pod of owned)
      if (!targets.includes(text(pod, 'spec', 'nodeName')) && store.get(NODES, '', text(pod, 'spec', 'nodeName')).ok)
        pods.remove(pod, undefined);
    const ready = owned.filter(isReady).length;
    setStatus(DAEMON_SETS, set, {
      currentNumberScheduled: owned.length,
      numberMisscheduled: 0,
      desiredNumberScheduled: targets.length,
      numberReady: ready,
      updatedNumberScheduled: owned.length,
      numberAvailable: ready,
    });
  }

  function reconcileStatefulSet(set: JsonObject): void {
    const owned = ownedBy(store, PODS, set);
    const wanted = isTerminating(set) ? 0 : (number(set, 'spec', 'replicas') ?? 1);
    for (let index = 0; index < wanted; index += 1) {
      const name = `${nameOf(set)}-${index}`;
      const found = owned.find((pod) => nameOf(pod) === name);
      if (found === undefined)
        makePod(STATEFUL_SETS, set, name, {
          'apps.kubernetes.io/pod-index': String(index),
          'statefulset.kubernetes.io/pod-name': name,
        });
      // One at a time and in order, as `OrderedReady` says.
      if (found === undefined || !isReady(found)) break;
    }
    for (const pod of owned)
      if (Number(nameOf(pod).split('-').at(-1)) >= wanted && !isTerminating(pod)) pods.remove(pod, undefined);
    const ready = owned.filter(isReady).length;
    setStatus(STATEFUL_SETS, set, {
      replicas: owned.length,
      readyReplicas: ready,
      availableReplicas: ready,
      currentReplicas: owned.length,
      updatedReplicas: owned.length,
    });
  }

  function reconcileJob(job: JsonObject): void {
    const owned = ownedBy(store, PODS, job);
    const done = owned.filter((pod) => text(pod, 'status', 'phase') === 'Succeeded').length;
    const wanted = number(job, 'spec', 'completions') ?? 1;
    if (owned.length < wanted && !isTerminating(job)) makePod(JOBS, job, nextName(job), {});
    store.change(JOBS, namespaceOf(job), nameOf(job), (found) => {
      const status = grow(found, 'status');
      if (text(status, 'completionTime') !== '') return;
      status.startTime ??= timestamp(clock.now());
      const active = owned.filter((pod) => !isFinished(pod));
      Object.assign(status, {
        active: active.length,
        terminating: 0,
        uncountedTerminatedPods: {},
        ready: active.filter(isReady).length,
      });
      if (done < wanted) return;
      delete status.active;
      const now = timestamp(clock.now());
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
  }

  function reconcile(): void {
    for (const deployment of store.all(DEPLOYMENTS)) if (!isTerminating(deployment)) reconcileDeployment(deployment);
    for (const set of store.all(REPLICA_SETS)) reconcileReplicaSet(set);
    for (const set of store.all(DAEMON_SETS)) reconcileDaemonSet(set);
    for (const set of store.all(STATEFUL_SETS)) reconcileStatefulSet(set);
    for (const job of store.all(JOBS)) reconcileJob(job);
  }

  return { reconcile };
}
