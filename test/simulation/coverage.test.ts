import { expect, test } from 'vitest';
import { missingFrom } from './coverage.ts';
import { EDGES, GATEWAY_EDGES } from './edges.ts';
import { ACTS, CHANCES, FATES, GATEWAY_FAULTS } from './faults.ts';

const KINDS = [...Object.keys(CHANCES), ...ACTS, ...FATES.map((fate) => `fate-${fate}`)];
const covered = (seeds: number, firings: number, passages: number) => ({
  seeds,
  gateways: 0,
  upgrades: 0,
  faults: new Map(KINDS.map((kind) => [kind, firings])),
  edges: new Map(EDGES.map((edge) => [edge, passages])),
});

test('from 5,000 seeds on each fault has to fire in one of a hundred, and each edge to be passed a hundred times', () => {
  expect(missingFrom(covered(5_000, 50, 100))).toEqual([]);
  expect(missingFrom(covered(5_000, 49, 100))).toHaveLength(KINDS.length);
  expect(missingFrom(covered(5_000, 50, 99))).toHaveLength(EDGES.length);
});

test('of 2,000 seeds as much less may be seen as chance explains, and no more', () => {
  // 20 and 40 are expected, with a standard deviation of 4.5 and 6.3.
  expect(missingFrom(covered(2_000, 7, 22))).toEqual([]);
  expect(missingFrom(covered(2_000, 6, 22))).toHaveLength(KINDS.length);
  expect(missingFrom(covered(2_000, 7, 21))).toHaveLength(EDGES.length);
});

test('fewer seeds can not tell', () => {
  expect(missingFrom(covered(1_499, 0, 0))).toEqual([]);
});

test('lives of gateways on machines are asked for what only they have, once there are enough of them', () => {
  const all = { ...covered(3_500, 40, 80), gateways: 1_500 };
  expect(missingFrom(all)).toEqual([
    ...GATEWAY_FAULTS.map((kind) => `fault ${kind} fired in 0 of 1500 seeds: less than 1 %`),
    ...GATEWAY_EDGES.map((edge) => `edge ${edge} was passed 0 times in 1500 seeds`),
  ]);
  expect(missingFrom({ ...all, gateways: 1_499 })).toEqual([]);
});
