// Nodes and pods as Kubernetes shows them, reduced to what is looked at.
import { z } from 'zod';
import type { NodeView, PodView } from './kubernetes-api.ts';

const CONTROL_PLANE_LABEL = 'node-role.kubernetes.io/control-plane';
const MIRROR_ANNOTATION = 'kubernetes.io/config.mirror';

const Text = z.record(z.string(), z.string()).default({});

export const NodeObject = z.object({
  metadata: z.object({ name: z.string(), resourceVersion: z.string(), labels: Text }),
  spec: z.object({ providerID: z.string().optional(), unschedulable: z.boolean().default(false) }).prefault({}),
  status: z
    .object({
      conditions: z
        .array(
          z.object({
            type: z.string(),
            status: z.string(),
            reason: z.string().default(''),
            message: z.string().default(''),
          }),
        )
        .default([]),
      addresses: z.array(z.object({ type: z.string(), address: z.string() })).default([]),
      nodeInfo: z.object({ kubeletVersion: z.string().default('') }).prefault({}),
    })
    .prefault({}),
});

export const NodeList = z.object({
  metadata: z.object({ resourceVersion: z.string() }),
  items: z.array(NodeObject),
});

export const PodList = z.object({
  items: z.array(
    z.object({
      metadata: z.object({
        name: z.string(),
        namespace: z.string(),
        annotations: Text,
        deletionTimestamp: z.string().optional(),
        ownerReferences: z.array(z.object({ kind: z.string(), controller: z.boolean().default(false) })).default([]),
      }),
      status: z.object({ phase: z.string().default('') }).prefault({}),
    }),
  ),
});

export function nodeViewOf(node: z.infer<typeof NodeObject>): NodeView {
  const ready = node.status.conditions.find((condition) => condition.type === 'Ready');
  const isReady = ready?.status === 'True';
  return {
    name: node.metadata.name,
    resourceVersion: node.metadata.resourceVersion,
    ready: isReady,
    reason: isReady ? '' : notReadyReason(ready),
    role: CONTROL_PLANE_LABEL in node.metadata.labels ? 'control-plane' : 'worker',
    unschedulable: node.spec.unschedulable,
    unreachable: ready?.status === 'Unknown',
    providerId: node.spec.providerID ?? null,
    internalIp: node.status.addresses.find((address) => address.type === 'InternalIP')?.address ?? null,
    kubeletVersion: node.status.nodeInfo.kubeletVersion,
  };
}

function notReadyReason(condition: { reason: string; message: string } | undefined): string {
  if (condition === undefined) return 'the kubelet has not reported yet';
  return [condition.reason, condition.message]
    .filter((text) => text !== '')
    .join(': ')
    .slice(0, 500);
}

export function podViewOf(pod: z.infer<typeof PodList>['items'][number]): PodView {
  const { metadata } = pod;
  return {
    namespace: metadata.namespace,
    name: metadata.name,
    phase: pod.status.phase,
    terminating: metadata.deletionTimestamp !== undefined,
    mirror: MIRROR_ANNOTATION in metadata.annotations,
    ofDaemonSet: metadata.ownerReferences.some((owner) => owner.kind === 'DaemonSet' && owner.controller),
  };
}
