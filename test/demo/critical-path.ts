// How much of a run was the machines' own time: the lab's delays along the critical path.

export type Delay = {
  readonly machine: string;
  readonly kind: string;
  readonly startMs: number;
  readonly endMs: number;
};

/**
 * Walks back from the delay that ended last: before it, the one that ended last before it began, and so on. The sum of
 * their lengths is what could not have been faster however fast we are; the rest of the wall time is ours.
 * Milliseconds; delays outside [fromMs, toMs] are cut to it.
 */
export function criticalPath(
  delays: readonly Delay[],
  fromMs: number,
  toMs: number,
): { readonly machineMs: number; readonly path: readonly Delay[] } {
  const inside = delays
    .map((delay) => ({ ...delay, startMs: Math.max(delay.startMs, fromMs), endMs: Math.min(delay.endMs, toMs) }))
    .filter((delay) => delay.endMs > delay.startMs);
  const path: Delay[] = [];
  let before = toMs;
  for (;;) {
    const last = inside
      .filter((delay) => delay.endMs <= before)
      .sort((a, b) => b.endMs - a.endMs || a.startMs - b.startMs)[0];
    if (last === undefined) break;
    path.unshift(last);
    before = last.startMs;
  }
  return { machineMs: Math.round(path.reduce((sum, delay) => sum + delay.endMs - delay.startMs, 0)), path };
}
