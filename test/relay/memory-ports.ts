// Ports of the relay in memory: a clock that a test moves, a disk that can fill up, a log that can be read.

import type { Failpoint } from '../../relay/failpoint.ts';
import { createLog, type Log } from '../../relay/log.ts';
import type { Disk, DiskFailure, Ports } from '../../relay/ports.ts';
import { EpochMs } from '../../shared/ids.ts';
import { err, ok } from '../../shared/result.ts';

export type TestPorts = Ports & {
  /** Moves time, running what falls due on the way. */
  readonly advance: (ms: number) => Promise<void>;
  /** Puts the clock on the wall forward or back; nothing falls due by that. */
  readonly setClock: (byMs: number) => void;
  readonly reached: Failpoint[];
};

export function testPorts(start = 1_000_000): TestPorts {
  let elapsed = 0;
  let wrongBy = 0;
  let due: { at: number; then: () => void }[] = [];
  const reached: Failpoint[] = [];
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 50; turn += 1) await Promise.resolve();
  };
  return {
    clock: { now: () => EpochMs.parse(start + elapsed + wrongBy), monotonicMs: () => elapsed },
    random: { fraction: () => 0.5, bytes: (count) => new Uint8Array(count) },
    timers: {
      after: (delayMs, then) => {
        const entry = { at: elapsed + delayMs, then };
        due.push(entry);
        return () => {
          due = due.filter((other) => other !== entry);
        };
      },
    },
    reach: (point) => void reached.push(point),
    reached,
    setClock: (byMs) => {
      wrongBy += byMs;
    },
    advance: async (ms) => {
      const end = elapsed + ms;
      await settle();
      for (;;) {
        const next = due.filter(({ at }) => at <= end).sort((one, other) => one.at - other.at)[0];
        if (next === undefined) break;
        due = due.filter((other) => other !== next);
        elapsed = Math.max(elapsed, next.at);
        next.then();
        await settle();
      }
      elapsed = end;
      await settle();
    },
  };
}

export type TestDisk = Disk & {
  readonly files: Map<string, Uint8Array>;
  /** The failure of every write from now on; null: none. `partial` bytes of an append get through. */
  fail: { readonly failure: DiskFailure; readonly partial: number } | null;
  appends: number;
};

export function testDisk(): TestDisk {
  const files = new Map<string, Uint8Array>();
  const disk: TestDisk = {
    files,
    fail: null,
    appends: 0,
    read: async (name) => ok(files.get(name) ?? null),
    append: async (name, bytes) => {
      disk.appends += 1;
      const written = disk.fail === null ? bytes : bytes.slice(0, disk.fail.partial);
      files.set(name, Buffer.concat([files.get(name) ?? new Uint8Array(), written]));
      return disk.fail === null ? ok(null) : err(disk.fail.failure);
    },
    replace: async (name, bytes) => {
      if (disk.fail !== null) return err(disk.fail.failure);
      files.set(name, bytes);
      return ok(null);
    },
    truncate: async (name, lengthBytes) => {
      files.set(name, (files.get(name) ?? new Uint8Array()).slice(0, lengthBytes));
      return ok(null);
    },
  };
  return disk;
}

export function testLog(): { readonly log: Log; readonly lines: string[] } {
  const lines: string[] = [];
  return {
    log: createLog(
      (line) => lines.push(line),
      () => '',
      'debug',
      {},
    ),
    lines,
  };
}
