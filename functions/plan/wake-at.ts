// Pure. When to plan again though nothing happens ([CL5], [WA1], invariant I9): the first moment at which a plan could differ.
import type { Waits } from '../../shared/limits.ts';
import { type ClusterState, currentMachines } from './cluster-state.ts';
import { mayAddMember } from './control-plane-safety.ts';
import { deadlineOf, doubtUntil, graceMs } from './deadlines.ts';
import { slotsToFill } from './gateway-growth.ts';
import { needsAddress } from './plan-address.ts';
import { inventoryDueAt } from './plan-choice.ts';
import { queueLookAt } from './plan-queue.ts';
import { TRIES_WINDOW_MS } from './plan-replacement.ts';
import { addressDueAt } from './plan-teardown.ts';
import { isAtRest, waitingOn } from './waiting-on.ts';

/** Null only at rest. Never in the past, and the same for the same state and moment. */
export function wakeAtOf(state: ClusterState, now: number, waits: Waits): number | null {
  if (state.deletedAt !== null) return null;
  const moments = [
    ...waitingOn(state, now, waits).flatMap(({ deadlineAt }) => deadlineAt ?? []),
    ...Object.entries(state.pending).flatMap(([key, pending]) => lostAt(state, key, pending.deadlineAt, waits)),
    ...machineMoments(state, now, waits),
    ...(slotsToFill(state, now, waits).length > 0 || needsAddress(state) ? [inventoryDueAt({ state, waits })] : []),
    ...queueLookAt(state, now, waits),
    ...(state.intent.kind === 'present' ? [] : [addressDueAt({ state, waits })]),
  ].filter((moment) => moment > now);
  if (moments.length > 0) return Math.min(...moments);
  // Whatever was forgotten here is found by looking again, slowly.
  return isAtRest(state) ? null : (Math.floor(now / waits.retryMsMax) + 1) * waits.retryMsMax;
}

function lostAt(state: ClusterState, key: string, deadlineAt: number, waits: Waits): number[] {
  if (state.gateway?.connected === false || key.endsWith('/observe-cluster')) return [];
  return [Math.max(deadlineAt, state.gateway?.since ?? 0) + waits.commandDeadlineMs];
}

function machineMoments(state: ClusterState, now: number, waits: Waits): number[] {
  const may = mayAddMember(state, now, waits);
  const seen = currentMachines(state).flatMap(({ maas }) =>
    maas === null ? [] : (deadlineOf(state, maas.since, graceMs(waits), waits) ?? []),
  );
  const doubts = state.machines.map(({ doubt }) => doubtUntil(doubt, waits));
  const failures = state.provisionedAt === null ? [] : Object.values(state.slots).flatMap(({ failedAt }) => failedAt);
  const lookAt = may.ok || state.intent.kind !== 'present' ? [] : [may.error.lookAt ?? 0];
  return [...lookAt, ...seen, ...doubts, ...failures.map((at) => at + TRIES_WINDOW_MS)];
}
