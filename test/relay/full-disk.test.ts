// A disk without room: what is answered, what is waited for, and what a restart then knows.
import { expect, test } from 'vitest';
import { err, ok } from '../../shared/result.ts';
import { CLUSTER, identityCommand } from './commands.ts';
import { counting, IDENTITY, relay } from './dispatch-harness.ts';
import { type TestDisk, testDisk } from './memory-ports.ts';

/** The same disk, which has no room for the first appends. */
function refusing(times: number, disk: TestDisk): TestDisk {
  let appends = 0;
  return {
    ...disk,
    append: async (name, bytes) => {
      appends += 1;
      return appends <= times ? err({ code: 'full', detail: 'ENOSPC' }) : disk.append(name, bytes);
    },
  };
}

test('[G1] nothing is accepted under a generation that a restart would forget, also when the disk had no room for it alone', async () => {
  const disk = testDisk();
  const { journal } = await relay({}, refusing(2, disk));
  await journal.raiseGeneration(CLUSTER, 2);
  const command = identityCommand({ generation: 2 });
  expect((await journal.accept(command, 'h1')).ok).toBe(false);
  expect((await journal.accept(command, 'h1')).ok).toBe(true);
  expect((await relay({}, disk)).journal.generationOf(CLUSTER)).toBe(2);
});

test('with a full disk a command is answered RELAY_STORAGE and not run; afterwards the next one is', async () => {
  const { runs, handler } = counting();
  const one = await relay({ 'ensure-identity': handler });
  one.disk.fail = { failure: { code: 'full', detail: 'ENOSPC' }, partial: 3 };
  const [first, second] = [identityCommand(), identityCommand({ attempt: 2 })];
  await one.dispatch.deliver([first], one.send);
  expect(one.reportsOf(first.commandId)).toMatchObject([{ error: { code: 'RELAY_STORAGE' } }]);
  one.disk.fail = null;
  await one.dispatch.deliver([second], one.send);
  await one.ports.advance(0);
  expect(one.reportsOf(second.commandId)).toMatchObject([{ ok: true }]);
  expect(runs).toHaveLength(1);
});

test('what was answered RELAY_STORAGE is not carried on by the next process: acceptance and generation are one write', async () => {
  const disk = testDisk();
  const one = await relay({}, refusing(1, disk));
  const command = identityCommand({ generation: 2 });
  await one.dispatch.deliver([command], one.send);
  expect(one.reportsOf(command.commandId)).toMatchObject([{ error: { code: 'RELAY_STORAGE' } }]);
  expect((await relay({}, disk)).journal.unsettled()).toEqual([]);
});

test('an outcome that can not be journalled is not told until it can', async () => {
  const { promise, resolve } = Promise.withResolvers<ReturnType<typeof ok<typeof IDENTITY>>>();
  const { handler } = counting(() => promise);
  const one = await relay({ 'ensure-identity': handler });
  const command = identityCommand();
  await one.dispatch.deliver([command], one.send);
  one.disk.fail = { failure: { code: 'full', detail: 'ENOSPC' }, partial: 0 };
  resolve(ok(IDENTITY));
  await one.ports.advance(20_000);
  expect(one.reportsOf(command.commandId)).toEqual([]);
  one.disk.fail = null;
  await one.ports.advance(5_000);
  expect(one.reportsOf(command.commandId)).toEqual([{ ok: true, value: IDENTITY }]);
});
