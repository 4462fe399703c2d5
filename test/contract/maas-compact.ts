// Writes recorded/maas-3.7.3.json anew from ../shared: `node test/contract/maas-compact.ts`.

import { writeFileSync } from 'node:fs';
import type { z } from 'zod';
import type { Shape } from './maas-expectation.ts';
import { COMPACT_FILE, type compactSchema, folded, readSharedRecordings } from './maas-recordings.ts';

const NOTE =
  'Recorded from a real MAAS 3.7.3 region API in a throw-away server, whose keys died with it. Made by maas-compact.ts: ' +
  'JSON answers are kept as keys with types, machines as the facts of their state, errors and texts in full.';

function main(): void {
  const recordings = readSharedRecordings();
  if (!recordings) {
    console.error('there is no ../shared/maas beside the project; nothing was written');
    process.exitCode = 1;
    return;
  }
  const shapes: Shape[] = [];
  const known = new Map<string, number>();
  const compact: z.input<typeof compactSchema> = {
    note: NOTE,
    shapes,
    recordings: recordings.map((recording) => {
      const { shape, ...rest } = recording.expectation;
      return {
        ...recording,
        expectation: shape === undefined ? rest : { ...rest, shape: folded(shape, shapes, known) },
      };
    }),
  };
  writeFileSync(COMPACT_FILE, `${oneRecordingALine(compact)}\n`);
  console.log(`${recordings.length} recordings, ${shapes.length} shapes`);
}

const oneRecordingALine = ({ note, shapes, recordings }: z.input<typeof compactSchema>): string =>
  [
    `{"note":${JSON.stringify(note)},`,
    `"shapes":[\n${shapes.map((shape) => JSON.stringify(shape)).join(',\n')}\n],`,
    `"recordings":[\n${recordings.map((recording) => JSON.stringify(recording)).join(',\n')}\n]}`,
  ].join('\n');

main();
