// Runs every promise that can go on, now and to its end. A simulator needs to know when nothing more follows from an event;
// counting ticks would be a guess, and a turn of the event loop costs more than most events.
import { setFlagsFromString } from 'node:v8';

/** V8's own function for it. May only be called from outside of a promise: inside, V8 leaves the queue as it is. */
export const drainMicrotasks: () => void = nativeDrain();

function nativeDrain(): () => void {
  setFlagsFromString('--allow-natives-syntax');
  const made: unknown = new Function('%PerformMicrotaskCheckpoint()');
  setFlagsFromString('--no-allow-natives-syntax');
  if (typeof made !== 'function') throw new Error('V8 made no function');
  return () => void made();
}

/** Runs `work` where draining works, and proves that it does. */
export function outsideOfPromises<T>(work: () => T): Promise<T> {
  return new Promise((resolve, reject) => {
    setImmediate(() => {
      try {
        let ran = false;
        void Promise.resolve().then(() => {
          ran = true;
        });
        drainMicrotasks();
        if (!ran) throw new Error('this Node does not drain its promises when asked');
        resolve(work());
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)));
      }
    });
  });
}
