// The disk of one relay node: what was answered ok survives a power cut; a write that was under way may be torn.
import type { Disk, DiskFailure } from '../../relay/ports.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import type { Site } from './site.ts';

/** The process that uses it: `hear` runs later, unless the process is gone by then. */
export type DiskUser = {
  hear(delayMs: number, work: () => void): void;
  point(label: string): void;
  readonly isGone: () => boolean;
};

const FULL: DiskFailure = { code: 'full', detail: 'no space left on device (simulated)' };

export class RelayDisk {
  readonly files = new Map<string, Uint8Array>();
  readonly #site: Site;
  isFull = false;
  /** The last of each file that was written to, and the memory it may still grow into: what was read of it stays as it was. */
  readonly #grown = new Map<string, { readonly whole: Uint8Array; readonly room: Uint8Array }>();
  /** The append under way, for the power cut. */
  #inFlight: { readonly name: string; readonly bytes: Uint8Array } | null = null;
  /** Called once, in the middle of the next write. */
  onWrite: (() => void) | null = null;
  readonly onAppended: ((name: string, bytes: Uint8Array) => void)[] = [];

  constructor(site: Site) {
    this.#site = site;
  }

  /** A part of what was being written may be there. */
  powerCut(): void {
    const flying = this.#inFlight;
    this.#inFlight = null;
    if (flying === null) return;
    if (!this.#site.network.chance(0.7)) return;
    this.#site.faults.count('disk-torn');
    this.#grow(flying.name, flying.bytes.subarray(0, this.#site.network.below(flying.bytes.byteLength)));
  }

  /** One bit of the middle rots. */
  flip(name: string): boolean {
    const bytes = this.files.get(name);
    if (bytes === undefined || bytes.byteLength < 100) return false;
    const copy = Uint8Array.from(bytes);
    const at = this.#site.network.below(copy.byteLength);
    copy[at] = (copy[at] ?? 0) ^ (1 << this.#site.network.below(8));
    this.files.set(name, copy);
    return true;
  }

  /** As a process opens it. */
  openFor(user: DiskUser): Disk {
    const act = <T>(label: string, work: () => Result<T, DiskFailure>): Promise<Result<T, DiskFailure>> =>
      new Promise((resolve) => {
        user.point(`disk ${label}`);
        if (user.isGone()) return;
        user.hear(this.#site.network.below(3), () => {
          const done = work();
          user.point(`disk ${label} done`);
          if (!user.isGone()) resolve(done);
        });
      });
    return {
      read: (name) => act(`read ${name}`, () => ok(this.files.get(name) ?? null)),
      append: (name, bytes) => {
        this.#inFlight = { name, bytes };
        const interrupt = this.onWrite;
        this.onWrite = null;
        interrupt?.();
        return act(`append ${name}`, () => {
          this.#inFlight = null;
          if (this.isFull || this.#site.faults.strikes('disk-full')) {
            this.#grow(name, bytes.subarray(0, this.#site.network.below(bytes.byteLength)));
            return err(FULL);
          }
          this.#grow(name, bytes);
          for (const tell of this.onAppended) tell(name, bytes);
          return ok(null);
        });
      },
      replace: (name, bytes) =>
        act(`replace ${name}`, () => {
          if (this.isFull || this.#site.faults.strikes('disk-full')) return err(FULL);
          this.files.set(name, Uint8Array.from(bytes));
          return ok(null);
        }),
      truncate: (name, lengthBytes) =>
        act(`truncate ${name}`, () => {
          this.files.set(name, (this.files.get(name) ?? new Uint8Array()).slice(0, lengthBytes));
          return ok(null);
        }),
    };
  }

  #grow(name: string, bytes: Uint8Array): void {
    const before = this.files.get(name) ?? new Uint8Array();
    const length = before.byteLength + bytes.byteLength;
    const grown = this.#grown.get(name);
    let room = grown?.whole === before ? grown.room : before;
    if (room.byteLength < length) {
      // A journal of a month is copied now and then, and not with each record.
      room = new Uint8Array(2 * length);
      room.set(before);
    }
    room.set(bytes, before.byteLength);
    const whole = room.subarray(0, length);
    this.files.set(name, whole);
    this.#grown.set(name, { whole, room });
  }
}
