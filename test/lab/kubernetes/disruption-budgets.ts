// PodDisruptionBudgets: how many pods a budget wants healthy and how many may go now.
import { timestamp } from './clock.ts';
import type { Json, JsonObject } from './json.ts';
import { dig, isTerminating, labelsOf, list, namespaceOf, number, object, text } from './json.ts';
import { isFinished, isReady } from './pod-object.ts';
import { DISRUPTION_BUDGETS, PODS } from './resources.ts';
import { matchesLabelSelector } from './selectors.ts';
import type { Store } from './store.ts';

export type BudgetState = {
  readonly allowed: number;
  readonly healthy: number;
  readonly desired: number;
  readonly expected: number;
};

function share(value: Json | undefined, total: number): number | undefined {
  if (typeof value === 'number') return value;
  const percent = typeof value === 'string' ? /^(\d+)%$/.exec(value)?.[1] : undefined;
  return percent === undefined ? undefined : Math.ceil((Number(percent) * total) / 100);
}

/** The pods a budget covers: of its namespace, by its selector, not yet finished. An empty selector covers all. */
export function coveredPods(store: Store, budget: JsonObject): JsonObject[] {
  const selector = dig(budget, 'spec', 'selector');
  return store
    .all(PODS, namespaceOf(budget))
    .filter((pod) => !isFinished(pod) && matchesLabelSelector(selector, labelsOf(pod)));
}

export function stateOf(store: Store, budget: JsonObject): BudgetState {
  const pods = coveredPods(store, budget);
  const expected = pods.length;
  const healthy = pods.filter((pod) => isReady(pod) && !isTerminating(pod)).length;
  const spec = object(budget, 'spec');
  const unavailable = share(spec.maxUnavailable, expected);
  const desired =
    unavailable === undefined ? (share(spec.minAvailable, expected) ?? 1) : Math.max(0, expected - unavailable);
  return { healthy, desired, expected, allowed: Math.max(0, healthy - desired) };
}

/** Writes every budget's status, as the disruption controller does. */
export function reconcileBudgets(store: Store, nowMs: number): void {
  for (const budget of store.all(DISRUPTION_BUDGETS)) {
    const state = stateOf(store, budget);
    store.change(DISRUPTION_BUDGETS, namespaceOf(budget), text(budget, 'metadata', 'name'), (found) => {
      const allowed = state.allowed > 0;
      const old = list(found, 'status', 'conditions')[0];
      const value = allowed ? 'True' : 'False';
      found.status = {
        observedGeneration: number(found, 'metadata', 'generation') ?? 1,
        disruptionsAllowed: state.allowed,
        currentHealthy: state.healthy,
        desiredHealthy: state.desired,
        expectedPods: state.expected,
        conditions: [
          {
            type: 'DisruptionAllowed',
            status: value,
            observedGeneration: number(found, 'metadata', 'generation') ?? 1,
            lastTransitionTime: text(old, 'status') === value ? text(old, 'lastTransitionTime') : timestamp(nowMs),
            reason: allowed ? 'SufficientPods' : 'InsufficientPods',
            message: '',
          },
        ],
      };
    });
  }
}
