// Pure. The cluster's own CAs and keys, made and sealed by the relay before any machine needs them (SPEC.md [CL7]).
import { ask } from './command-for.ts';
import type { Draft } from './draft.ts';

export function planIdentity(draft: Draft): void {
  const { identity, spec } = draft.state;
  if (identity !== null) return;
  const body = { verb: 'ensure-identity' as const, clusterName: spec.name, existing: null };
  ask(draft, 'cluster', body, draft.waits.commandDeadlineMs);
}
