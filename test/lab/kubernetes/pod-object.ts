// What pods look like: from a template and an owner to a Pod, and its status through its life.

import { timestamp } from './clock.ts';
import type { Json, JsonObject } from './json.ts';
import { clone, dig, grow, isObject, list, nameOf, object, text, uidOf } from './json.ts';

export type PodOwner = { readonly apiVersion: string; readonly kind: string; readonly object: JsonObject };

const TOLERATED_FOR_A_WHILE = ['not-ready', 'unreachable'].map(
  (condition): JsonObject => ({
    key: `node.kubernetes.io/${condition}`,
    operator: 'Exists',
    effect: 'NoExecute',
    tolerationSeconds: 300,
  }),
);

/** The fields the server fills in a pod spec. Writes into `spec`. */
export function defaultPodSpec(spec: JsonObject, isTemplate: boolean): void {
  for (const field of ['containers', 'initContainers']) {
    for (const container of list(spec, field)) {
      if (!isObject(container)) continue;
      container.resources ??= {};
      container.terminationMessagePath ??= '/dev/termination-log';
      container.terminationMessagePolicy ??= 'File';
      container.imagePullPolicy ??=
        /:[^/]+$/.test(text(container, 'image')) && !text(container, 'image').endsWith(':latest')
          ? 'IfNotPresent'
          : 'Always';
    }
  }
  spec.restartPolicy ??= 'Always';
  spec.terminationGracePeriodSeconds ??= 30;
  spec.dnsPolicy ??= 'ClusterFirst';
  spec.securityContext ??= {};
  spec.schedulerName ??= 'default-scheduler';
  if (isTemplate) {
    if (spec.serviceAccountName !== undefined) spec.serviceAccount ??= spec.serviceAccountName;
    return;
  }
  spec.serviceAccountName ??= 'default';
  spec.serviceAccount ??= spec.serviceAccountName;
  const tolerations = list(spec, 'tolerations');
  for (const toleration of TOLERATED_FOR_A_WHILE) {
    const has = tolerations.some(
      (one) => text(one, 'key') === toleration.key || (text(one, 'key') === '' && text(one, 'operator') === 'Exists'),
    );
    if (!has) tolerations.push(clone(toleration));
  }
  spec.tolerations = tolerations;
  spec.priority ??= 0;
  spec.enableServiceLinks ??= true;
  spec.preemptionPolicy ??= 'PreemptLowerPriority';
}

/** A pod of a workload. `name` is the whole name; `labels` go on top of the template's. */
export function podFor(owner: PodOwner, name: string, labels: JsonObject): JsonObject {
  const template = object(owner.object, 'spec', 'template');
  const spec = clone(object(template, 'spec'));
  const metadata: JsonObject = {
    name,
    namespace: text(owner.object, 'metadata', 'namespace'),
    labels: { ...object(template, 'metadata', 'labels'), ...labels },
    ownerReferences: [
      {
        apiVersion: owner.apiVersion,
        kind: owner.kind,
        name: nameOf(owner.object),
        uid: uidOf(owner.object),
        controller: true,
        blockOwnerDeletion: true,
      },
    ],
  };
  const annotations = object(template, 'metadata', 'annotations');
  if (Object.keys(annotations).length > 0) metadata.annotations = clone(annotations);
  if (owner.kind !== 'StatefulSet') metadata.generateName = `${nameOf(owner.object)}-`;
  return { kind: 'Pod', apiVersion: 'v1', metadata, spec };
}

export const isReady = (pod: Json | undefined): boolean =>
  list(pod, 'status', 'conditions').some(
    (condition) => text(condition, 'type') === 'Ready' && text(condition, 'status') === 'True',
  );

export const isFinished = (pod: Json | undefined): boolean =>
  ['Succeeded', 'Failed'].includes(text(pod, 'status', 'phase'));

export const isMirror = (pod: Json | undefined): boolean =>
  dig(pod, 'metadata', 'annotations', 'kubernetes.io/config.mirror') !== undefined;

function condition(type: string, status: string, now: string, more: JsonObject = {}, counted = true): JsonObject {
  return {
    type,
    ...(counted ? { observedGeneration: 1 } : {}),
    status,
    lastProbeTime: null,
    lastTransitionTime: now,
    ...more,
  };
}

/** Pending since no node takes it. */
export function markUnschedulable(pod: JsonObject, why: string, nowMs: number): void {
  const status = grow(pod, 'status');
  status.phase = 'Pending';
  status.conditions = [condition('PodScheduled', 'False', timestamp(nowMs), { reason: 'Unschedulable', message: why })];
  status.qosClass ??= 'BestEffort';
}

/** Running and ready on its node. */
export function markRunning(pod: JsonObject, hostIp: string, podIp: string, nowMs: number): void {
  const now = timestamp(nowMs);
  const status = grow(pod, 'status');
  if (!isMirror(pod)) status.observedGeneration = 1;
  status.phase = 'Running';
  status.conditions = ['PodReadyToStartContainers', 'Initialized', 'Ready', 'ContainersReady', 'PodScheduled'].map(
    (type) => condition(type, 'True', now, {}, !isMirror(pod)),
  );
  status.hostIP = hostIp;
  status.hostIPs = [{ ip: hostIp }];
  status.podIP = podIp;
  status.podIPs = [{ ip: podIp }];
  status.startTime = now;
  status.resources ??= {};
  status.containerStatuses = list(pod, 'spec', 'containers').map(
    (container): JsonObject => ({
      name: text(container, 'name'),
      state: { running: { startedAt: now } },
      lastState: {},
      ready: true,
      restartCount: 0,
      image: text(container, 'image'),
      imageID: text(container, 'image'),
      containerID: `containerd://${uidOf(pod).replaceAll('-', '')}`,
      started: true,
    }),
  );
  status.qosClass ??= 'BestEffort';
}

/** Not ready any more, though the phase stays: what the node controller does to pods of a silent node. */
export function markUnready(pod: JsonObject, nowMs: number): void {
  for (const entry of list(pod, 'status', 'conditions')) {
    if (!isObject(entry) || text(entry, 'type') !== 'Ready' || text(entry, 'status') === 'False') continue;
    entry.status = 'False';
    entry.lastTransitionTime = timestamp(nowMs);
  }
}

/** Ended well: pods of Jobs. */
export function markSucceeded(pod: JsonObject, nowMs: number): void {
  const now = timestamp(nowMs);
  const status = grow(pod, 'status');
  status.phase = 'Succeeded';
  for (const entry of list(status, 'conditions')) {
    if (!isObject(entry) || !['Ready', 'ContainersReady'].includes(text(entry, 'type'))) continue;
    Object.assign(entry, { status: 'False', reason: 'PodCompleted', lastTransitionTime: now });
  }
  for (const entry of list(status, 'containerStatuses')) {
    if (!isObject(entry)) continue;
    const startedAt = text(entry, 'state', 'running', 'startedAt');
    Object.assign(entry, { ready: false, started: false });
    entry.state = { terminated: { exitCode: 0, reason: 'Completed', startedAt, finishedAt: now } };
  }
}
