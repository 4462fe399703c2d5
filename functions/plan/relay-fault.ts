// Pure. When a gateway's machine has failed because no relay of it serves (SPEC.md [GW3]), and how a person would say it.
import { WHOLE_BOOTSTRAP } from '../../shared/enrolment.ts';
import type { Waits } from '../../shared/limits.ts';
import type { ClusterState, MachineRecord } from './cluster-state.ts';
import { deadlineOf, hasPassed } from './deadlines.ts';
import { hasActiveRelay } from './gateway-relays.ts';
import type { Fault } from './machine-fault.ts';

export type RelayWait = { readonly since: number; readonly deadlineAt: number | null };

/** What a machine whose node is Ready waits for: its relay to have the key. Null when it has. */
export function missingRelay(state: ClusterState, machine: MachineRecord, waits: Waits): RelayWait | null {
  if (state.kind !== 'gateway' || hasActiveRelay(machine)) return null;
  const once = machine.relay?.activeAt != null;
  const since = once ? (machine.relay?.since ?? state.createdAt) : bootstrapEnd(machine);
  return { since, deadlineAt: deadlineOf(state, since, waits.joinDeadlineMs, waits) };
}

/** A gateway that was whole waits for a relay it had; one that never was would wait for ever. */
export function relayFault(state: ClusterState, machine: MachineRecord, now: number, waits: Waits): Fault | null {
  const wait = missingRelay(state, machine, waits);
  const once = machine.relay?.activeAt != null;
  if (wait === null || (once && state.provisionedAt !== null) || !hasPassed(wait.deadlineAt, now)) return null;
  const minutes = Math.max(1, Math.round(waits.joinDeadlineMs / 60_000));
  const reason = once
    ? `its relay was lost for ${minutes} minutes, before the gateway was whole`
    : `its relay was not active within ${minutes} minutes of its bootstrap`;
  return { code: 'RELAY_MISSING', reason, since: wait.deadlineAt ?? now };
}

/** The report of the end may be lost; a node that is Ready has had it. */
function bootstrapEnd({ steps, readyAt, chosenAt }: MachineRecord): number {
  const whole = steps.find(({ name, outcome }) => name === WHOLE_BOOTSTRAP && outcome === 'succeeded');
  return Math.max(whole?.endedAt ?? 0, readyAt ?? chosenAt);
}
