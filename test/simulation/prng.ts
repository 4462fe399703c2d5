// Randomness of a seed, as streams: what one part of the world draws does not move what another draws, so a run that differs
// in one fault stays like the other as long as it can.

export type Random = {
  /** In [0, 1). */
  fraction(): number;
  chance(probability: number): boolean;
  /** A whole number in [0, count). */
  below(count: number): number;
  /** A whole number in [low, high]. */
  between(low: number, high: number): number;
  pick<T>(list: readonly [T, ...T[]]): T;
  bytes(count: number): Uint8Array;
};

export function randomOf(seed: number, stream: string): Random {
  const fraction = sfc32(seed, stream);
  const below = (count: number): number => Math.floor(fraction() * count);
  return {
    fraction,
    // Drawn also when the chance is nought: rates do not move the stream.
    chance: (probability) => fraction() < probability,
    below,
    between: (low, high) => low + below(high - low + 1),
    pick: (list) => list[below(list.length)] ?? list[0],
    bytes: (count) => Uint8Array.from({ length: count }, () => below(256)),
  };
}

/** Chris Doty-Humphrey's small fast counter, 128 bits of state, as PractRand has it. */
function sfc32(seed: number, stream: string): () => number {
  let [a, b, c, counter] = [hash32(stream, seed | 0), hash32(stream, ~seed), Math.imul(seed, 0x9e3779b1) | 0, 1];
  const next = (): number => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 4_294_967_296;
  };
  for (let warm = 0; warm < 12; warm += 1) next();
  return next;
}

/** FNV-1a. */
export function hash32(text: string, basis = 0x811c9dc5): number {
  let hash = basis;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash;
}
