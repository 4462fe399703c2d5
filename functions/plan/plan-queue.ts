// Pure. A cluster that stands in line until the upgrade of its gateway has ended: it asks for nothing (SPEC.md [QU1]-[QU3]).
import type { WaitingOnView } from '../../shared/cluster-view.ts';
import type { Waits } from '../../shared/limits.ts';
import type { ClusterState } from './cluster-state.ts';
import { type Draft, withdraw } from './draft.ts';

/** What it asked for before it heard that it stands in line is taken back; it is asked for anew when its turn has come. */
export function waitInLine(draft: Draft): void {
  withdraw(draft, Object.keys(draft.state.pending));
  if (draft.state.watching !== null) draft.state = { ...draft.state, watching: null };
}

/** It is given up: nobody has to wait behind it. */
export function leaveLine(draft: Draft): void {
  if (draft.state.queued === null) return;
  draft.state = { ...draft.state, queued: null };
  draft.effects.push({ kind: 'leave-queue' });
}

/** The end of the upgrade has deadlines of its own; this one moves on, and at each it is looked whether it still waits. */
export function queueWait({ queued }: ClusterState, now: number, waits: Waits): WaitingOnView[] {
  if (queued === null) return [];
  const { ahead, since } = queued;
  const line =
    ahead === 0 ? 'it is the first in line' : `${ahead} ${ahead === 1 ? 'cluster is' : 'clusters are'} ahead of it`;
  const periods = Math.floor((now - since) / waits.shortageDeadlineMs) + 1;
  const deadlineAt = since + periods * waits.shortageDeadlineMs;
  const sentence = `Waiting for the upgrade of its gateway to end; ${line}.`;
  return [{ code: 'gateway-upgrading', slot: null, sentence, since, deadlineAt }];
}

/** When it asks by itself whether it still stands in line: what it was told may have been lost. */
export function queueLookAt({ queued }: ClusterState, now: number, waits: Waits): number[] {
  return queued === null ? [] : [(Math.floor(now / waits.commandDeadlineMs) + 1) * waits.commandDeadlineMs];
}
