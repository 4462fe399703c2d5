// The lead goes and comes back: commands that come again while they are still stopping.
import { expect, test } from 'vitest';
import { type Handler, stopped } from '../../relay/commands/handler.ts';
import { err, ok } from '../../shared/result.ts';
import { ACCOUNT, commandOf, identityCommand } from './commands.ts';
import { counting, IDENTITY, relay } from './dispatch-harness.ts';

const WATCH = { verb: 'observe-cluster', account: ACCOUNT, access: null, machines: [], inventory: false } as const;

test('[L5] [T5] a command that comes again while it is still stopping runs again when it has', async () => {
  const runs: { signal: AbortSignal; end: () => void }[] = [];
  const waits: Handler<'observe-cluster'> = async (_body, { signal }) => {
    await new Promise<void>((end) => runs.push({ signal, end }));
    return err(stopped);
  };
  const one = await relay({ 'observe-cluster': waits });
  const command = commandOf(WATCH, { subject: 'cluster' });
  await one.dispatch.deliver([command], one.send);
  one.dispatch.keepOnly([]);
  await one.dispatch.deliver([command], one.send);
  expect(runs).toHaveLength(1);
  runs[0]?.end();
  await one.ports.advance(0);
  expect(runs.map(({ signal }) => signal.aborted)).toEqual([true, false]);
  // Not when it was withdrawn meanwhile.
  one.dispatch.withdraw([command.commandId]);
  await one.dispatch.deliver([command], one.send);
  one.dispatch.withdraw([command.commandId]);
  runs[1]?.end();
  await one.ports.advance(0);
  expect(runs).toHaveLength(2);
});

test('[C5] [T5] a command that is withdrawn while it is written down is not begun', async () => {
  const { runs, handler } = counting();
  const one = await relay({ 'ensure-identity': handler });
  const [withdrawn, notHeld, again] = ['a', 'b', 'c'].map((subject) => commandOf(identityCommand().body, { subject }));
  if (withdrawn === undefined || notHeld === undefined || again === undefined) throw new Error('three commands');
  const delivered = one.dispatch.deliver([withdrawn, notHeld, again], one.send);
  one.dispatch.withdraw([withdrawn.commandId, again.commandId]);
  const deliveredAgain = one.dispatch.deliver([again], one.send);
  one.dispatch.keepOnly([again.commandId]);
  await delivered;
  await deliveredAgain;
  await one.ports.advance(0);
  expect(runs.map(({ command }) => command.commandId)).toEqual([again.commandId]);
  expect(one.journal.unsettled()).toEqual([]);
});

test('[L5] a mutation that comes again while it is still stopping is journalled and done', async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  let runs = 0;
  const handler: Handler<'ensure-identity'> = async () => {
    runs += 1;
    if (runs > 1) return ok(IDENTITY);
    await promise;
    return err(stopped);
  };
  const one = await relay({ 'ensure-identity': handler });
  const command = identityCommand();
  await one.dispatch.deliver([command], one.send);
  await one.ports.advance(0);
  one.dispatch.withdraw([command.commandId]);
  await one.dispatch.deliver([command], one.send);
  resolve();
  await one.ports.advance(0);
  expect(one.reportsOf(command.commandId)).toMatchObject([{ ok: true }]);
  expect(one.journal.unsettled()).toEqual([]);
});

test('[C2] [C7] what was refused is not run when it comes again, though the clock was put right', async () => {
  const { runs, handler } = counting();
  const one = await relay({ 'ensure-identity': handler });
  const late = identityCommand({ deadlineAt: one.ports.clock.now() });
  await one.dispatch.deliver([late], one.send);
  await one.ports.advance(0);
  one.ports.setClock(-1);
  await one.dispatch.deliver([late], one.send);
  await one.ports.advance(0);
  expect(runs).toEqual([]);
  expect(one.journal.unsettled()).toEqual([]);
  expect(one.reportsOf(late.commandId)).toMatchObject([{ error: { code: 'DEADLINE_PASSED' } }]);
});
