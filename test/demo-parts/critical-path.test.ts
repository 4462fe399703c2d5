import { expect, test } from 'vitest';
import { criticalPath } from '../demo/critical-path.ts';

const delay = (machine: string, startMs: number, endMs: number) => ({ machine, kind: 'deploy', startMs, endMs });

test('parallel delays count once, serial ones add up, gaps are ours', () => {
  const delays = [delay('a', 0, 100), delay('b', 0, 90), delay('c', 120, 170), delay('d', 130, 160)];
  expect(criticalPath(delays, 0, 200)).toMatchObject({ machineMs: 150 });
});

test('a delay that was still going on when the run ended counts up to that moment', () => {
  expect(criticalPath([delay('a', 50, 500)], 0, 200).machineMs).toBe(150);
});

test('a delay under way when another starts does not hide what came before it', () => {
  // b overlaps a; the path is b after c, not a.
  expect(
    criticalPath([delay('a', 10, 60), delay('b', 40, 100), delay('c', 0, 40)], 0, 100).path.map((one) => one.machine),
  ).toEqual(['c', 'b']);
});
