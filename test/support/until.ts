// Waiting for something in tests and the demo: it is looked at again and again, and the wait has an end with a sentence.
import { setTimeout as delay } from 'node:timers/promises';

const LOOK_MS = 100;

/** Resolves with the first answer that is neither false, null nor undefined; throws after `msMax`, saying for what it waited. */
export async function until<T>(
  msMax: number,
  what: string,
  look: () => Promise<T | false | null | undefined> | T | false | null | undefined,
  everyMs = LOOK_MS,
): Promise<T> {
  const end = performance.now() + msMax;
  for (;;) {
    const seen = await look();
    if (seen !== false && seen !== null && seen !== undefined) return seen;
    if (performance.now() > end) throw new Error(`waited ${msMax} ms for ${what}`);
    await delay(everyMs);
  }
}
