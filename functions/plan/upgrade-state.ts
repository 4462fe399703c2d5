// Pure. The upgrade of one gateway: what was asked for, how far it is, and what is seen of the gateway (SPEC.md, Upgrade).
import { z } from 'zod';
import type { ClusterPhase, WaitingOnView } from '../../shared/cluster-view.ts';
import { EpochMs, RelayNodeId } from '../../shared/ids.ts';
import {
  MachinesRelease,
  MaintenanceWindow,
  ReleaseVersion,
  SignedRelease,
  UpgradeStage,
} from '../../shared/release.ts';

const Moment = EpochMs.nullable();

/** The node whose turn it is. */
const Turn = z.strictObject({
  nodeId: RelayNodeId,
  hostname: z.string(),
  since: EpochMs,
  /** Of its command. */
  attempt: z.int().positive(),
  /** When it was first told; null while it is waited for. */
  sentAt: Moment,
  /** Told again not before this; null unless its last try failed in passing. */
  retryAt: Moment,
  trouble: z.string().nullable(),
});

export const UpgradeState = z.strictObject({
  version: z.literal(1),
  /** Rises with each upgrade of the gateway: the generation of its commands. */
  number: z.int().positive(),
  release: SignedRelease,
  from: z.string(),
  to: ReleaseVersion,
  /** What the machines are to run; null: they stay as they are. */
  machines: MachinesRelease.nullable(),
  actor: z.string().max(128),
  window: MaintenanceWindow.nullable(),
  requestedAt: EpochMs,
  startedAt: Moment,
  endedAt: Moment,
  stage: UpgradeStage,
  turn: Turn.nullable(),
  exchanged: z.array(RelayNodeId),
  machinesSince: Moment,
  /** When their cluster took the order. */
  machinesAskedAt: Moment,
  failure: z.strictObject({ code: z.string().max(64), message: z.string().max(2_000) }).nullable(),
});
export type UpgradeState = z.infer<typeof UpgradeState>;

export type NodeFacts = {
  readonly nodeId: RelayNodeId;
  readonly hostname: string;
  readonly version: string;
  readonly connected: boolean;
  readonly leader: boolean;
};

export type UpgradeFacts = {
  readonly nodes: readonly NodeFacts[];
  readonly hasMachines: boolean;
  /** As their cluster was seen a moment ago; null when it was not looked at. */
  readonly machines: { readonly phase: ClusterPhase; readonly waitingOn: readonly WaitingOnView[] } | null;
};

export type NewUpgrade = Pick<UpgradeState, 'number' | 'release' | 'from' | 'to' | 'machines' | 'actor' | 'window'>;

export function newUpgrade(asked: NewUpgrade, now: EpochMs): UpgradeState {
  return {
    ...{ version: 1, ...asked, requestedAt: now, startedAt: null, endedAt: null, stage: 'scheduled', turn: null },
    ...{ exchanged: [], machinesSince: null, machinesAskedAt: null, failure: null },
  };
}

/** Clusters that are created meanwhile wait (U6). */
export const isUnderWay = ({ stage }: Pick<UpgradeState, 'stage'>): boolean =>
  stage === 'relays' || stage === 'machines';

export const hasEnded = (state: Pick<UpgradeState, 'stage'>): boolean =>
  !isUnderWay(state) && state.stage !== 'scheduled';

export function ended(
  state: UpgradeState,
  stage: 'done' | 'failed' | 'missed' | 'cancelled',
  now: EpochMs,
  failure: UpgradeState['failure'] = null,
): UpgradeState {
  return { ...state, stage, failure, endedAt: now, turn: null };
}
