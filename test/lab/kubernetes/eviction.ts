// The eviction subresource: 201 with a Status, 429 while a budget forbids it, 500 when two budgets cover one pod.
import type { Result } from '../../../shared/result.ts';
import { err, ok } from '../../../shared/result.ts';
import { timestamp } from './clock.ts';
import { stateOf } from './disruption-budgets.ts';
import type { JsonObject } from './json.ts';
import { clone, dig, grow, isTerminating, labelsOf, list, nameOf, namespaceOf, number, text, uidOf } from './json.ts';
import { isFinished } from './pod-object.ts';
import type { Pods } from './pods.ts';
import { DISRUPTION_BUDGETS, PODS } from './resources.ts';
import { matchesLabelSelector } from './selectors.ts';
import type { ApiFailure } from './status.ts';
import { badRequest, disruptionBudget, internal, uidConflict } from './status.ts';
import type { Store } from './store.ts';

const EVICTED: JsonObject = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 };

/** Evicts one pod by an Eviction body. DaemonSet and mirror pods are evicted too, as on a real server. */
export function evict(
  store: Store,
  pods: Pods,
  pod: JsonObject,
  eviction: JsonObject,
  nowMs: number,
  dryRun: boolean,
): Result<JsonObject, ApiFailure> {
  const name = nameOf(eviction);
  if (name !== '' && name !== nameOf(pod)) return err(badRequest('name in URL does not match name in Eviction object'));
  const uid = text(eviction, 'deleteOptions', 'preconditions', 'uid');
  if (uid !== '' && uid !== uidOf(pod)) return err(uidConflict('Pod', nameOf(pod), uid, uidOf(pod)));
  if (isTerminating(pod)) return ok(EVICTED);
  const budgets = store
    .all(DISRUPTION_BUDGETS, namespaceOf(pod))
    .filter((budget) => matchesLabelSelector(dig(budget, 'spec', 'selector'), labelsOf(pod)));
  const [budget, second] = budgets;
  if (second !== undefined) {
    return err(
      internal('This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.'),
    );
  }
  if (budget !== undefined && !isFinished(pod) && text(pod, 'status', 'phase') !== 'Pending') {
    const state = stateOf(store, budget);
    if (state.allowed < 1) {
      const message = `The disruption budget ${nameOf(budget)} needs ${state.desired} healthy pods and has ${state.healthy} currently`;
      return err(disruptionBudget([{ reason: 'DisruptionBudget', message }]));
    }
  }
  if (dryRun) return ok(EVICTED);
  const marked = clone(pod);
  const status = grow(marked, 'status');
  const target = {
    type: 'DisruptionTarget',
    status: 'True',
    lastProbeTime: null,
    lastTransitionTime: timestamp(nowMs),
    reason: 'EvictionByEvictionAPI',
    message: 'Eviction API: evicting',
  };
  status.conditions = [...list(status, 'conditions'), target];
  const written = store.update(PODS, marked);
  if (!written.ok) return written;
  pods.remove(written.value, number(eviction, 'deleteOptions', 'gracePeriodSeconds'));
  return ok(EVICTED);
}
