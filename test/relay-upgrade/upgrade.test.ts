// A node's program is exchanged: the real process, its successor, and a small edge.
import { expect, test } from 'vitest';
import { eachScene, STAGE_MS_MAX } from './scene.ts';

const scene = eachScene();
const TEST_MS_MAX = 3 * STAGE_MS_MAX;

test('[U2, U3, U4] the new program gets through beside the old one, takes over, and is the one that starts from then on', {
  timeout: TEST_MS_MAX,
}, async () => {
  const { edge, start, release, ask, version, folder, stored } = scene();
  const relay = start();
  await edge.connected(1, STAGE_MS_MAX);
  const command = await release('0.2.0');
  expect(await ask(command)).toEqual({ ok: true, value: { verb: 'ensure-relay-program', version: '0.2.0' } });
  // Beside the first session, which went on until it was welcomed.
  expect(edge.trials.map(({ beside, hello }) => [beside, hello.relayVersion])).toEqual([[1, '0.2.0']]);
  const counters = [...edge.hellos.slice(0, 1), ...edge.trials.map(({ hello }) => hello), ...edge.hellos.slice(1)];
  expect(counters.map(({ joinCounter }) => joinCounter)).toEqual(
    counters.map(({ joinCounter }) => joinCounter).sort((one, other) => one - other),
  );
  expect(version()).toBe('0.2.0');
  expect(await stored()).toEqual(['0.2.0']);
  expect((await folder.command(['version'])).stdout).toContain('run starts 0.2.0');
  const doctor = await folder.command(['doctor']);
  expect(doctor.stdout).toMatch(/^ok +program: 0\.2\.0/m);
  relay.kill('SIGTERM');
  expect(await relay.ended).toBe(0);
  const again = start();
  await edge.until(
    'the accepted program',
    () => edge.hellos.at(-1)?.bootId !== edge.hellos.at(-2)?.bootId,
    STAGE_MS_MAX,
  );
  expect(await again.logged('program-started', STAGE_MS_MAX)).toMatchObject({ version: '0.2.0', installed: '0.1.0' });
  await edge.until('a session of it', () => version() === '0.2.0' && edge.sessions() >= 4, STAGE_MS_MAX);
  again.kill('SIGTERM');
  expect(await again.ended).toBe(0);
});

test('an accepted program is exchanged in its turn; one process is left, and two programs are kept', {
  timeout: TEST_MS_MAX,
}, async () => {
  const { edge, start, release, ask, version, stored, running, answers } = scene();
  start();
  await edge.connected(1, STAGE_MS_MAX);
  await ask(await release('0.2.0'));
  expect(await ask(await release('0.3.0', 2))).toMatchObject({ ok: true });
  expect([version(), await stored(), running().length]).toEqual(['0.3.0', ['0.2.0', '0.3.0'], 1]);
  await answers(1);
});
