// What the relay needs of the world, as ports. Adapters (relay/adapters/) give the real ones; tests and the simulator give
// seeded ones and run everything else unchanged. No other file may read a clock, draw a random number, set a timer, open a
// socket or touch a disk. MAAS has a port of its own: maas/transport.ts.
import type { EpochMs } from '../shared/ids.ts';
import type { Result } from '../shared/result.ts';
import type { Failpoint } from './failpoint.ts';

export type Clock = {
  /** Wall time; may jump. */
  readonly now: () => EpochMs;
  /** Never goes back and has no meaning but its differences: leases and time-outs are measured by it. */
  readonly monotonicMs: () => number;
};

export type Random = {
  /** In [0, 1): jitter, nonces of MAAS requests. */
  readonly fraction: () => number;
  /** Good enough for keys. */
  readonly bytes: (count: number) => Uint8Array;
};

export type Timers = {
  /** Runs `then` once after `delayMs`, unless the answered function is called before. */
  readonly after: (delayMs: number, then: () => void) => () => void;
};

/** `full`: no room or quota. `broken`: anything else the disk says; its words are in `detail`. */
export type DiskFailure = { readonly code: 'full' | 'broken'; readonly detail: string };
type OnDisk<T> = Promise<Result<T, DiskFailure>>;

/** One folder, the relay's state folder. Names are plain file names. What is answered ok survives a power cut. */
export type Disk = {
  /** Null when there is no such file. */
  readonly read: (name: string) => OnDisk<Uint8Array | null>;
  /** Writes at the end and flushes. After a failure the file may end in a part of `bytes`. */
  readonly append: (name: string, bytes: Uint8Array) => OnDisk<null>;
  /** All or nothing, with mode 0600. */
  readonly replace: (name: string, bytes: Uint8Array) => OnDisk<null>;
  readonly truncate: (name: string, lengthBytes: number) => OnDisk<null>;
};

/** Everything but the disk and the network, which only few parts see. */
export type Ports = {
  readonly clock: Clock;
  readonly random: Random;
  readonly timers: Timers;
  /** Passes a named point; a test may end the process there (failpoint.ts). */
  readonly reach: (point: Failpoint) => void;
};

/** Waits, unless and until `signal` is aborted: true when the whole time has passed. */
export function sleep(timers: Timers, delayMs: number, signal?: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve(false);
    const end = (whole: boolean): void => {
      cancel();
      signal?.removeEventListener('abort', abandon);
      resolve(whole);
    };
    const abandon = (): void => end(false);
    const cancel = timers.after(delayMs, () => end(true));
    signal?.addEventListener('abort', abandon);
  });
}
