// The known word a mistyped one was probably meant to be.

/** By edits (insert, drop, change a character); null when there is no word to name. */
export function nearestWord(typed: string, known: readonly string[]): string | null {
  let nearest: string | null = null;
  let fewest = Number.POSITIVE_INFINITY;
  for (const word of known) {
    const edits = editsBetween(typed.toLowerCase(), word.toLowerCase());
    if (edits < fewest) [nearest, fewest] = [word, edits];
  }
  return nearest;
}

/** Levenshtein's distance, row by row. Words here are at most 64 characters (cluster-spec.ts). */
function editsBetween(one: string, other: string): number {
  let above = Array.from({ length: other.length + 1 }, (_, at) => at);
  for (const [row, character] of [...one].entries()) {
    const here = [row + 1];
    for (let column = 0; column < other.length; column += 1) {
      const change = (above[column] ?? 0) + (character === other[column] ? 0 : 1);
      here.push(Math.min(change, (above[column + 1] ?? 0) + 1, (here[column] ?? 0) + 1));
    }
    above = here;
  }
  return above[other.length] ?? 0;
}
