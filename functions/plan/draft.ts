// Pure. A plan while it is being made: the state with the decisions so far, and the effects they need. Planners replace
// `state` and add effects; nothing outside sees a draft before it is whole.
import type { Waits } from '../../shared/limits.ts';
import { type ClusterState, type Leaving, type MachineRecord, subjectOf, withMachine } from './cluster-state.ts';
import { commandNameOf } from './command-name.ts';
import type { Effect } from './plan.ts';

export type Draft = {
  state: ClusterState;
  readonly now: number;
  readonly waits: Waits;
  readonly effects: Effect[];
};

export const startDraft = (state: ClusterState, now: number, waits: Waits): Draft => ({
  state,
  now,
  waits,
  effects: [],
});

/** Forgets commands that are sent and not settled; the relay stops what stands under them. */
export function withdraw(draft: Draft, keys: readonly string[]): void {
  const { state } = draft;
  const commandIds = keys.flatMap((key) => state.pending[key]?.commandId ?? []);
  if (commandIds.length === 0) return;
  const pending = Object.fromEntries(Object.entries(state.pending).filter(([key]) => !keys.includes(key)));
  draft.state = { ...state, pending };
  draft.effects.push({ kind: 'withdraw-commands', commandIds });
  for (const commandId of commandIds) doubtWithdrawn(draft, commandNameOf(commandId));
}

function withdrawAbout(draft: Draft, subject: string): void {
  const about = Object.keys(draft.state.pending).filter((key) => key.startsWith(subject));
  withdraw(draft, about);
}

/** What a withdrawn allocate or reserve did before it stopped is not known. */
function doubtWithdrawn(draft: Draft, name: ReturnType<typeof commandNameOf>): void {
  const doubt = { kind: 'withdrawn' as const, at: draft.now };
  const { state } = draft;
  if (name?.verb === 'ensure-address' && state.address !== null && state.address.doubt === null) {
    draft.state = { ...state, address: { ...state.address, doubt } };
  }
  const machine = state.machines.find((candidate) => subjectOf(candidate) === name?.subject);
  if (name?.verb === 'ensure-allocated' && machine !== undefined && machine.doubt === null) {
    draft.state = withMachine(state, { ...machine, doubt });
  }
}

/** Puts a machine on its way back: what was asked for it is withdrawn, and from here on it is only released. */
export function sendAway(
  draft: Draft,
  machine: MachineRecord,
  why: Pick<Leaving, 'code' | 'reason' | 'memberRemoved' | 'nodeRemoved'> & { readonly drain?: true },
): void {
  const subject = `${subjectOf(machine)}/`;
  withdrawAbout(draft, subject);
  const record = draft.state.machines.find((candidate) => candidate.claim === machine.claim) ?? machine;
  const leaving = { drain: false, ...why, since: draft.now, tries: 0, askedAt: null, goneAt: null };
  const troubles = Object.entries(draft.state.troubles).filter(([key]) => !key.startsWith(subject));
  draft.state = { ...withMachine(draft.state, { ...record, leaving }), troubles: Object.fromEntries(troubles) };
}

/** kubeadm's token lives a quarter of an hour ([CP12]), in which far fewer come and go. */
const DEPARTED_MAX = 32;

/** Forgets a claim that is settled for good; not the name of its machine, which may do yet what it was told. */
export function forget(draft: Draft, machine: MachineRecord): void {
  const subject = `${subjectOf(machine)}/`;
  withdrawAbout(draft, subject);
  const without = <T>(record: Record<string, T>): Record<string, T> =>
    Object.fromEntries(Object.entries(record).filter(([key]) => !key.startsWith(subject)));
  const { state } = draft;
  const machines = state.machines.filter((candidate) => candidate.claim !== machine.claim);
  const sameName = machines.some((other) => other.held?.hostname === machine.held?.hostname);
  const mayJoin = machine.document === null || machine.held === null ? [] : [machine.held.hostname];
  const nodes = Object.entries(state.nodes).filter(([name]) => sameName || name !== machine.held?.hostname);
  draft.state = {
    ...state,
    machines,
    departed: [...state.departed.filter((name) => !mayJoin.includes(name)), ...mayJoin].slice(-DEPARTED_MAX),
    nodes: Object.fromEntries(nodes),
    attempts: without(state.attempts),
    troubles: without(state.troubles),
  };
}
