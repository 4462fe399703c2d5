// The disk of a simulated machine.
import type { MachineDisk } from './kubeadm.ts';

export type MemoryDisk = MachineDisk & { readonly paths: () => string[] };

export function memoryDisk(): MemoryDisk {
  const files = new Map<string, string>();
  return {
    read: (path) => files.get(path) ?? null,
    write: (path, content) => {
      files.set(path, content);
    },
    remove: (path) => {
      for (const name of [...files.keys()]) if (name === path || name.startsWith(`${path}/`)) files.delete(name);
    },
    paths: () => [...files.keys()],
  };
}
