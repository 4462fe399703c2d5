// A state folder that can be given over: from then on this process reads and writes nothing in it, whatever of it is still
// running.
import { err, type Result } from '../../shared/result.ts';
import type { Disk, DiskFailure } from '../ports.ts';

export type GatedDisk = Disk & {
  /** Resolves when what was under way is done. */
  readonly close: () => Promise<void>;
};

export function gateDisk(disk: Disk): GatedDisk {
  let isClosed = false;
  const underWay = new Set<Promise<unknown>>();
  const pass = async <T>(work: () => Promise<Result<T, DiskFailure>>): Promise<Result<T, DiskFailure>> => {
    if (isClosed) return err({ code: 'broken', detail: 'the state folder was given over to another process' });
    const doing = work();
    underWay.add(doing);
    try {
      return await doing;
    } finally {
      underWay.delete(doing);
    }
  };
  return {
    read: (name) => pass(() => disk.read(name)),
    append: (name, bytes) => pass(() => disk.append(name, bytes)),
    replace: (name, bytes) => pass(() => disk.replace(name, bytes)),
    truncate: (name, lengthBytes) => pass(() => disk.truncate(name, lengthBytes)),
    close: async () => {
      isClosed = true;
      await Promise.allSettled([...underWay]);
    },
  };
}
