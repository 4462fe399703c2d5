// Pure. Whether a machine that fills a slot has failed, and how a person would say it (SPEC.md [MA9]-[MA13]).
import { WHOLE_BOOTSTRAP } from '../../shared/enrolment.ts';
import type { Waits } from '../../shared/limits.ts';
import type { MachineStatus } from '../../shared/machine.ts';
import { type ClusterState, isReady, type MachineRecord, nodeOf, subjectOf } from './cluster-state.ts';
import { deadlineOf, graceMs, hasPassed } from './deadlines.ts';
import { relayFault } from './relay-fault.ts';

export type Fault = { readonly code: string; readonly reason: string; readonly since: number };

/** Null while it may still come right. */
export function machineFault(state: ClusterState, machine: MachineRecord, now: number, waits: Waits): Fault | null {
  if (machine.held === null) return refusedFacts(state, machine);
  return seenFault(state, machine, now, waits) ?? deployRefused(state, machine) ?? ownFault(state, machine, now, waits);
}

/** The waits of a machine on its way to Ready: what it waits for, since when, and when that is over. */
export type MachineWait = {
  readonly code: 'deploying' | 'waiting-turn' | 'joining';
  readonly since: number;
  readonly limitMs: number;
  readonly deadlineAt: number | null;
};

export function machineWait(state: ClusterState, machine: MachineRecord, waits: Waits): MachineWait | null {
  const { deploy, enrolled, document } = machine;
  if (deploy === null || machine.readyAt !== null) return null;
  const wait = (code: MachineWait['code'], since: number, limitMs: number): MachineWait => ({
    code,
    since,
    limitMs,
    deadlineAt: deadlineOf(state, since, limitMs, waits),
  });
  if (enrolled === null) return wait('deploying', deploy.acceptedAt ?? deploy.sentAt, waits.deployDeadlineMs);
  if (document === null) return wait('waiting-turn', enrolled.at, Math.max(0, deploy.enrolUntil - enrolled.at));
  // It may have asked in vain for a while: what a machine does with its document takes as long as ever.
  return wait('joining', Math.max(enrolled.at, document.fetchedAt ?? document.sentAt), waits.joinDeadlineMs);
}

/** Statuses a machine of ours can't come back from without being released first. */
const LOST_STATUSES: ReadonlySet<MachineStatus> = new Set([
  'failed-deployment',
  'broken',
  'missing',
  'retired',
  'failed-testing',
  'failed-commissioning',
  'releasing-failed',
  'failed-disk-erasing',
]);
/** Somebody else gave it back. */
const TAKEN_STATUSES: ReadonlySet<MachineStatus> = new Set(['new', 'ready', 'releasing', 'disk-erasing']);

function seenFault(state: ClusterState, machine: MachineRecord, now: number, waits: Waits): Fault | null {
  const { maas } = machine;
  if (maas === null) return null;
  const { status, since } = maas;
  const failed = status !== null && maas.ours && LOST_STATUSES.has(status);
  if (failed) {
    const words = maas.detail === '' ? '' : ` (${maas.detail})`;
    return { code: 'MACHINE_FAILED', reason: `MAAS says ${status}${words}`, since };
  }
  const taken = !maas.ours || maas.unowned || (status !== null && TAKEN_STATUSES.has(status));
  if (!taken || !hasPassed(deadlineOf(state, since, graceMs(waits), waits), now)) return null;
  const reason = maas.ours ? `somebody gave it back in MAAS (it is ${status})` : 'MAAS says it is no longer ours';
  return { code: 'MACHINE_LOST', reason, since };
}

function refusedFacts(state: ClusterState, machine: MachineRecord): Fault | null {
  const trouble = state.troubles[`${subjectOf(machine)}/ensure-allocated`];
  if (trouble?.code !== 'FACTS_MISMATCH') return null;
  return { code: 'FACTS_MISMATCH', reason: `it is not what MAAS said: ${trouble.detail}`, since: trouble.at };
}

/** A deploy that MAAS refuses for the machine's state, again and again, or because the machine is not ours. */
function deployRefused(state: ClusterState, machine: MachineRecord): Fault | null {
  const trouble = state.troubles[`${subjectOf(machine)}/ensure-deployed`];
  if (trouble === undefined) return null;
  const { code, detail, at, failures } = trouble;
  if (code === 'NOT_OURS' || code === 'MAAS_NOT_FOUND') return { code: 'MACHINE_LOST', reason: detail, since: at };
  if (code === 'MAAS_REFUSED') return { code, reason: `MAAS refuses to deploy it: ${detail}`, since: at };
  if (code !== 'MAAS_CONFLICT' || failures < 3) return null;
  return { code: 'MACHINE_FAILED', reason: `MAAS refuses to deploy it: ${detail}`, since: at };
}

function ownFault(state: ClusterState, machine: MachineRecord, now: number, waits: Waits): Fault | null {
  if (isReady(state, machine)) return unheard(state, machine, now, waits) ?? relayFault(state, machine, now, waits);
  if (machine.readyAt !== null) {
    const since = nodeOf(state, machine)?.since ?? machine.readyAt;
    return lostBeforeWhole(state, since, 'its node was Ready and then not', now, waits);
  }
  const whole = machine.steps.find((step) => step.name === WHOLE_BOOTSTRAP && step.outcome === 'failed');
  if (whole !== undefined) {
    const failed = machine.steps.findLast((step) => step.outcome === 'failed' && step.name !== WHOLE_BOOTSTRAP);
    const reason = failed === undefined ? 'its bootstrap failed' : `its bootstrap failed in step ${failed.name}`;
    return { code: 'BOOTSTRAP_FAILED', reason, since: whole.endedAt ?? now };
  }
  const wait = machineWait(state, machine, waits);
  if (wait === null || !hasPassed(wait.deadlineAt, now)) return null;
  const minutes = Math.max(1, Math.round(wait.limitMs / 60_000));
  const reasons = {
    deploying: hasBooted(machine)
      ? `MAAS deployed it, and it reached no relay of the gateway within ${minutes} minutes: check the way from its network to the relays' enrolment addresses`
      : `it did not boot and enrol within ${minutes} minutes of its deployment`,
    'waiting-turn': 'its right to enrol ended before its turn came',
    joining: `its node was not Ready within ${minutes} minutes`,
  };
  const codes = { deploying: 'DEPLOY_TIMEOUT', 'waiting-turn': 'TURN_TIMEOUT', joining: 'JOIN_TIMEOUT' };
  return { code: codes[wait.code], reason: reasons[wait.code], since: wait.deadlineAt ?? now };
}

/** MAAS calls it Deployed when it has fetched its user-data; from then on it asks for a relay. */
export const hasBooted = ({ maas }: MachineRecord): boolean => maas?.ours === true && maas.status === 'deployed';

/** What a node of the control plane last said is old when the API says nothing any more: it may be the machine that is dead. */
function unheard(state: ClusterState, machine: MachineRecord, now: number, waits: Waits): Fault | null {
  const { api } = state;
  if (machine.role !== 'control-plane' || api?.ready === true) return null;
  const since = Math.max(api?.since ?? 0, machine.readyAt ?? machine.chosenAt);
  return lostBeforeWhole(state, since, 'the Kubernetes API answered and then not', now, waits);
}

/** A running cluster waits for what it had; one that was never whole would wait for ever. */
function lostBeforeWhole(state: ClusterState, since: number, what: string, now: number, waits: Waits): Fault | null {
  if (state.provisionedAt !== null) return null;
  const deadlineAt = deadlineOf(state, since, waits.joinDeadlineMs, waits);
  if (!hasPassed(deadlineAt, now)) return null;
  const minutes = Math.max(1, Math.round(waits.joinDeadlineMs / 60_000));
  const reason = `${what} for ${minutes} minutes, before the cluster was whole`;
  return { code: 'NODE_LOST', reason, since: deadlineAt ?? now };
}
