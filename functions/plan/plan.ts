// Pure. What a plan is: effects as data, when to wake, and what is being waited for. The objects carry it out.
import type { Claim } from '../../shared/claim.ts';
import type { ClusterSummary, TimelineEntry, WaitingOnView } from '../../shared/cluster-view.ts';
import type { Command, CommandId } from '../../shared/command.ts';
import type { EpochMs } from '../../shared/ids.ts';

export type Effect =
  | { readonly kind: 'send-command'; readonly command: Command }
  /** The gateway forgets these, and the relay stops what stands under them. */
  | { readonly kind: 'withdraw-commands'; readonly commandIds: readonly CommandId[] }
  /**
   * The gateway shuts out the relay of this claim, and takes back codes made for it. Before the commands that follow it: the
   * next may give the relay's machine away ([GW4]). May be repeated.
   */
  | { readonly kind: 'revoke-relay'; readonly claim: Claim }
  /** The gateway keeps no place in line for this cluster (U6). */
  | { readonly kind: 'leave-queue' }
  | { readonly kind: 'project-cluster'; readonly row: ClusterSummary & { readonly wakeAt: EpochMs | null } }
  | { readonly kind: 'record-timeline'; readonly entries: readonly Omit<TimelineEntry, 'seq'>[] };

export type Plan = {
  readonly effects: readonly Effect[];
  /** When to plan again though nothing happens; null only at rest. */
  readonly wakeAt: EpochMs | null;
  readonly waitingOn: readonly WaitingOnView[];
};
