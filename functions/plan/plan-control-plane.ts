// Pure. The control plane: the first machine begins it, the others join one after another (SPEC.md [CP1]-[CP4]).
import { bootstrapDocument } from './bootstrap-document.ts';
import { type ClusterState, currentMachines, type MachineRecord, subjectOf, withMachine } from './cluster-state.ts';
import { ask, isWaitedFor } from './command-for.ts';
import { pendingKey } from './command-name.ts';
import { mayAddMember } from './control-plane-safety.ts';
import { type Draft, withdraw } from './draft.ts';
import type { ResolvedProfile } from './resolve-profile.ts';

export function planControlPlane(draft: Draft, profile: ResolvedProfile): void {
  const machines = currentMachines(draft.state).filter((machine) => machine.role === 'control-plane');
  for (const machine of machines) {
    if (machine.document !== null) handOut(draft, machine, machine.document.kind, profile);
    else if (isFirst(draft.state, machine) && draft.state.api?.firstReadyAt == null)
      handOut(draft, machine, 'init', profile);
    else if (mayAddMember(draft.state, draft.now, draft.waits).ok) handOut(draft, machine, 'join', profile);
  }
}

/** The slot that begins the cluster. Always the same one: two beginnings would be two clusters. */
export function isFirst(state: ClusterState, machine: MachineRecord): boolean {
  const pool = state.spec.pools.find((candidate) => candidate.role === 'control-plane');
  return machine.slot === `${pool?.name}-0`;
}

/** Holds the document ready at the relay until the machine has fetched it. May be sent long before it asks. */
export function handOut(draft: Draft, machine: MachineRecord, kind: 'init' | 'join', profile: ResolvedProfile): void {
  const { state, now } = draft;
  const { held, deploy } = machine;
  if (held === null || deploy === null || machine.document?.fetchedAt != null) return;
  if (isWaitedFor(draft, pendingKey(subjectOf(machine), 'ensure-bootstrap'))) return;
  const access = accessOf(state);
  const document = bootstrapDocument(state, machine, kind, profile);
  if (access === null || document === null) return;
  const body = { verb: 'ensure-bootstrap' as const, claim: machine.claim, systemId: held.systemId, access, document };
  ask(draft, subjectOf(machine), body, Math.max(draft.waits.commandDeadlineMs, deploy.enrolUntil - now));
  if (machine.document === null) {
    draft.state = withMachine(draft.state, { ...machine, document: { kind, sentAt: now, fetchedAt: null } });
  }
}

/**
 * A document that was fetched is taken back, whoever told of it: that its command is over may never have come to the gateway, by a
 * relay that is gone, and another one would hold the document for ever ([CP11]).
 */
export function withdrawFetched(draft: Draft): void {
  const fetched = draft.state.machines.filter(({ document }) => document !== null && document.fetchedAt !== null);
  withdraw(
    draft,
    fetched.map((machine) => pendingKey(subjectOf(machine), 'ensure-bootstrap')),
  );
}

/** What opens the cluster's API; null until it has an identity and an address. */
export function accessOf(
  state: ClusterState,
): { server: string; identity: NonNullable<ClusterState['identity']>['sealed'] } | null {
  if (state.identity === null || state.address === null || state.address.ip === null) return null;
  return { server: `https://${state.address.ip}:6443`, identity: state.identity.sealed };
}
