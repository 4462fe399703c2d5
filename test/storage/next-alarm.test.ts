import { expect, test } from 'vitest';
import { nextAlarm, OVERDUE_PAUSE_MS } from '../../functions/objects/next-alarm.ts';

const NOW = 1_800_000_000_000;

test('the earliest of what is waited for', () => {
  expect(nextAlarm(NOW, [NOW + 9_000, null, NOW + 4_000], 0)).toBe(NOW + 4_000);
});

test('nothing is waited for: no alarm', () => {
  expect(nextAlarm(NOW, [null, null], 0)).toBeNull();
});

test('what is overdue does not make the object spin', () => {
  expect(nextAlarm(NOW, [NOW - 60_000, NOW + 9_000], 0)).toBe(NOW + OVERDUE_PAUSE_MS);
  expect(nextAlarm(NOW, [NOW], 0)).toBe(NOW + OVERDUE_PAUSE_MS);
});

test('failures pause longer each time, up to five minutes, and never leave the object without an alarm', () => {
  const pauses = [1, 2, 3, 40].map((failures) => (nextAlarm(NOW, [null], failures) ?? 0) - NOW);
  expect(pauses).toEqual([2_000, 4_000, 8_000, 300_000]);
});
