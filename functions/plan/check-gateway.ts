// Pure. What may never be of a gateway's own machines; part of check-state.ts (SPEC.md [GW2]-[GW8], [RO4]-[RO8]).
import { type ClusterState, currentMachines, slotsOf } from './cluster-state.ts';
import { mayCarryRelay, needsOutsideRelay } from './gateway-relays.ts';
import { expandsFirst, isOutdated } from './gateway-rollout.ts';
import type { Plan } from './plan.ts';

/** One sentence for each rule that is broken. */
export function checkGateway(state: ClusterState, plan: Plan): string[] {
  return state.kind === 'gateway'
    ? [...relays(state, plan), ...growth(state), ...rollout(state, plan)]
    : noRelays(state, plan);
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

/** A slot may have two machines while the newer takes the place of the only one ([RO4]). */
export function isPair(state: ClusterState, slot: string): boolean {
  const inSlot = currentMachines(state).filter((machine) => machine.slot === slot);
  return inSlot.length === 2 && expandsFirst(state) && inSlot.some((machine) => isOutdated(state, machine));
}

function rollout(state: ClusterState, plan: Plan): string[] {
  const found: string[] = [];
  const { rolling, intent, provisionedAt } = state;
  if (rolling !== null && (provisionedAt === null || state.growing !== null))
    found.push('RO8: machines are replaced that were never whole, or grow.');
  if (intent.kind !== 'present') return found;
  const planned = state.machines.filter(({ leaving }) => leaving?.code === 'outdated');
  if (planned.length > 1) found.push(`RO5: ${planned.length} machines are sent away at once.`);
  const [current, wanted] = [currentMachines(state).length, slotsOf(state.spec).length];
  if (current > wanted + 1) found.push(`RO4: ${current} machines for ${wanted} slots.`);
  const away = new Set<string>(state.machines.flatMap(({ claim, leaving }) => (leaving === null ? [] : claim)));
  const left = state.relays.some(
    ({ claim, state: is, connected }) => is === 'active' && connected && (claim === null || !away.has(claim)),
  );
  const revoked = new Set<string>(
    plan.effects.flatMap((effect) => (effect.kind === 'revoke-relay' ? effect.claim : [])),
  );
  const last = planned.find(({ claim }) => revoked.has(claim));
  if (last !== undefined && !left) found.push(`RO5: ${last.claim} has the last relay, and goes.`);
  return found;
}

function noRelays(state: ClusterState, plan: Plan): string[] {
  const any =
    state.relays.length > 0 || state.relaysRevoked.length > 0 || state.growing !== null || state.rolling !== null;
  const found = any ? ['GW8: a workload cluster knows of relays.'] : [];
  return plan.effects.some(({ kind }) => kind === 'revoke-relay') ? [...found, 'GW8: a relay is shut out.'] : found;
}
