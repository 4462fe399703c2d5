// Pure. Folds in which relays a gateway has (SPEC.md [GW2], [GW4]): of its own machines by their claims, and of other hosts.
import type { RelayOfMachine } from '../../shared/installation.ts';
import type { ClusterEvent } from './cluster-event.ts';
import type { ClusterState, MachineRecord, MachineRelay } from './cluster-state.ts';

type Notice = Omit<Extract<ClusterEvent, { kind: 'relays-changed' }>, 'kind'>;

/** Null when it says nothing new, or was overtaken by a newer one on its way, and for a cluster that carries no gateway. */
export function applyRelays(before: ClusterState, { relays, notice, at }: Notice): ClusterState | null {
  if (before.kind !== 'gateway' || (notice !== null && notice <= before.relaysNotice)) return null;
  const state = notice === null ? before : { ...before, relaysNotice: notice };
  if (JSON.stringify(state.relays) === JSON.stringify(relays)) return notice === null ? null : state;
  const machines = state.machines.map((machine) => ({ ...machine, relay: relayOf(machine, relays, at) }));
  // One that was shut out and is named again came back, by a code that was on its way: it is shut out once more.
  const relaysRevoked = state.relaysRevoked.filter((claim) => !relays.some((relay) => relay.claim === claim));
  return { ...state, relays, machines, relaysRevoked };
}

function relayOf({ claim, relay: known }: MachineRecord, relays: RelayOfMachine[], at: number): MachineRelay | null {
  const own = relays.filter((relay) => relay.claim === claim);
  if (own.length === 0 && known === null) return null;
  const active = own.filter(({ state }) => state === 'active');
  const status = active.length === 0 ? 'missing' : active.some(({ connected }) => connected) ? 'here' : 'away';
  if (known?.status === status) return known;
  return { status, since: at, activeAt: known?.activeAt ?? (status === 'missing' ? null : at) };
}
