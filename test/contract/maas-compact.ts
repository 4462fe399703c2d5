// The compact form of the recordings, which travels with every clone. `node test/contract/maas-compact.ts` writes
// recorded/maas-3.7.3.json anew from ../shared; maas-lab.test.ts checks that it is what this makes.

import { writeFileSync } from 'node:fs';
import type { z } from 'zod';
import type { Shape } from './maas-expectation.ts';
import { COMPACT_FILE, type compactSchema, folded, type Recording, readSharedRecordings } from './maas-recordings.ts';

const NOTE =
  'Recorded from a real MAAS 3.7.3 region API in a throw-away server, whose keys died with it. Made by maas-compact.ts: ' +
  'JSON answers are kept as keys with types, machines as the facts of their state, errors and texts in full.';

/** One recording a line, so that a change shows as one. */
export function compactText(recordings: readonly Recording[]): string {
  const table: Shape[] = [];
  const known = new Map<string, number>();
  const rows: z.input<typeof compactSchema>['recordings'] = recordings.map((recording) => {
    const { shape, ...rest } = recording.expectation;
    return { ...recording, expectation: shape === undefined ? rest : { ...rest, shape: folded(shape, table, known) } };
  });
  const lines = (list: readonly unknown[]): string => list.map((one) => JSON.stringify(one)).join(',\n');
  return `{"note":${JSON.stringify(NOTE)},\n"shapes":[\n${lines(table)}\n],\n"recordings":[\n${lines(rows)}\n]}\n`;
}

if (import.meta.main) {
  const recordings = readSharedRecordings();
  if (recordings) writeFileSync(COMPACT_FILE, compactText(recordings));
  else console.error('there is no ../shared/maas beside the project; nothing was written');
  process.exitCode = recordings ? 0 : 1;
}
