// Which failpoint comes next: each once, in an order drawn from the seed, before any comes again. One that was not reached in
// its time goes back to the end of the deck.
import type { Random } from '../simulation/prng.ts';

/** A later pass than the first finds the process at another moment of its life. */
const PASS_MAX = 2;

export type PointDeck<Point extends string> = {
  /** How often each was reached; every point is in it. */
  counts(): Readonly<Record<Point, number>>;
  /** `name:pass`, as the process is armed with. */
  draw(): { readonly point: Point; readonly setting: string };
  fired(point: Point): void;
  missed(point: Point): void;
};

export function pointDeck<Point extends string>(points: readonly Point[], random: Random): PointDeck<Point> {
  const counts = new Map<Point, number>(points.map((point) => [point, 0]));
  const misses = new Map<Point, number>();
  let deck: Point[] = [];
  return {
    // TypeScript forgets the keys; every point is in the map from the start.
    counts: () => Object.fromEntries(counts) as Record<Point, number>,
    draw: () => {
      if (deck.length === 0) deck = shuffled(points, random);
      const point = deck.shift();
      if (point === undefined) throw new Error('there are no failpoints');
      // One that was missed is rare: the first pass will do.
      const pass = misses.has(point) ? 1 : 1 + random.below(PASS_MAX);
      return { point, setting: `${point}:${pass}` };
    },
    fired: (point) => counts.set(point, (counts.get(point) ?? 0) + 1),
    missed: (point) => {
      misses.set(point, (misses.get(point) ?? 0) + 1);
      deck.push(point);
    },
  };
}

function shuffled<T>(list: readonly T[], random: Random): T[] {
  return list
    .map((one) => ({ one, rank: random.fraction() }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ one }) => one);
}
