// `npm run demo` as a script judges it and as a person ends it.
import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { runProgram } from './run-program.ts';

const STATE = fileURLToPath(new URL('../../.slipway/demo', import.meta.url));
const DEMO = 'test/demo/main.ts';
const RUN_MS_MAX = 170_000;
const GATEWAY_MS_MAX = 2 * RUN_MS_MAX;

/** As the issue words it; nothing more, nothing less. */
const Outcome = z.strictObject({
  phase: z.literal('running'),
  nodes: z.array(
    z.strictObject({ name: z.string(), ready: z.literal(true), role: z.enum(['control-plane', 'worker']) }),
  ),
  wallMs: z.number().positive(),
  machineMs: z.number().positive(),
  overheadMs: z.number().max(15_000),
  leftovers: z.literal(0),
});

/** Of the story `gateway`. */
const GatewayOutcome = z.strictObject({
  phase: z.literal('running'),
  nodes: Outcome.shape.nodes.length(3),
  upgradedTo: z.literal('0.2.0'),
  resizedTo: z.literal(3),
  refused: z.literal('GATEWAY_HAS_CLUSTERS'),
  ...{ installMs: z.number().positive(), upgradeMs: z.number().positive(), resizeMs: z.number().positive() },
  wallMs: z.number().positive(),
  leftovers: z.literal(0),
});

const stateFolders = (): string[] => (existsSync(STATE) ? readdirSync(STATE) : []);
const cloudInitSkip =
  process.env.SLIPWAY_ROOT_TESTS === '1'
    ? undefined
    : process.getuid?.() !== 0
      ? 'not root'
      : 'SLIPWAY_ROOT_TESTS is not 1';
if (cloudInitSkip !== undefined) console.warn(`SKIPPED: the demo with real cloud-init: ${cloudInitSkip}`);

async function judged<T>(schema: z.ZodType<T>, args: readonly string[]): Promise<T> {
  const before = new Set(stateFolders());
  const demo = runProgram([DEMO, ...args, '--exit', '--json']);
  const code = await demo.ended;
  if (code !== 0) throw new Error(`exit ${code}: ${demo.stdout()}\n${demo.stderr().slice(-4_000)}`);
  const lines = demo.stdout().split('\n');
  expect(lines).toHaveLength(2);
  expect(lines[1]).toBe('');
  const outcome = schema.parse(JSON.parse(lines[0] ?? ''));
  await demo.allGone();
  expect(stateFolders().filter((name) => !before.has(name))).toEqual([]);
  return outcome;
}

/** Of the story `create`, sorted. */
async function rolesOf(args: readonly string[]): Promise<string[]> {
  const { nodes, overheadMs, wallMs, machineMs } = await judged(Outcome, args);
  expect(overheadMs).toBe(wallMs - machineMs);
  return nodes.map(({ role }) => role).sort();
}

describe('the demo', () => {
  test('with --exit --json prints one line of JSON, ends with 0 and leaves nothing', {
    timeout: RUN_MS_MAX,
  }, async () => {
    expect(await rolesOf([])).toEqual(['control-plane', 'worker', 'worker']);
  });

  test('with three control planes and four workers', { timeout: RUN_MS_MAX }, async () => {
    const roles = await rolesOf(['--control-plane', '3', '--workers', '4']);
    expect(roles).toEqual([...Array(3).fill('control-plane'), ...Array(4).fill('worker')]);
  });

  test('of a gateway shows its whole life, and leaves nothing', { timeout: GATEWAY_MS_MAX }, async () => {
    await judged(GatewayOutcome, ['gateway']);
  });

  test.skipIf(cloudInitSkip !== undefined)(
    'with real cloud-init on its machines',
    { timeout: RUN_MS_MAX },
    async () => {
      expect(await rolesOf(['--driver', 'cloud-init'])).toEqual(['control-plane', 'worker', 'worker']);
    },
  );

  test.each([
    ['once it stands', 'create', /Ctrl-C ends everything/],
    ['while it starts', 'create', /starting the control plane/],
    ['in the middle of a create', 'create', /cluster demo: provisioning/],
    ['with an installer and a machine’s relay at work', 'gateway', /install \| .* gateway-0 .*: its relay is/],
  ])('ends by Ctrl-C %s and leaves no process and no folder', { timeout: RUN_MS_MAX }, async (_when, story, line) => {
    const before = new Set(stateFolders());
    const demo = runProgram([DEMO, story]);
    await demo.printed(line, 60_000);
    demo.interrupt('SIGINT');
    expect(await demo.ended, demo.stdout()).toBe(130);
    await demo.allGone();
    expect(stateFolders().filter((name) => !before.has(name))).toEqual([]);
  });

  test('refuses what it does not know with what it does', async () => {
    const demo = runProgram([DEMO, '--control-plane', '2', '--workers', 'many']);
    expect(await demo.ended).toBe(2);
    expect(demo.stderr()).toMatch(/--control-plane takes 1, 3, 5 or 7[\s\S]*--workers/);
    expect(demo.stdout()).toBe('');
  });
});
