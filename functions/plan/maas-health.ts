// Pure. What the relay's poll says of MAAS, as conditions and as what may be waited for (SPEC.md [WA4], [WA5]).
import type { Condition } from '../../shared/cluster-view.ts';
import type { ClusterState } from './cluster-state.ts';
import { maasSentence } from './wait-sentence.ts';

/** What MAAS is known to fail with now; null when it answers, or when nobody looks. */
export function maasFailureOf(state: ClusterState): NonNullable<ClusterState['maas']>['failure'] {
  return isLookedAt(state) ? (state.maas?.failure ?? null) : null;
}

/** In the words of a gateway's conditions (features G13). Unknown while nobody looks: what was seen before may be over. */
export function maasConditions(state: ClusterState): Condition[] {
  const { maas, gateway, createdAt } = state;
  if (maas === null || !isLookedAt(state)) {
    const unknown = { status: 'Unknown', reason: 'NotLookedAt', message: '' } as const;
    const lastTransition = Math.max(createdAt, maas?.since ?? 0, gateway?.since ?? 0);
    return TYPES.map((type) => ({ type, ...unknown, lastTransition }));
  }
  const { failure, since: lastTransition } = maas;
  const well = { reason: 'Polled', message: 'MAAS answers.' };
  const ill = failure === null ? well : { reason: failure.code, message: maasSentence(failure) };
  const [reachable, authenticated] = statusOf(failure?.code ?? null);
  return [
    { type: TYPES[0], status: reachable, ...(reachable === 'True' ? well : ill), lastTransition },
    { type: TYPES[1], status: authenticated, ...ill, lastTransition },
  ];
}

const TYPES = ['MaasReachable', 'MaasAuthenticated'] as const;
type Status = Condition['status'];

/** MAAS itself said no: it was reached. Its user, key or time is what is wrong. */
const REFUSALS = new Set(['MAAS_UNAUTHORIZED', 'MAAS_FORBIDDEN', 'MAAS_CLOCK_SKEW']);

function statusOf(code: string | null): readonly [Status, Status] {
  if (code === null) return ['True', 'True'];
  return REFUSALS.has(code) ? ['True', 'False'] : ['False', 'Unknown'];
}

/** A gateway that is away, or a watch that is withdrawn, tells nothing of MAAS any more. */
function isLookedAt({ gateway, pending }: ClusterState): boolean {
  return gateway?.connected !== false && pending['cluster/observe-cluster'] !== undefined;
}
