// Virtual time: events in the order of their moments, those of one moment in the order they were made.

export type Cancel = () => void;

type Entry = { readonly at: number; readonly order: number; run: (() => void) | null };

export class Timeline {
  now: number;
  events = 0;
  #order = 0;
  /** A binary heap. */
  readonly #heap: Entry[] = [];

  constructor(startMs: number) {
    this.now = startMs;
  }

  /** In whole milliseconds, as clocks show them. */
  after(delayMs: number, run: () => void): Cancel {
    const entry: Entry = { at: this.now + Math.max(0, Math.ceil(delayMs)), order: this.#order, run };
    this.#order += 1;
    this.#push(entry);
    return () => {
      entry.run = null;
    };
  }

  /** The moment of the next event; infinity when there is none. */
  nextAt(): number {
    while (this.#heap[0]?.run === null) this.#pop();
    return this.#heap[0]?.at ?? Number.POSITIVE_INFINITY;
  }

  /** Runs the next event, if it is not later than `untilMs`. */
  step(untilMs: number): boolean {
    if (this.nextAt() > untilMs) return false;
    const entry = this.#pop();
    if (entry === undefined) return false;
    this.now = Math.max(this.now, entry.at);
    this.events += 1;
    const { run } = entry;
    entry.run = null;
    run?.();
    return true;
  }

  get waiting(): number {
    return this.#heap.length;
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(entry);
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = heap[above];
      if (parent === undefined || !isBefore(entry, parent)) break;
      heap[at] = parent;
      at = above;
    }
    heap[at] = entry;
  }

  #pop(): Entry | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      const left = heap[below];
      if (left === undefined) break;
      const right = heap[below + 1];
      let child = left;
      if (right !== undefined && isBefore(right, left)) {
        child = right;
        below += 1;
      }
      if (!isBefore(child, last)) break;
      heap[at] = child;
      at = below;
    }
    heap[at] = last;
    return first;
  }
}

const isBefore = (one: Entry, other: Entry): boolean =>
  one.at < other.at || (one.at === other.at && one.order < other.order);
