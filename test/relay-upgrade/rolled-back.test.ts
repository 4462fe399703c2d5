// New programs that are no good: the former serves again by itself, and says so.
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { programOf, programWith } from './release-bench.ts';
import { eachScene, STAGE_MS_MAX } from './scene.ts';

const scene = eachScene();
const TEST_MS_MAX = 4 * STAGE_MS_MAX;
const timeout = { timeout: TEST_MS_MAX };
const rolledBack = (detail: string) => ({
  ok: false,
  error: { code: 'RELEASE_ROLLED_BACK', detail: expect.stringContaining(detail) },
});

test('[U3] a program that does not get through costs nothing: the old session goes on', timeout, async () => {
  const { edge, start, release, ask, answers, running } = scene();
  start({ trialMs: 1_000 });
  await edge.connected(1, STAGE_MS_MAX);
  const command = await release('0.2.0', 1, Buffer.from('setInterval(() => {}, 1_000);'));
  expect(await ask(command)).toMatchObject(rolledBack('not welcomed by the console within 1 s'));
  expect([edge.sessions(), running()]).toEqual([1, []]);
  await answers(1);
});

test('[U3] nor does one that the console does not welcome', timeout, async () => {
  const { edge, start, release, ask, answers } = scene();
  edge.manners.welcomesTrials = false;
  start({ trialMs: 8_000 });
  await edge.connected(1, STAGE_MS_MAX);
  expect(await ask(await release('0.2.0'))).toMatchObject(rolledBack('not welcomed'));
  expect(edge.sessions()).toBe(1);
  // While its counter was lent nobody else dialled with a higher one; now this process may.
  edge.cut();
  await edge.connected(2, STAGE_MS_MAX);
  expect(edge.hellos[1]?.joinCounter).toBeGreaterThan(edge.trials[0]?.hello.joinCounter ?? Number.NaN);
  await answers(1);
});

const AFTER_HAND_OVER: readonly [string, string, string][] = [
  ['ends', `process.on('message', ({ kind }) => kind === 'go' && setTimeout(() => process.exit(3), 200));`, 'status 3'],
  [
    'has no heartbeat',
    `const send = process.send.bind(process); process.send = (said, ...more) => said.kind === 'heartbeat' || send(said, ...more);`,
    'no heartbeat for 5 s',
  ],
];
test.for(AFTER_HAND_OVER)(
  '[U4] one that %s after the hand-over gives way to the former, which says so once',
  timeout,
  async ([, code, words]) => {
    const { edge, start, release, ask, answers, version, running } = scene();
    const relay = start();
    await edge.connected(1, STAGE_MS_MAX);
    const command = await release('0.2.0', 1, programWith('0.2.0', code));
    expect(await ask(command)).toMatchObject(rolledBack(words));
    expect([version(), running()]).toEqual(['0.1.0', []]);
    expect(relay.lines.find(({ event }) => event === 'program-rolled-back')).toMatchObject({ version: '0.2.0' });
    await answers(1);
    // The same command is answered from the journal; a further attempt tries again.
    await edge.deliver([command]);
    await edge.until('the answer again', () => edge.reportsOf(command.commandId).length === 2, STAGE_MS_MAX);
    expect(edge.trials).toHaveLength(1);
    const again = await release('0.2.0', 2);
    expect(await ask(again)).toMatchObject({ ok: true });
    expect([edge.trials.length, version()]).toEqual([2, '0.2.0']);
  },
);

test('a broken accepted program never locks the node out: the one before it runs again', timeout, async () => {
  const { edge, start, release, ask, answers, version, stored } = scene();
  const broken = `if (!process.argv.includes('--trial')) process.exit(7);`;
  const command = await release('0.2.0', 1, programWith('0.2.0', broken));
  const first = start();
  await edge.connected(1, STAGE_MS_MAX);
  const settled = ask(command);
  expect(await first.ended).toBe(7);
  for (const _ of [2, 3]) expect(await start().ended).toBe(7);
  const last = start();
  expect(await last.logged('program-given-up', STAGE_MS_MAX)).toMatchObject({
    version: '0.2.0',
    detail: expect.stringContaining('3 times'),
  });
  expect(await settled).toMatchObject(rolledBack('3 times in a row'));
  await answers(1);
  expect([version(), await stored()]).toEqual(['0.1.0', []]);
});

test('an accepted program whose file was changed is not run', timeout, async () => {
  const { edge, folder, start, release, ask, version, answers } = scene();
  const first = start();
  await edge.connected(1, STAGE_MS_MAX);
  await ask(await release('0.2.0'));
  first.kill('SIGTERM');
  expect(await first.ended).toBe(0);
  const file = join(folder.state, 'programs', '0.2.0', 'slipway-relay.mjs');
  await chmod(file, 0o600);
  const bytes = programOf('0.2.0');
  await writeFile(file, Buffer.concat([bytes.subarray(0, -1), Buffer.from(' ')]));
  expect((await folder.command(['doctor'])).stdout).toMatch(/^FAILED +program: 0\.2\.0/m);
  const second = start();
  expect(await second.logged('program-given-up', STAGE_MS_MAX)).toMatchObject({
    detail: expect.stringContaining('changed'),
  });
  await answers(1);
  expect(version()).toBe('0.1.0');
});
