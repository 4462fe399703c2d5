// Pure. What may never be of a gateway's own machines; part of check-state.ts (SPEC.md [GW2]-[GW8]).
import { type ClusterState, currentMachines } from './cluster-state.ts';
import { mayCarryRelay, needsOutsideRelay } from './gateway-relays.ts';
import type { Plan } from './plan.ts';

/** One sentence for each rule that is broken. */
export function checkGateway(state: ClusterState, plan: Plan): string[] {
  return state.kind === 'gateway' ? [...relays(state, plan), ...growth(state)] : noRelays(state, plan);
}

function relays(state: ClusterState, plan: Plan): string[] {
  const found: string[] = [];
  const current = new Set<string>(currentMachines(state).map(({ claim }) => claim));
  const revoked = new Set<string>(state.relaysRevoked);
  for (const effect of plan.effects) {
    if (effect.kind === 'revoke-relay') {
      if (current.has(effect.claim))
        found.push(`GW4: the relay of ${effect.claim} is shut out, and its machine stays.`);
      if (needsOutsideRelay(state)) found.push(`GW7: ${effect.claim} is shut out with no relay elsewhere.`);
    }
    if (effect.kind !== 'send-command' || effect.command.body.verb !== 'ensure-released') continue;
    const { claim } = effect.command.body;
    if (needsOutsideRelay(state)) found.push(`GW7: ${claim} is given back with no relay elsewhere.`);
    const machine = state.machines.find((candidate) => candidate.claim === claim);
    const carries = machine !== undefined && mayCarryRelay(state, machine);
    if (carries && !revoked.has(claim)) found.push(`GW4: ${claim} is given back, and its relay is not shut out.`);
  }
  for (const claim of revoked) if (current.has(claim)) found.push(`GW4: ${claim} fills a slot and is shut out.`);
  return found;
}

function growth(state: ClusterState): string[] {
  const { provisionedAt, growing } = state;
  if (provisionedAt === null) return growing === null ? [] : ['GW6: it grows and was never whole.'];
  if (state.intent.kind !== 'present') return [];
  const onTheirWay = currentMachines(state).filter(({ readyAt, relay }) => readyAt === null || relay?.activeAt == null);
  return onTheirWay.length > 1 ? [`GW6: ${onTheirWay.length} machines are on their way at once.`] : [];
}

function noRelays(state: ClusterState, plan: Plan): string[] {
  const any = state.relays.length > 0 || state.relaysRevoked.length > 0 || state.growing !== null;
  const found = any ? ['GW8: a workload cluster knows of relays.'] : [];
  return plan.effects.some(({ kind }) => kind === 'revoke-relay') ? [...found, 'GW8: a relay is shut out.'] : found;
}
