// Pure. Gives everything back, from any state: no drain, all machines at once, the address last (SPEC.md [DE1]-[DE6]).
import { currentMachines, withMachine } from './cluster-state.ts';
import { ask } from './command-for.ts';
import { doubtUntil } from './deadlines.ts';
import { type Draft, sendAway, withdraw } from './draft.ts';
import { planLeaving } from './plan-leaving.ts';
import { leaveLine } from './plan-queue.ts';
import { planWatch } from './plan-watch.ts';

export function planTeardown(draft: Draft): void {
  leaveLine(draft);
  withdrawOlder(draft);
  const reason = draft.state.intent.kind === 'aborted' ? 'The cluster was aborted.' : 'The cluster is deleted.';
  for (const machine of currentMachines(draft.state)) {
    sendAway(draft, machine, { code: draft.state.intent.kind, reason, memberRemoved: true, nodeRemoved: true });
  }
  for (const machine of draft.state.machines) {
    if (machine.leaving === null || (machine.leaving.memberRemoved && machine.leaving.nodeRemoved)) continue;
    const leaving = { ...machine.leaving, memberRemoved: true, nodeRemoved: true };
    draft.state = withMachine(draft.state, { ...machine, leaving });
  }
  planLeaving(draft);
  if (draft.state.machines.every((machine) => machine.leaving?.goneAt != null)) giveBackAddress(draft);
  planWatch(draft);
}

/** Whatever an older generation asked for is over (G1). */
function withdrawOlder(draft: Draft): void {
  const { pending, generation } = draft.state;
  const older = Object.keys(pending).filter((key) => (pending[key]?.generation ?? 0) < generation);
  withdraw(draft, older);
}

/** Asked for by name, so it is found even when the answer to the reservation was lost. */
function giveBackAddress(draft: Draft): void {
  const { address, account } = draft.state;
  const asked = draft.state.attempts['cluster/ensure-address'] !== undefined;
  if (address !== null && asked) {
    const settled = address.releasedAt !== null && address.releasedAt >= doubtUntil(address.doubt, draft.waits);
    if (!settled && addressDueAt(draft) > draft.now) return;
    const body = { verb: 'ensure-address-released' as const, account, fqdn: address.fqdn };
    if (!settled) {
      ask(draft, 'cluster', body, draft.waits.commandDeadlineMs);
      return;
    }
  }
  draft.state = { ...draft.state, deletedAt: draft.now, inventory: null, shortage: null, failure: null };
}

/** At once, and again when nothing can come any more after a lost answer. */
export function addressDueAt({ state, waits }: Pick<Draft, 'state' | 'waits'>): number {
  if (state.address === null || state.address.releasedAt === null) return 0;
  return doubtUntil(state.address.doubt, waits);
}
