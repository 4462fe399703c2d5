// The relay's disk: a small tmpfs of its own where we may mount one (root), which can be filled to the last byte and freed.
import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const SIZE = '24m';
const CHUNK_BYTES = 65_536;

export type SmallDisk = {
  readonly folder: string;
  /** Null: it could not be mounted, so nothing can be filled. */
  readonly fill: (() => void) | null;
  free(): void;
  close(): void;
};

export function smallDisk(folder: string, log: (line: string) => void): SmallDisk {
  mkdirSync(folder, { recursive: true });
  const ballast = join(folder, 'ballast');
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${SIZE},mode=0700`, 'slipway-chaos', folder]);
  const isMounted = mounted.status === 0;
  if (!isMounted) log('driver: no tmpfs could be mounted (it takes root): the disk is not filled in this run');
  return {
    folder,
    fill: isMounted ? () => fill(ballast) : null,
    free: () => rmSync(ballast, { force: true }),
    close: () => {
      // Lazily: a process that was just killed may hold a file for a moment still.
      if (isMounted) spawnSync('umount', ['--lazy', folder]);
    },
  };
}

function fill(path: string): void {
  const file = openSync(path, 'a');
  try {
    for (let size = CHUNK_BYTES; size >= 1; ) {
      try {
        if (writeSync(file, Buffer.alloc(size)) < size) size = Math.floor(size / 2);
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
        size = Math.floor(size / 2);
      }
    }
  } finally {
    closeSync(file);
  }
}
