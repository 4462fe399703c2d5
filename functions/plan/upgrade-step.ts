// Pure. How an upgrade goes on: from the whole state and what is seen of the gateway, so it may be asked at any time and again
// (SPEC.md [UP1]-[UP7]). The objects carry out what it says and remember what it became.
import { doubling } from '../../shared/backoff.ts';
import type { CommandFailure, CommandOutcome } from '../../shared/command.ts';
import type { EpochMs, RelayNodeId } from '../../shared/ids.ts';
import { SHORTAGE_DEADLINE_MS, UPGRADE_NODE_DEADLINE_MS } from '../../shared/limits.ts';
import type { ApiFailure } from '../../shared/problem.ts';
import type { MachinesRelease } from '../../shared/release.ts';
import { failureOf } from './upgrade-failure.ts';
import { isBefore } from './upgrade-offer.ts';
import { ended, isUnderWay, type NodeFacts, type UpgradeFacts, type UpgradeState } from './upgrade-state.ts';

const RETRY_MS_MIN = 2_000;
const RETRY_MS_MAX = 120_000;

export type UpgradeAction =
  /** `ensure-relay-program` for this node. The same until it is settled. */
  | { readonly kind: 'exchange'; readonly nodeId: RelayNodeId; readonly attempt: number; readonly deadlineAt: EpochMs }
  | { readonly kind: 'change-machines'; readonly release: MachinesRelease };

export type UpgradeStep = {
  readonly state: UpgradeState;
  readonly action: UpgradeAction | null;
  /** When to ask again though nothing happens; null when it has ended. */
  readonly wakeAt: EpochMs | null;
};

export function stepUpgrade(before: UpgradeState, facts: UpgradeFacts, now: EpochMs): UpgradeStep {
  let state = before;
  if (state.stage === 'scheduled') state = begin(state, facts, now);
  if (state.stage === 'relays') state = takeTurns(state, facts, now);
  if (state.stage === 'machines') state = seeMachines(state, facts, now);
  return { state, action: actionOf(state, now), wakeAt: wakeAtOf(state, facts, now) };
}

/** [UP1] */
function begin(state: UpgradeState, { nodes }: UpgradeFacts, now: EpochMs): UpgradeState {
  const { window } = state;
  if (window !== null && now >= window.endsAt) return ended(state, 'missed', now);
  const isDue = window === null || now >= window.startsAt;
  if (!isDue || !nodes.some(({ connected }) => connected)) return state;
  return { ...state, stage: 'relays', startedAt: now };
}

/** [UP2]-[UP6] */
function takeTurns(state: UpgradeState, facts: UpgradeFacts, now: EpochMs): UpgradeState {
  const fallen = fallenOf(state, facts);
  if (fallen !== null) return rolledBack(state, fallen, now);
  const turn = state.turn === null ? undefined : facts.nodes.find(({ nodeId }) => nodeId === state.turn?.nodeId);
  if (turn !== undefined && isOver(state, turn, now)) return takeTurns(exchanged(state, turn.nodeId), facts, now);
  const next = nextNode(state, facts.nodes);
  if (next === null) return afterRelays(state, facts, now);
  const stays = state.turn?.nodeId === next.nodeId ? state.turn : null;
  const given = stays ?? { ...waitingFor(next), since: now };
  if (now >= (given.sentAt ?? given.since) + UPGRADE_NODE_DEADLINE_MS) {
    const code = given.sentAt === null ? 'RELAY_OFFLINE' : 'DEADLINE_PASSED';
    return ended(state, 'failed', now, failureOf(code, given.trouble ?? '', next, state));
  }
  const isSent = given.sentAt !== null || next.connected;
  const isDue = given.retryAt === null || given.retryAt <= now;
  const sentAt = isSent ? (given.sentAt ?? now) : null;
  const stands = { ...given, sentAt, retryAt: isDue ? null : given.retryAt };
  return JSON.stringify(stands) === JSON.stringify(state.turn) ? state : { ...state, turn: stands };
}

/** [UP5] */
const fallenOf = (state: UpgradeState, { nodes }: UpgradeFacts): NodeFacts | null =>
  nodes.find((node) => state.exchanged.includes(node.nodeId) && isOld(state, node)) ?? null;

const isOld = ({ to }: UpgradeState, { version }: NodeFacts): boolean => isBefore(version, to);

/**
 * [UP3] Without an outcome. Who was told and says that it runs the version may still be watched by its former program, and be
 * rolled back; 20 minutes later it is not.
 */
function isOver({ to, turn }: UpgradeState, { version }: NodeFacts, now: EpochMs): boolean {
  if (turn === null || isBefore(version, to)) return false;
  return version !== to || turn.sentAt === null || now >= turn.sentAt + UPGRADE_NODE_DEADLINE_MS;
}

const waitingFor = ({ nodeId, hostname }: NodeFacts) => ({
  ...{ nodeId, hostname, attempt: 1, sentAt: null, retryAt: null, trouble: null },
});

const exchanged = (state: UpgradeState, nodeId: RelayNodeId): UpgradeState => ({
  ...state,
  turn: null,
  exchanged: [...state.exchanged.filter((one) => one !== nodeId), nodeId],
});

const rolledBack = (state: UpgradeState, node: Pick<NodeFacts, 'nodeId' | 'hostname'>, now: EpochMs): UpgradeState =>
  ended(state, 'failed', now, failureOf('RELEASE_ROLLED_BACK', '', node, state));

/** Who was told goes on. Otherwise standbys that are connected, then those that are waited for, and the leader at last. */
function nextNode(state: UpgradeState, nodes: readonly NodeFacts[]): NodeFacts | null {
  const old = nodes.filter((node) => isOld(state, node));
  const told = nodes.find(({ nodeId }) => nodeId === state.turn?.nodeId && state.turn.sentAt !== null);
  if (told !== undefined) return told;
  const standbys = old.filter(({ leader }) => !leader);
  const waited = standbys.find(({ nodeId }) => nodeId === state.turn?.nodeId);
  return standbys.find(({ connected }) => connected) ?? waited ?? standbys[0] ?? old[0] ?? null;
}

function afterRelays(state: UpgradeState, { hasMachines }: UpgradeFacts, now: EpochMs): UpgradeState {
  if (state.machines === null || !hasMachines) return ended(state, 'done', now);
  return { ...state, stage: 'machines', turn: null, machinesSince: now };
}

/** [UP7] A machine that joins is given the program that the relays run: one that fell back would hand out the older one. */
function seeMachines(state: UpgradeState, facts: UpgradeFacts, now: EpochMs): UpgradeState {
  const { machines, hasMachines } = facts;
  const fallen = fallenOf(state, facts);
  if (fallen !== null) return rolledBack(state, fallen, now);
  const gone = !hasMachines || (machines !== null && GONE.has(machines.phase));
  if (gone) return ended(state, 'failed', now, failureOf('MACHINES_GONE', '', null, state));
  if (state.machinesAskedAt !== null && machines?.phase === 'running') return ended(state, 'done', now);
  if (now < (state.machinesSince ?? now) + SHORTAGE_DEADLINE_MS) return state;
  return ended(state, 'failed', now, failureOf('MACHINES_LATE', '', null, state));
}

/** [UP7] The cluster of the machines does not take the order. */
export function refusedByMachines(state: UpgradeState, { code, detail }: ApiFailure, now: EpochMs): UpgradeState {
  // Until they serve again: their own waits say what for.
  if (code === 'GATEWAY_NOT_HEALTHY') return state;
  return ended(state, 'failed', now, failureOf(code === 'NOT_FOUND' ? 'MACHINES_GONE' : code, detail, null, state));
}

const GONE: ReadonlySet<string> = new Set(['aborting', 'deleting', 'deleted', 'failed']);

function actionOf({ stage, turn, machines, machinesAskedAt }: UpgradeState, now: EpochMs): UpgradeAction | null {
  if (stage === 'machines' && machines !== null && machinesAskedAt === null)
    return { kind: 'change-machines', release: machines };
  if (stage !== 'relays' || turn === null || turn.sentAt === null) return null;
  if (turn.retryAt !== null && turn.retryAt > now) return null;
  const { nodeId, attempt, sentAt } = turn;
  return { kind: 'exchange', nodeId, attempt, deadlineAt: sentAt + UPGRADE_NODE_DEADLINE_MS };
}

function wakeAtOf(state: UpgradeState, { nodes }: UpgradeFacts, now: EpochMs): EpochMs | null {
  const { stage, window, turn, machinesSince } = state;
  if (stage === 'machines') return (machinesSince ?? now) + SHORTAGE_DEADLINE_MS;
  if (stage === 'relays' && turn !== null) {
    const deadlineAt = (turn.sentAt ?? turn.since) + UPGRADE_NODE_DEADLINE_MS;
    return Math.min(deadlineAt, turn.retryAt ?? deadlineAt);
  }
  if (stage !== 'scheduled' || window === null) return null;
  return now < window.startsAt && nodes.length > 0 ? window.startsAt : window.endsAt;
}

/** [UP3]-[UP5]: what a node says of its command. Of any other attempt than the one that stands it says nothing. */
export function settleExchange(
  state: UpgradeState,
  from: { readonly nodeId: RelayNodeId; readonly hostname: string; readonly attempt: number },
  outcome: CommandOutcome,
  now: EpochMs,
): UpgradeState {
  const isRollback = !outcome.ok && outcome.error.code === 'RELEASE_ROLLED_BACK';
  if (isRollback && state.stage !== 'failed' && state.exchanged.includes(from.nodeId))
    return rolledBack(state, from, now);
  if (!isUnderWay(state)) return state;
  const { turn } = state;
  if (turn === null || turn.nodeId !== from.nodeId || turn.attempt !== from.attempt) return state;
  if (!outcome.ok) return failedOnce(state, turn, outcome.error, now);
  const { value } = outcome;
  const isIt = value.verb === 'ensure-relay-program' && !isBefore(value.version, state.to);
  if (isIt) return exchanged(state, turn.nodeId);
  return failedOnce(state, turn, { code: 'RELAY_BUG', detail: 'the relay answered something else' }, now);
}

function failedOnce(
  state: UpgradeState,
  turn: NonNullable<UpgradeState['turn']>,
  { code, detail }: Pick<CommandFailure, 'code' | 'detail'>,
  now: EpochMs,
): UpgradeState {
  if (code.startsWith('RELEASE_') || code === 'DEADLINE_PASSED')
    return ended(state, 'failed', now, failureOf(code, detail, turn, state));
  const retryAt = now + doubling(turn.attempt - 1, RETRY_MS_MIN, RETRY_MS_MAX);
  const trouble = `${code}: ${detail}`.slice(0, 500);
  return { ...state, turn: { ...turn, attempt: turn.attempt + 1, retryAt, trouble } };
}
