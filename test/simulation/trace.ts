// What happened, in order: a hash of all of it, and the lines themselves when somebody reads along.
import { hash32 } from './prng.ts';

export class Trace {
  #low = 0x811c9dc5;
  #high = 0x2545f491;
  readonly #print: ((line: string) => void) | null;
  /** The last lines, for the report of a violation. */
  readonly recent: string[] = [];
  readonly #now: () => number;
  readonly #startMs: number;

  constructor(now: () => number, print: ((line: string) => void) | null) {
    this.#now = now;
    this.#startMs = now();
    this.#print = print;
  }

  say(who: string, what: string): void {
    const line = `${((this.#now() - this.#startMs) / 1_000).toFixed(3)} ${who}: ${what}`;
    this.#low = hash32(line, this.#low);
    this.#high = hash32(line, this.#high ^ this.#low);
    if (this.#print !== null) this.#print(line);
    this.recent.push(line);
    if (this.recent.length > 400) this.recent.splice(0, 200);
  }

  get hash(): string {
    return [this.#high, this.#low].map((part) => (part >>> 0).toString(16).padStart(8, '0')).join('');
  }
}
