// The storage constraint of allocate: `label:GB(tag,tag),label2:GB`, the first for the root disk (maas.md §5.1).

import type { Disk, Machine } from './machine.ts';

export type StorageWish = { readonly label: string | null; readonly bytes: number; readonly tags: readonly string[] };
export type StorageMatch = readonly { readonly label: string | null; readonly disk: Disk }[];

const BYTES_PER_GB = 1_000_000_000;
const WISH = /^(?:([a-zA-Z0-9]+):)?([0-9]+(?:\.[0-9]+)?)(?:\(([^)]*)\))?$/;

/** null when malformed. */
export function parseStorage(text: string): StorageWish[] | null {
  const wishes: StorageWish[] = [];
  for (const part of text.split(/,(?![^(]*\))/)) {
    const match = WISH.exec(part.trim());
    if (!match) return null;
    const tags = (match[3] ?? '').split(',').filter((tag) => tag !== '');
    wishes.push({ label: match[1] ?? null, bytes: Number(match[2]) * BYTES_PER_GB, tags });
  }
  return wishes;
}

/** One disk of its own for every wish, the smallest that does; null when the machine has too few. */
export function matchStorage(machine: Machine, wishes: readonly StorageWish[]): StorageMatch | null {
  const left = [...machine.disks].sort((a, b) => a.sizeBytes - b.sizeBytes || a.id - b.id);
  const matched: { label: string | null; disk: Disk }[] = [];
  for (const wish of wishes) {
    const index = left.findIndex(
      (disk) => disk.sizeBytes >= wish.bytes && wish.tags.every((tag) => disk.tags.includes(tag)),
    );
    const [disk] = index < 0 ? [] : left.splice(index, 1);
    if (!disk) return null;
    matched.push({ label: wish.label, disk });
  }
  return matched;
}
