// How far a run of many lives is, for whoever waits for it.

const EVERY_MS = 30_000;

/** To be called with each life that is over; says how far it is from time to time. @param now milliseconds */
export function progressOf(
  lives: number,
  say: (line: string) => void,
  now: () => number,
): (life: { readonly violations: readonly unknown[] }) => void {
  const startedAt = now();
  const done = { lives: 0, violating: 0, saidAt: startedAt };
  return ({ violations }) => {
    done.lives += 1;
    if (violations.length > 0) done.violating += 1;
    if (now() < done.saidAt + EVERY_MS) return;
    done.saidAt = now();
    const msLeft = ((now() - startedAt) / done.lives) * (lives - done.lives);
    const left = `about ${Math.ceil(msLeft / 60_000)} min left`;
    say(`${done.lives} of ${lives} lives, ${done.violating} with violations; ${left}`);
  };
}
