// Pure. Everything a cluster waits for, each as a sentence with a deadline (SPEC.md [WA1]). Derived from the state, so the
// API can show it at any time.
import type { WaitingOnView } from '../../shared/cluster-view.ts';
import type { Waits } from '../../shared/limits.ts';
import { type ClusterState, currentMachines, isReady, type MachineRecord, nodeOf } from './cluster-state.ts';
import { isPermanent, retryAt } from './command-for.ts';
import { mayAddMember, mayRemoveMember } from './control-plane-safety.ts';
import { deadlineOf } from './deadlines.ts';
import { isWhole, mayLoseRelay } from './gateway-relays.ts';
import { maasFailureOf } from './maas-health.ts';
import { hasBooted, machineFault, machineWait } from './machine-fault.ts';
import { queueWait } from './plan-queue.ts';
import { nameOf } from './plan-replacement.ts';
import { adviceFor, askingSentence, elapsed, maasSentence, subjectLabel, tryingSentence } from './wait-sentence.ts';
import { choiceWait } from './waiting-on-choice.ts';
import { addressWait, leavingWait } from './waiting-on-leaving.ts';
import { growthWaits, outsideRelayWait, relayWait } from './waiting-on-relays.ts';
import { rolloutWaits, waitsForSpare } from './waiting-on-rollout.ts';

export function waitingOn(state: ClusterState, now: number, waits: Waits): WaitingOnView[] {
  if (state.deletedAt !== null) return [];
  const leaving = state.machines.flatMap((machine) => leavingWait(state, machine, now, waits) ?? []);
  const rest = [...commandWaits(state), ...troubleWaits(state, waits), ...leaving];
  const outside = [...gatewayWait(state, waits), ...maasWait(state, waits)];
  if (state.intent.kind !== 'present') {
    return [...outside, ...outsideRelayWait(state, waits), ...rest, ...addressWait(state, waits)];
  }
  if (state.failure !== null) return [userWait(state, state.failure), ...rest];
  if (state.queued !== null) return queueWait(state, now, waits);
  return [
    ...outside,
    ...shortageWait(state, waits),
    ...choiceWait(state, now, waits),
    ...currentMachines(state).flatMap((machine) => currentWait(state, machine, now, waits) ?? []),
    ...growthWaits(state, now, waits),
    ...rolloutWaits(state, now, waits),
    ...apiWait(state, waits),
    ...rest,
  ];
}

function gatewayWait(state: ClusterState, waits: Waits): WaitingOnView[] {
  if (state.gateway?.connected !== false || isAtRest(state)) return [];
  const sentence = 'Waiting for the gateway to connect; start slipway-relay there, or see its `doctor`.';
  const since = state.gateway.since;
  return [{ code: 'gateway-offline', slot: null, sentence, since, deadlineAt: since + waits.shortageDeadlineMs }];
}

/** What waits for anything waits for MAAS too: machines are seen, taken and given back through it. At rest it is a condition. */
function maasWait(state: ClusterState, waits: Waits): WaitingOnView[] {
  const failure = maasFailureOf(state);
  if (failure === null || state.maas === null || isAtRest(state)) return [];
  const { since } = state.maas;
  const sentence = `${maasSentence(failure)} Waiting for MAAS.`.slice(0, 1_000);
  return [{ code: failure.code, slot: null, sentence, since, deadlineAt: since + waits.shortageDeadlineMs }];
}

/** Provisioned, every node is Ready and every relay of a gateway connected: nothing is waited for. */
export function isAtRest(state: ClusterState): boolean {
  if (state.deletedAt !== null) return true;
  if (state.intent.kind !== 'present' || state.machines.some((machine) => machine.leaving !== null)) return false;
  if (state.failure !== null) return true;
  const changes = state.provisionedAt === null || state.growing !== null || state.rolling !== null;
  if (changes || state.api?.ready === false) return false;
  return isWhole(state) && !currentMachines(state).some(({ relay }) => relay?.status === 'away');
}

function shortageWait(state: ClusterState, waits: Waits): WaitingOnView[] {
  if (state.shortage === null) return [];
  const { code, sentence, since } = state.shortage;
  const replaced = waitsForSpare(state);
  const text =
    replaced === null
      ? `${sentence} Waiting for MAAS to have more.`
      : `Waiting for a spare machine to replace ${nameOf(replaced)} with: ${sentence} It serves until then.`;
  const deadlineAt = deadlineOf(state, since, waits.shortageDeadlineMs, waits);
  return [{ code, slot: null, sentence: text, since, deadlineAt }];
}

function userWait(state: ClusterState, failure: NonNullable<ClusterState['failure']>): WaitingOnView {
  const sentence = `${failure.message}`.slice(0, 1_000);
  return { code: 'user-action', slot: null, sentence, since: state.failure?.at ?? failure.at, deadlineAt: null };
}

function currentWait(state: ClusterState, machine: MachineRecord, now: number, waits: Waits): WaitingOnView | null {
  const { slot } = machine;
  const fault = machineFault(state, machine, now, waits);
  if (fault !== null) {
    const quorum = mayRemoveMember(state, machine);
    const safe = quorum.ok ? mayLoseRelay(state, machine) : quorum;
    const what = safe.ok
      ? 'too many machines failed here; it is tried again a day later'
      : `waiting for ${safe.error.reason}`;
    const sentence = `${nameOf(machine)} has to be replaced (${fault.reason}); ${what}.`;
    // Without quorum before it ever ran, the cluster fails then ([CP7]).
    const isDoomed = !quorum.ok && state.provisionedAt === null;
    const limitMs = isDoomed ? waits.joinDeadlineMs : waits.shortageDeadlineMs;
    const deadlineAt = deadlineOf(state, fault.since, limitMs, waits);
    return { code: 'replacement-blocked', slot, sentence, since: fault.since, deadlineAt };
  }
  if (machine.readyAt !== null) return notReadyWait(state, machine, waits) ?? relayWait(state, machine, waits);
  const wait = machineWait(state, machine, waits);
  if (wait === null) return null;
  const { code, since, limitMs, deadlineAt } = wait;
  const sentence = `Waiting for ${nameOf(machine)} ${machineStage(state, machine, now, waits)}, ${elapsed(since, now, limitMs)}.`;
  return { code, slot, sentence, since, deadlineAt };
}

function machineStage(state: ClusterState, machine: MachineRecord, now: number, waits: Waits): string {
  if (machine.enrolled === null && hasBooted(machine))
    return 'to enrol: MAAS has deployed it, and it has reached no relay of the gateway yet';
  if (machine.enrolled === null) return 'to finish deploying';
  if (machine.document === null) {
    if (machine.role === 'worker') return 'to join: its turn comes when the Kubernetes API answers';
    const may = mayAddMember(state, now, waits);
    return may.ok ? 'to join' : `to join: its turn comes after waiting for ${may.error.reason}`;
  }
  if (machine.document.fetchedAt === null) return 'to fetch its bootstrap document';
  const step = machine.steps.findLast((candidate) => candidate.outcome === 'started');
  return step === undefined ? 'to become Ready in Kubernetes' : `to become Ready in Kubernetes (step ${step.name})`;
}

function notReadyWait(state: ClusterState, machine: MachineRecord, waits: Waits): WaitingOnView | null {
  if (isReady(state, machine)) return null;
  const node = nodeOf(state, machine);
  const since = node?.since ?? machine.readyAt ?? machine.chosenAt;
  const words = node === null || node.reason === '' ? '' : ` (${node.reason})`;
  const sentence = `Waiting for the node of ${nameOf(machine)} to be Ready again${words}; look at the machine if it stays so.`;
  const deadlineAt = deadlineOf(state, since, waits.joinDeadlineMs, waits);
  return { code: 'node-not-ready', slot: machine.slot, sentence, since, deadlineAt };
}

/** Nodes are seen through it: where one was ever Ready, it answered, whether or not that was told. */
function apiWait(state: ClusterState, waits: Waits): WaitingOnView[] {
  const { api } = state;
  const ready = currentMachines(state).flatMap(({ readyAt }) => readyAt ?? []);
  if (api?.ready === true || (api?.firstReadyAt == null && ready.length === 0)) return [];
  const since = Math.max(api?.since ?? 0, ready[0] ?? 0);
  const detail = api?.detail ?? '';
  const sentence = `Waiting for the Kubernetes API to answer again${detail === '' ? '' : `: ${detail}`}.`;
  return [
    {
      code: 'api-server',
      slot: null,
      sentence,
      since,
      deadlineAt: deadlineOf(state, since, waits.joinDeadlineMs, waits),
    },
  ];
}

/** What the relay has been asked and has not answered. Deploys and documents are waits of their machine. */
function commandWaits(state: ClusterState): WaitingOnView[] {
  return Object.entries(state.pending).flatMap(([key, { sentAt, deadlineAt, tryingAgain }]) => {
    if (state.troubles[key] !== undefined) return [];
    const slot = subjectLabel(key);
    if (tryingAgain !== null) {
      const { code, since } = tryingAgain;
      return [{ code, slot, sentence: tryingSentence(key, tryingAgain), since, deadlineAt }];
    }
    const sentence = askingSentence(key);
    return sentence === null ? [] : [{ code: codeOf(key), slot, sentence, since: sentAt, deadlineAt }];
  });
}

function troubleWaits(state: ClusterState, waits: Waits): WaitingOnView[] {
  return Object.entries(state.troubles).flatMap(([key, trouble]) => {
    // A watch that stands again is well; another command's trouble is why it is waited for, also while it is tried again.
    const isWatch = key.endsWith('/observe-cluster');
    if (state.pending[key] !== undefined && isWatch) return [];
    // In the end machines are given back and watched until they are gone; no other trouble counts any more.
    if (state.intent.kind !== 'present' && !key.includes('-released') && !isWatch) return [];
    const act = isPermanent(trouble.code) ? ` ${adviceFor(trouble.code)}` : '';
    const slot = subjectLabel(key);
    const what = `${slot ?? 'The cluster'}: ${trouble.detail.replace(/\.?$/, '.')}${act} Trying again.`.slice(0, 1_000);
    const deadlineAt = state.pending[key]?.deadlineAt ?? retryAt(trouble, waits);
    return [{ code: trouble.code, slot, sentence: what, since: trouble.since, deadlineAt }];
  });
}

const codeOf = (key: string): string => key.split('/')[1] ?? key;
