// Pure. When a cluster that never ran is called failed though no machine is to blame (SPEC.md [CL13]).
import { deadlineOf, hasPassed } from './deadlines.ts';
import type { Draft } from './draft.ts';
import { adviceFor } from './wait-sentence.ts';

/** Trouble of one kind that lasted as long as a shortage may: nobody is acting on it. Later, it is only shown. */
export function failWhenStuck(draft: Draft): void {
  const { state, now, waits } = draft;
  if (state.provisionedAt !== null || state.failure !== null) return;
  for (const [key, trouble] of Object.entries(state.troubles)) {
    // A watch that stands again has no outcome that would say so.
    if (key.endsWith('/observe-cluster')) continue;
    if (!hasPassed(deadlineOf(state, trouble.since, waits.shortageDeadlineMs, waits), now)) continue;
    const hours = Math.max(1, Math.round(waits.shortageDeadlineMs / 3_600_000));
    const message = `${trouble.detail.replace(/\.?$/, '.')} ${adviceFor(trouble.code)} That lasted ${hours} hours. Everything is kept as it is; abort to give it back.`;
    draft.state = { ...state, failure: { code: trouble.code, message, at: now } };
    return;
  }
}
