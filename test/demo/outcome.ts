// What a demo run says in one line of JSON, and its exit code.
import type { ClusterPhase } from '../../shared/cluster-view.ts';

export type Leftovers = { readonly machines: number; readonly addresses: number; readonly dnsRecords: number };

export type DemoOutcome =
  | {
      readonly phase: ClusterPhase;
      readonly nodes: readonly {
        readonly name: string;
        readonly ready: boolean;
        readonly role: 'control-plane' | 'worker';
      }[];
      /** From the request to the phase above, in real milliseconds. */
      readonly wallMs: number;
      /** The lab's own delays along the critical path. */
      readonly machineMs: number;
      readonly overheadMs: number;
      /** Machines, reserved addresses and DNS records of ours in MAAS; before deletion when it was not asked for. */
      readonly leftovers: number;
    }
  | { readonly phase: 'failed'; readonly code: string; readonly leftovers: number };

export const countOf = (left: Leftovers): number => left.machines + left.addresses + left.dnsRecords;

/** 0 only for a running cluster whose nodes are all ready and, after a deletion, nothing left. */
export function exitCodeOf(outcome: DemoOutcome, deleted: boolean): number {
  if (outcome.phase !== 'running' || !('nodes' in outcome)) return 1;
  const ready = outcome.nodes.length > 0 && outcome.nodes.every((node) => node.ready);
  return ready && (!deleted || outcome.leftovers === 0) ? 0 : 1;
}
