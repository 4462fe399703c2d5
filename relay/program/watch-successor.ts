// After the hand-over (U4): the former process watches the heartbeats of the new program, and takes over again without them.
import type { Clock, Timers } from '../ports.ts';
import type { Successor } from './former-talk.ts';

export type Fate =
  /** A signal ends this process. */
  | { readonly kind: 'asked' }
  | { readonly kind: 'accepted' }
  /** It may still run. */
  | { readonly kind: 'failed'; readonly detail: string };

/** Says that the folder is free, and waits for what becomes of it. @param asked resolves when a signal came */
export function watchSuccessor(
  successor: Successor,
  heartbeatMs: number,
  { clock, timers }: { readonly clock: Clock; readonly timers: Timers },
  asked: Promise<unknown>,
): Promise<Fate> {
  return new Promise((resolve) => {
    let firstAtMs: number | null = null;
    let over = false;
    let cancel = (): void => {};
    const end = (fate: Fate): void => {
      over = true;
      cancel();
      resolve(fate);
    };
    const wait = (): void => {
      cancel();
      const detail = `the new program had no heartbeat for ${Math.round(heartbeatMs / 1_000)} s`;
      cancel = timers.after(heartbeatMs, () => end({ kind: 'failed', detail }));
    };
    wait();
    successor.hear(({ kind }) => {
      if (kind !== 'heartbeat' || over) return;
      firstAtMs ??= clock.monotonicMs();
      if (clock.monotonicMs() - firstAtMs >= heartbeatMs) return end({ kind: 'accepted' });
      wait();
    });
    void successor.ended.then((how) => end({ kind: 'failed', detail: `the new program ended: ${how}` }));
    void asked.then(() => end({ kind: 'asked' }));
    successor.say({ kind: 'go' });
  });
}
