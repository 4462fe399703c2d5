// Numbers the letters to clusters (L9): each is higher than any before, also of the processes of this object that are gone.

/** Between two writes, so that a letter costs none. */
const RESERVED_AT_ONCE = 1_000;

/** @param reserve keeps that so many numbers are used, and gives the first of them */
export function letterNumbers(reserve: (count: number) => number): { next(): number } {
  let next = 0;
  let end = 0;
  return {
    next: () => {
      if (next === end) {
        next = reserve(RESERVED_AT_ONCE);
        end = next + RESERVED_AT_ONCE;
      }
      next += 1;
      return next - 1;
    },
  };
}
