// What a demo run says in one line of JSON, and its exit code.
import type { ClusterPhase } from '../../shared/cluster-view.ts';

export type Leftovers = { readonly machines: number; readonly addresses: number; readonly dnsRecords: number };

type Nodes = readonly {
  readonly name: string;
  readonly ready: boolean;
  readonly role: 'control-plane' | 'worker';
}[];

/** Of the story `gateway`; times in real milliseconds. */
export type GatewayOutcome = {
  readonly phase: 'running';
  /** Its machines; ready when an active relay is connected from there. */
  readonly nodes: Nodes;
  /** The release that all its relays run; null when that is not what was asked for. */
  readonly upgradedTo: string | null;
  readonly resizedTo: number;
  /** The code with which its deletion was refused while a cluster stood. */
  readonly refused: string | null;
  readonly installMs: number;
  readonly upgradeMs: number;
  readonly resizeMs: number;
  readonly wallMs: number;
  readonly leftovers: number;
};

export type DemoOutcome =
  | GatewayOutcome
  | {
      readonly phase: ClusterPhase;
      readonly nodes: Nodes;
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

/** 0 only for what runs with all nodes ready, a gateway as its story wants it and, after a deletion, nothing left. */
export function exitCodeOf(outcome: DemoOutcome, deleted: boolean): number {
  if (outcome.phase !== 'running' || !('nodes' in outcome)) return 1;
  if ('resizedTo' in outcome) {
    const { resizedTo, upgradedTo, refused } = outcome;
    if (resizedTo !== 3 || upgradedTo === null || refused !== 'GATEWAY_HAS_CLUSTERS') return 1;
  }
  const ready = outcome.nodes.length > 0 && outcome.nodes.every((node) => node.ready);
  return ready && (!deleted || outcome.leftovers === 0) ? 0 : 1;
}
