// How long clusters stand still after a blow: from the blow to the next progress of each cluster that was under way then.
// Progress is what a user would call so: the cluster's phase, its endpoint, its machines and their steps. What it says it
// waits for is none, since a blow itself changes that.
import type { ClusterView } from '../../shared/cluster-view.ts';

type Debt = { readonly what: string; sinceMs: number };
type Watched = { mark: string; readonly debts: Debt[] };
export type Recovery = { readonly cluster: string; readonly what: string; readonly ms: number };

export type Recoveries = ReturnType<typeof createRecoveries>;

export function createRecoveries(nowMs: () => number) {
  const watched = new Map<string, Watched>();
  const all: Recovery[] = [];
  let standing = 0;

  const blow = (what: string): void => {
    for (const { debts } of watched.values()) debts.push({ what, sinceMs: nowMs() });
  };
  const settle = (cluster: string, { debts }: Watched): void => {
    // While the trouble stands, progress is luck and proves nothing.
    if (standing > 0) return;
    for (const { what, sinceMs } of debts.splice(0)) all.push({ cluster, what, ms: Math.round(nowMs() - sinceMs) });
  };

  return {
    all,
    /** The cluster as it is seen now. */
    saw: (view: ClusterView): void => {
      const mark = markOf(view);
      const before = watched.get(view.id);
      if (before === undefined) watched.set(view.id, { mark, debts: [] });
      else if (before.mark !== mark) {
        before.mark = mark;
        settle(view.id, before);
      }
    },
    /** It is at rest or gone: nothing more is expected of it. */
    ended: (id: string): void => {
      const before = watched.get(id);
      if (before !== undefined) settle(id, before);
      watched.delete(id);
    },
    /** Something was killed or cut, and is whole again by itself or at once. */
    blow,
    /** Trouble that stands until the answered function is called; recovery counts from there. */
    trouble: (what: string): (() => void) => {
      standing += 1;
      return () => {
        standing -= 1;
        blow(what);
        for (const { debts } of watched.values()) for (const debt of debts) debt.sinceMs = nowMs();
      };
    },
    owed: (): number => [...watched.values()].filter(({ debts }) => debts.length > 0).length,
    /** What never came back, with how long it has been waited for. */
    overdue: (): Recovery[] =>
      [...watched].flatMap(([cluster, { debts }]) =>
        debts.map(({ what, sinceMs }) => ({ cluster, what, ms: Math.round(nowMs() - sinceMs) })),
      ),
  };
}

function markOf({ phase, endpoint, machines }: ClusterView): string {
  const shown = machines.map(({ slot, attempt, phase: at, systemId, steps }) => [
    ...[slot, attempt, at, systemId],
    steps.map(({ name, outcome, attempt: tries }) => [name, outcome, tries]),
  ]);
  return JSON.stringify([phase, endpoint, shown]);
}
