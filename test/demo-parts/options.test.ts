import { expect, test } from 'vitest';
import { parseDemoOptions } from '../demo/options.ts';

test('defaults make one control plane and two workers among twelve machines', () => {
  expect(parseDemoOptions([])).toMatchObject({
    ok: true,
    value: { story: 'create', controlPlane: 1, workers: 2, labMachines: 12, driver: 'simulated' },
  });
});

test('the racks grow with what is asked', () => {
  expect(parseDemoOptions(['--control-plane', '3', '--workers', '20'])).toMatchObject({
    ok: true,
    value: { labMachines: 27 },
  });
});

test('every mistake is named at once', () => {
  const refused = parseDemoOptions(['--control-plane', '2', '--workers', 'many', '--driver', 'magic']);
  expect(refused.ok).toBe(false);
  expect(refused.ok ? '' : refused.error).toMatch(/1, 3, 5 or 7[\s\S]*--workers takes a number[\s\S]*--driver takes/);
});

test('an unknown flag is refused by name', () => {
  expect(parseDemoOptions(['--frobnicate'])).toMatchObject({
    ok: false,
    error: expect.stringContaining('--frobnicate'),
  });
});

test('the story of a gateway is known, and its machines are simulated', () => {
  expect(parseDemoOptions(['gateway', '--exit'])).toMatchObject({ ok: true, value: { story: 'gateway', exit: true } });
  expect(parseDemoOptions(['gateway', '--driver', 'cloud-init'])).toEqual({
    ok: false,
    error: 'gateway takes --driver simulated',
  });
  expect(parseDemoOptions(['magic'])).toEqual({ ok: false, error: 'the stories are create and gateway' });
});
