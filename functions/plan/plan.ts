// Pure. What a plan is: effects as data, when to wake, and what is being waited for. The objects carry it out.
import type { ClusterSummary, TimelineEntry, WaitingOnView } from '../../shared/cluster-view.ts';
import type { Command, CommandId } from '../../shared/command.ts';
import type { EpochMs } from '../../shared/ids.ts';

export type Effect =
  | { readonly kind: 'send-command'; readonly command: Command }
  /** The gateway forgets these, and the relay stops what stands under them. */
  | { readonly kind: 'withdraw-commands'; readonly commandIds: readonly CommandId[] }
  | { readonly kind: 'project-cluster'; readonly row: ClusterSummary & { readonly wakeAt: EpochMs | null } }
  | { readonly kind: 'record-timeline'; readonly entries: readonly Omit<TimelineEntry, 'seq'>[] };

export type Plan = {
  readonly effects: readonly Effect[];
  /** When to plan again though nothing happens; null only at rest. */
  readonly wakeAt: EpochMs | null;
  readonly waitingOn: readonly WaitingOnView[];
};
