// Pure. What a gateway waits for that other clusters have not: relays on its machines, its turn to grow, and in the end a relay
// elsewhere ([GW2], [GW3], [GW6], [GW7], [WA1]).
import type { WaitingOnView } from '../../shared/cluster-view.ts';
import type { Waits } from '../../shared/limits.ts';
import { type ClusterState, currentMachines, type MachineRecord } from './cluster-state.ts';
import { deadlineOf } from './deadlines.ts';
import { emptySlots, mayTakeMachine, takesTurns } from './gateway-growth.ts';
import { needsOutsideRelay } from './gateway-relays.ts';
import { nameOf } from './plan-replacement.ts';
import { missingRelay } from './relay-fault.ts';

/** Null when the machine carries no relay, or it is connected. */
export function relayWait(state: ClusterState, machine: MachineRecord, waits: Waits): WaitingOnView | null {
  if (state.kind !== 'gateway') return null;
  const { slot, relay } = machine;
  const name = nameOf(machine);
  const missing = missingRelay(state, machine, waits);
  if (missing !== null) {
    const sentence =
      relay?.activeAt == null
        ? `Waiting for the relay on ${name} to pair and to get the gateway’s key; \`journalctl -u slipway-relay\` there says how far it is.`
        : `Waiting for the relay on ${name} to have the gateway’s key again; if it was revoked, release the machine in MAAS and it is replaced.`;
    return { code: 'RELAY_MISSING', slot, sentence, ...missing };
  }
  if (relay?.status !== 'away') return null;
  const { since } = relay;
  const sentence = `Waiting for the relay on ${name} to connect again; see its \`doctor\` if it stays away.`;
  return {
    code: 'RELAY_AWAY',
    slot,
    sentence,
    since,
    deadlineAt: deadlineOf(state, since, waits.joinDeadlineMs, waits),
  };
}

/** Slots of a running gateway whose turn has not come. */
export function growthWaits(state: ClusterState, now: number, waits: Waits): WaitingOnView[] {
  const may = takesTurns(state) ? mayTakeMachine(state, now, waits) : null;
  if (may === null || may.ok) return [];
  const since = state.growing?.at ?? state.rolling?.at ?? state.provisionedAt ?? state.createdAt;
  const deadlineAt = since + waits.shortageDeadlineMs;
  const filled = new Set<string>(currentMachines(state).map(({ slot }) => slot));
  const empty = emptySlots(state).filter(({ slot }) => !filled.has(slot));
  return empty.map(({ slot }) => {
    const sentence = `Slot ${slot} gets its machine after waiting for ${may.error.reason}.`;
    return { code: 'waiting-turn', slot, sentence, since, deadlineAt };
  });
}

/** Nothing is given back before somebody can see it through. */
export function outsideRelayWait(state: ClusterState, waits: Waits): WaitingOnView[] {
  if (!needsOutsideRelay(state)) return [];
  const sentence =
    'The gateway’s own machines can’t give themselves back: run `slipway-relay uninstall -c pcg.yaml` on a host outside of the gateway.';
  const { at: since } = state.intent;
  const deadlineAt = since + waits.shortageDeadlineMs;
  return [{ code: 'GATEWAY_NEEDS_OUTSIDE_RELAY', slot: null, sentence, since, deadlineAt }];
}
