// Pure. What may never be, as a linter: run after each step in tests and in simulation, and report-only in production. The
// ids I… are those of reliability.md §2.
import { CANDIDATES_MAX, DEPLOYS_IN_FLIGHT_MAX, GATEWAY_QUEUE_MAX } from '../../shared/limits.ts';
import { checkGateway, isPair } from './check-gateway.ts';
import { type ClusterState, currentMachines, slotsOf, subjectOf } from './cluster-state.ts';
import { commandNameOf } from './command-name.ts';
import type { Plan } from './plan.ts';
import { isAtRest } from './waiting-on.ts';

/** One sentence for each rule that is broken; empty when all is well. */
export function checkState(state: ClusterState, plan: Plan, now: number): string[] {
  return [
    ...claims(state),
    ...ends(state, plan),
    ...waits(state, plan, now),
    ...commands(state, plan),
    ...checkGateway(state, plan),
  ];
}

function claims(state: ClusterState): string[] {
  const found: string[] = [];
  const slots = new Set<string>(slotsOf(state.spec).map(({ slot }) => slot));
  const current = currentMachines(state);
  const count = new Map<string, number>();
  for (const { slot } of current) count.set(slot, (count.get(slot) ?? 0) + 1);
  for (const [slot, machines] of count) {
    if (machines > 1 && !isPair(state, slot)) found.push(`I2: slot ${slot} has ${machines} machines.`);
  }
  for (const { slot } of current) if (!slots.has(slot)) found.push(`Slot ${slot} is not in the spec.`);
  const held = state.machines.flatMap((machine) =>
    machine.leaving?.goneAt != null ? [] : (machine.held?.systemId ?? []),
  );
  for (const systemId of new Set(held)) {
    if (held.filter((other) => other === systemId).length > 1)
      found.push(`Machine ${systemId} stands under two claims.`);
  }
  const unique = new Set(state.machines.map((machine) => machine.claim)).size;
  if (unique < state.machines.length) found.push('I1: one claim stands twice.');
  const deploying = current.filter((machine) => machine.deploy !== null && machine.enrolled === null).length;
  if (deploying > DEPLOYS_IN_FLIGHT_MAX) found.push(`${deploying} deploys are in flight.`);
  return found;
}

function ends(state: ClusterState, plan: Plan): string[] {
  const sent = plan.effects.flatMap((effect) => (effect.kind === 'send-command' ? [effect.command] : []));
  const found: string[] = [];
  if (state.intent.kind !== 'present') {
    const begins = sent.filter(({ body }) =>
      ['ensure-allocated', 'ensure-deployed', 'ensure-address'].includes(body.verb),
    );
    for (const { commandId } of begins) found.push(`I10: ${commandId} begins something after the end was asked for.`);
    if (currentMachines(state).length > 0) found.push('I10: a machine fills a slot after the end was asked for.');
  }
  if (state.deletedAt !== null) {
    if (state.machines.some((machine) => machine.leaving?.goneAt == null))
      found.push('I3: deleted, but a claim is open.');
    if (Object.keys(state.pending).length > 0) found.push('Deleted, but a command is outstanding.');
    if (state.address !== null && state.address.ip !== null && state.address.releasedAt === null) {
      found.push('I3: deleted, but the address is held.');
    }
  }
  const initial = state.machines.filter((machine) => machine.document?.kind === 'init' && machine.leaving === null);
  if (initial.length > 1) found.push('I12: two machines begin the control plane.');
  return found;
}

function waits(state: ClusterState, plan: Plan, now: number): string[] {
  const found: string[] = [];
  if (plan.wakeAt !== null && plan.wakeAt <= now) found.push(`I9: wakeAt ${plan.wakeAt} is not after ${now}.`);
  if (isAtRest(state)) return found;
  if (plan.wakeAt === null) found.push('I9: not at rest and no moment to wake at.');
  const waitsForSomething = plan.waitingOn.some((wait) => wait.deadlineAt !== null);
  const sends = plan.effects.some((effect) => effect.kind === 'send-command');
  if (!sends && !waitsForSomething) found.push('A plan that does nothing says nothing of what it waits for.');
  return found;
}

function commands(state: ClusterState, plan: Plan): string[] {
  const found: string[] = [];
  const seen = new Set<string>();
  for (const effect of plan.effects) {
    if (effect.kind !== 'send-command') continue;
    const { subject, body, commandId, generation } = effect.command;
    const key = `${subject}/${body.verb}`;
    if (seen.has(key)) found.push(`Two commands ${key} in one plan.`);
    seen.add(key);
    if (generation !== state.generation) found.push(`${commandId} is not of the state's generation.`);
    if (body.verb === 'ensure-allocated' && body.candidates.length > CANDIDATES_MAX)
      found.push(`${commandId} has too many candidates.`);
  }
  const outstanding = Object.keys(state.pending).length;
  const bound = GATEWAY_QUEUE_MAX + 2 * state.machines.length;
  if (outstanding > bound) found.push(`I17: ${outstanding} commands are outstanding.`);
  const subjects = new Set([...state.machines.map(subjectOf), 'cluster']);
  for (const [key, { commandId }] of Object.entries(state.pending)) {
    const name = commandNameOf(commandId);
    if (name === null || `${name.subject}/${name.verb}` !== key) found.push(`${commandId} is remembered as ${key}.`);
    const subject = name?.subject ?? '';
    if (!subjects.has(subject) && !subject.startsWith('layer-')) found.push(`${commandId} is about nothing there is.`);
  }
  return found;
}
