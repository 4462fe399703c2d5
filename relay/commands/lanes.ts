// Who may run when: the commands of one cluster and subject one after another, and only so many at once in all.

export type Lanes = {
  /** Runs `work` in its turn. `work` must not reject. */
  readonly run: (lane: string, work: () => Promise<void>) => void;
};

/** Bounded by what is put in: dispatch holds at most the gateway's queue (I17). */
export function createLanes(atOnceMax: number): Lanes {
  const tails = new Map<string, Promise<void>>();
  const waiting: (() => void)[] = [];
  let running = 0;

  const place = (): Promise<void> => {
    if (running < atOnceMax) {
      running += 1;
      return Promise.resolve();
    }
    return new Promise((resolve) => waiting.push(resolve));
  };
  const leave = (): void => {
    const next = waiting.shift();
    // The place passes on; it is not given back first.
    if (next === undefined) running -= 1;
    else next();
  };
  const inTurn = async (before: Promise<void>, work: () => Promise<void>): Promise<void> => {
    await before;
    await place();
    await work().finally(leave);
  };
  return {
    run: (lane, work) => {
      const tail = inTurn(tails.get(lane) ?? Promise.resolve(), work);
      tails.set(lane, tail);
      void tail.then(() => {
        if (tails.get(lane) === tail) tails.delete(lane);
      });
    },
  };
}
