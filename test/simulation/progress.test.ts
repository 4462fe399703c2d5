// What a person reads while thousands of lives are played.
import { expect, test } from 'vitest';
import { progressOf } from './progress.ts';

test('every half minute a line says how many lives are over, how many went wrong and what is left', () => {
  let now = 0;
  const lines: string[] = [];
  const over = progressOf(
    100,
    (line) => lines.push(line),
    () => now,
  );
  for (const violations of [[], ['I3: …'], [], []]) {
    now += 14_000;
    over({ violations });
  }
  now += 10_000;
  over({ violations: [] });
  expect(lines).toEqual(['3 of 100 lives, 1 with violations; about 23 min left']);
});
