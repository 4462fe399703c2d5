// ensure-node-removed: a node leaves its cluster; its machine is somebody else's business.
import { DRAIN_DEADLINE_MS } from '../../shared/limits.ts';
import type { Result } from '../../shared/result.ts';
import { err, ok } from '../../shared/result.ts';
import type { ClusterDial } from '../kubernetes/connect.ts';
import type { KubernetesApi, NodeView, PodView } from '../kubernetes/kubernetes-api.ts';
import { sleep } from '../ports.ts';
import { type CommandContext, type Handler, type HandlerFailure, stopped } from './handler.ts';
import { openIdentity } from './identity.ts';

const ROUND_MS = 2_000;
const PODS_NAMED_MAX = 100;
const PODS_IN_SENTENCE_MAX = 5;

/**
 * Cordons, drains if asked, deletes. DRAIN_BLOCKED names the pods that were still there at the deadline; the node stays
 * cordoned then. A node that is gone is done.
 * @param drainMs only tests have another
 */
export function ensureNodeRemoved(
  dial: Pick<ClusterDial, 'kubernetes'>,
  drainMs = DRAIN_DEADLINE_MS,
): Handler<'ensure-node-removed'> {
  return async ({ access, nodeName, drain }, context) => {
    const identity = await openIdentity(context, access.identity);
    if (!identity.ok) return identity;
    const api = dial.kubernetes(access.server, identity.value);
    try {
      const node = await api.readNode(nodeName);
      if (!node.ok) return node;
      if (node.value === null) return ok({ verb: 'ensure-node-removed', existed: false });
      if (drain) {
        const drained = await drainNode(api, node.value, context, drainMs);
        if (!drained.ok) return drained;
      }
      const may = await context.beforeChange(`delete node ${nodeName}`);
      if (!may.ok) return may;
      const deleted = await api.deleteNode(nodeName);
      return deleted.ok ? ok({ verb: 'ensure-node-removed', existed: deleted.value }) : deleted;
    } finally {
      await api.close();
    }
  };
}

async function drainNode(
  api: KubernetesApi,
  node: NodeView,
  context: CommandContext,
  drainMs: number,
): Promise<Result<null, HandlerFailure>> {
  const { clock, timers } = context.ports;
  const endAt = clock.monotonicMs() + drainMs;
  if (!node.unschedulable) {
    const may = await context.beforeChange(`cordon node ${node.name}`);
    if (!may.ok) return may;
    const cordoned = await api.cordonNode(node.name);
    if (!cordoned.ok) return cordoned;
  }
  for (;;) {
    const pods = await podsToLeave(api, node.name);
    if (!pods.ok) return pods;
    if (pods.value.length === 0) return ok(null);
    if (clock.monotonicMs() >= endAt) return err(blockedBy(node.name, pods.value));
    const evicted = await evictAll(api, pods.value, context);
    if (!evicted.ok) return evicted;
    if (!(await sleep(timers, ROUND_MS, context.signal))) return err(stopped);
  }
}

/**
 * A DaemonSet would put its pod back, and a mirror pod is the kubelet's: the API server would evict both, so they are left out
 * here. Finished pods hold nothing up. On a node that was lost nobody ends a terminating pod: it goes with the Node object.
 */
async function podsToLeave(api: KubernetesApi, nodeName: string): Promise<Result<PodView[], HandlerFailure>> {
  const [pods, node] = await Promise.all([api.listPodsOn(nodeName), api.readNode(nodeName)]);
  if (!pods.ok) return pods;
  if (!node.ok) return node;
  if (node.value === null) return ok([]);
  const lost = node.value.unreachable;
  return ok(
    pods.value.filter(
      (pod) =>
        !pod.mirror &&
        !pod.ofDaemonSet &&
        pod.phase !== 'Succeeded' &&
        pod.phase !== 'Failed' &&
        !(lost && pod.terminating),
    ),
  );
}

/** Blocked ones are asked for again in the next round: a budget frees up as others become ready elsewhere. */
async function evictAll(
  api: KubernetesApi,
  pods: readonly PodView[],
  context: CommandContext,
): Promise<Result<null, HandlerFailure>> {
  for (const { namespace, name, terminating } of pods) {
    if (terminating) continue;
    const may = await context.beforeChange(`evict pod ${namespace}/${name}`);
    if (!may.ok) return may;
    const evicted = await api.evictPod(namespace, name);
    if (!evicted.ok) return evicted;
  }
  return ok(null);
}

function blockedBy(nodeName: string, pods: readonly PodView[]): HandlerFailure {
  const names = pods.map(({ namespace, name }) => `${namespace}/${name}`);
  const named = names.slice(0, PODS_IN_SENTENCE_MAX);
  return {
    code: 'DRAIN_BLOCKED',
    pods: names.slice(0, PODS_NAMED_MAX),
    detail: `${pods.length} pods are still on ${nodeName} (${named.join(', ')}${pods.length > named.length ? ', …' : ''}): a disruption budget holds them, or they do not end`,
  };
}
