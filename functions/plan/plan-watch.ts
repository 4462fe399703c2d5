// Pure. The standing `observe-cluster`: sent anew whenever what it watches would change (SPEC.md [CL11]).
import { type ClusterState, currentMachines } from './cluster-state.ts';
import { retryAt, send } from './command-for.ts';
import { type Draft, withdraw } from './draft.ts';
import { hashOf } from './hash-text.ts';
import { accessOf } from './plan-control-plane.ts';

const KEY = 'cluster/observe-cluster';
/** It stands until superseded, so its deadline must not pass: ten years. */
const STANDING_MS = 10 * 365 * 24 * 3_600_000;

export function planWatch(draft: Draft): void {
  const body = watchBody(draft.state);
  if (body === null) {
    withdraw(draft, [KEY]);
    draft.state = { ...draft.state, watching: null };
    return;
  }
  const watching = hashOf({ body, generation: draft.state.generation });
  if (draft.state.watching === watching && draft.state.pending[KEY] !== undefined) return;
  const trouble = draft.state.troubles[KEY];
  const standing = draft.state.pending[KEY] !== undefined;
  if (!standing && trouble !== undefined && retryAt(trouble, draft.waits) > draft.now) return;
  send(draft, 'cluster', body, STANDING_MS);
  draft.state = { ...draft.state, watching };
}

/** Null when there is nothing to watch. Machines that are only allocated need no eye on them yet. */
function watchBody(state: ClusterState) {
  const machines = state.machines.flatMap(({ claim, held, deploy, leaving }) =>
    held !== null && (leaving === null ? deploy !== null : leaving.goneAt === null)
      ? [{ claim, systemId: held.systemId }]
      : [],
  );
  const inventory = state.shortage !== null && state.intent.kind === 'present' && state.failure === null;
  if (machines.length === 0 && !inventory) return null;
  const current = currentMachines(state).length > 0;
  const access = current ? accessOf(state) : null;
  return { verb: 'observe-cluster' as const, account: state.account, access, machines, inventory };
}
