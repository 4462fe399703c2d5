import { expect, test } from 'vitest';
import { type CommandContext, type Handler, type ResultOf, stopped } from '../../relay/commands/handler.ts';
import { CommandId } from '../../shared/command.ts';
import { err, type Ok, ok } from '../../shared/result.ts';
import { ACCOUNT, CLAIM, commandOf, identityCommand } from './commands.ts';
import { counting, IDENTITY, relay } from './dispatch-harness.ts';
import { testDisk } from './memory-ports.ts';

const RELEASE = { verb: 'ensure-released', account: ACCOUNT, claim: CLAIM, systemId: null, erase: 'none' };
const RELEASED: ResultOf<'ensure-released'> = { verb: 'ensure-released', machines: [] };
const WATCH = { verb: 'observe-cluster', account: ACCOUNT, access: null, machines: [], inventory: false };

test('[C4] the journal holds a command before its receipt leaves, and its outcome before its report', async () => {
  const seen: string[] = [];
  const { handler } = counting();
  const one = await relay({ 'ensure-identity': handler });
  const command = identityCommand();
  await one.dispatch.deliver([command], (frame) => {
    seen.push(frame.type, one.journal.find(command.commandId)?.state ?? 'unknown');
  });
  await one.ports.advance(0);
  expect(seen).toEqual(['receipt', 'accepted']);
  expect(one.reportsOf(command.commandId)).toEqual([{ ok: true, value: IDENTITY }]);
  expect(one.ports.reached.slice(0, 5)).toEqual([
    'after-receive',
    'after-journal-accept',
    'after-receipt',
    'before-settle-journal',
    'after-settle-journal',
  ]);
});

test('[C4] a repeat of a settled id is answered from the journal, also by the next process', async () => {
  const { runs, handler } = counting();
  const first = await relay({ 'ensure-identity': handler });
  const command = identityCommand();
  await first.dispatch.deliver([command], first.send);
  await first.ports.advance(0);
  await first.dispatch.deliver([command], first.send);
  const second = await relay({ 'ensure-identity': handler }, first.disk);
  await second.dispatch.deliver([command], second.send);
  await second.ports.advance(0);
  expect(first.reportsOf(command.commandId)).toHaveLength(2);
  expect(second.reportsOf(command.commandId)).toEqual(first.reportsOf(command.commandId).slice(1));
  expect(runs).toHaveLength(1);
});

test('[C2] the same id with another body is CONFIGURATION_CHANGED, running or settled', async () => {
  const { promise, resolve } = Promise.withResolvers<ReturnType<typeof ok<typeof IDENTITY>>>();
  const { runs, handler } = counting(() => promise);
  const one = await relay({ 'ensure-identity': handler });
  const command = identityCommand();
  const other = { ...command, body: { ...command.body, clusterName: 'other' } } as typeof command; // same verb
  await one.dispatch.deliver([command], one.send);
  await one.dispatch.deliver([other], one.send);
  resolve(ok(IDENTITY));
  await one.ports.advance(0);
  await one.dispatch.deliver([other], one.send);
  const codes = one.reportsOf(command.commandId).map((outcome) => (outcome.ok ? 'ok' : outcome.error.code));
  expect(codes).toEqual(['CONFIGURATION_CHANGED', 'ok', 'CONFIGURATION_CHANGED']);
  expect(runs).toHaveLength(1);
});

test('[C5] a newer attempt stops the older ones of its subject and verb, and an older one that comes late is not run', async () => {
  const begun: string[] = [];
  const waits: Handler<'observe-cluster'> = async (_body, { command, signal }) => {
    begun.push(command.commandId);
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
    return err(stopped);
  };
  const one = await relay({ 'observe-cluster': waits });
  const [first, second] = [1, 2].map((attempt) => commandOf(WATCH, { subject: 'cluster', attempt }));
  if (first === undefined || second === undefined) throw new Error('unreachable');
  await one.dispatch.deliver([first], one.send);
  await one.dispatch.deliver([second], one.send);
  await one.dispatch.deliver([first], one.send);
  await one.ports.advance(0);
  expect(begun).toEqual([first.commandId, second.commandId]);
  expect(one.lines.filter((line) => line.includes('command-stopped'))).toHaveLength(1);
});

test('[C5] a withdrawn command is left and never told, nor carried on by the next process', async () => {
  const { runs, handler } = counting(() => new Promise(() => {}));
  const leaves: Handler<'ensure-identity'> = async (body, context) => {
    void handler(body, context);
    await new Promise((resolve) => context.signal.addEventListener('abort', resolve));
    return err(stopped);
  };
  const one = await relay({ 'ensure-identity': leaves });
  const command = identityCommand();
  await one.dispatch.deliver([command], one.send);
  await one.ports.advance(0);
  one.dispatch.withdraw([command.commandId]);
  await one.ports.advance(0);
  expect(runs).toHaveLength(1);
  expect(one.reportsOf(command.commandId)).toEqual([]);
  expect(one.journal.unsettled()).toEqual([]);
});

test('[T5] what the gateway does not hold any more is stopped when a session begins', async () => {
  const signals: AbortSignal[] = [];
  const waits: Handler<'observe-cluster'> = (_body, { signal }) => {
    signals.push(signal);
    return new Promise(() => {});
  };
  const one = await relay({ 'observe-cluster': waits });
  const [kept, gone] = ['cluster', 'other'].map((subject) => commandOf(WATCH, { subject }));
  if (kept === undefined || gone === undefined) throw new Error('unreachable');
  await one.dispatch.deliver([kept, gone], one.send);
  one.dispatch.keepOnly([kept.commandId]);
  expect(signals.map(({ aborted }) => aborted)).toEqual([false, true]);
});

test('[C7] past its deadline a command is not begun, also when it waited for its turn', async () => {
  const { promise, resolve } = Promise.withResolvers<ReturnType<typeof ok<typeof IDENTITY>>>();
  const { runs, handler } = counting(() => promise);
  const one = await relay({ 'ensure-identity': handler });
  const late = identityCommand({ attempt: 9, deadlineAt: one.ports.clock.now() });
  await one.dispatch.deliver([late], one.send);
  const slow = identityCommand({ attempt: 1 });
  const waiting = commandOf(RELEASE, { subject: 'cluster', deadlineAt: one.ports.clock.now() + 1_000 });
  await one.dispatch.deliver([slow, waiting], one.send);
  await one.ports.advance(2_000);
  resolve(ok(IDENTITY));
  await one.ports.advance(0);
  for (const { commandId } of [late, waiting])
    expect(one.reportsOf(commandId)).toMatchObject([{ ok: false, error: { code: 'DEADLINE_PASSED' } }]);
  expect(runs).toHaveLength(1);
});

test('[C7] what has begun is finished by the next process, deadline or not', async () => {
  const disk = testDisk();
  const first = await relay({}, disk);
  const [begun, waiting] = [identityCommand({ deadlineAt: 1 }), identityCommand({ subject: 'other', deadlineAt: 1 })];
  for (const command of [begun, waiting]) await first.journal.accept(command, 'h');
  await first.journal.intend(begun.commandId, 'something');
  const { runs, handler } = counting();
  const second = await relay({ 'ensure-identity': handler }, disk);
  second.dispatch.resume();
  await second.ports.advance(0);
  expect(runs.map(({ command }) => command.commandId)).toEqual([begun.commandId]);
  expect(second.reportsOf(waiting.commandId)).toMatchObject([{ error: { code: 'DEADLINE_PASSED' } }]);
});

test('[G1, G2] a generation lower than the highest seen is refused, also by the next process', async () => {
  const { runs, handler } = counting();
  const first = await relay({ 'ensure-identity': handler });
  await first.dispatch.deliver([identityCommand({ generation: 3 })], first.send);
  const second = await relay({ 'ensure-identity': handler }, first.disk);
  const stale = identityCommand({ generation: 2 });
  await second.dispatch.deliver([stale], second.send);
  expect(second.reportsOf(stale.commandId)).toMatchObject([{ error: { code: 'STALE_GENERATION', highest: 3 } }]);
  expect(runs).toHaveLength(1);
});

test('[G2] between its steps a handler learns that it was overtaken, and changes nothing more', async () => {
  const changes: string[] = [];
  const { promise: overtaken, resolve } = Promise.withResolvers<void>();
  const releasing: Handler<'ensure-released'> = async (_body, context) => {
    for (const step of ['one', 'two']) {
      const may = await context.beforeChange(step);
      if (!may.ok) return may;
      changes.push(step);
      await overtaken;
    }
    return ok(RELEASED);
  };
  const { handler } = counting();
  const one = await relay({ 'ensure-released': releasing, 'ensure-identity': handler });
  const command = commandOf(RELEASE);
  await one.dispatch.deliver([command], one.send);
  await one.ports.advance(0);
  one.lease.granted({ v: 1, type: 'lease', epoch: 1, durationMs: 12_000, guards: [] });
  await one.ports.advance(0);
  await one.dispatch.deliver([identityCommand({ generation: 2 })], one.send);
  resolve();
  await one.ports.advance(0);
  expect(changes).toEqual(['one']);
  expect(one.reportsOf(command.commandId)).toMatchObject([{ error: { code: 'STALE_GENERATION' } }]);
});

test('[L4, C4] a mutation waits for the lease with its intent journalled, and does not fail', async () => {
  const changed: string[] = [];
  const releasing: Handler<'ensure-released'> = async (_body, context) => {
    const may = await context.beforeChange('release abc');
    if (!may.ok) return may;
    changed.push('abc');
    return ok(RELEASED);
  };
  const one = await relay({ 'ensure-released': releasing });
  const command = commandOf(RELEASE);
  await one.dispatch.deliver([command], one.send);
  await one.ports.advance(60_000);
  expect(changed).toEqual([]);
  expect(one.journal.find(command.commandId)).toMatchObject({ begun: true });
  expect(one.sent.filter(({ type }) => type === 'lease-request').length).toBeGreaterThan(0);
  while (one.lease.epoch() === null) {
    one.lease.granted({ v: 1, type: 'lease', epoch: 4, durationMs: 12_000, guards: [] });
  }
  await one.ports.advance(0);
  expect(changed).toEqual(['abc']);
  expect(one.sent.at(-1)).toMatchObject({ type: 'report', epoch: 4, outcome: { ok: true } });
});

test('commands of one subject run one after another; those of others, and what stands, do not wait', async () => {
  const begun: string[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const note = async <T>({ command }: CommandContext, answer: T): Promise<Ok<T>> => {
    begun.push(command.commandId);
    await promise;
    return ok(answer);
  };
  const one = await relay({
    'ensure-identity': (_body, context) => note(context, IDENTITY),
    'ensure-released': (_body, context) => note(context, RELEASED),
    'observe-cluster': (_body, context) => note(context, { verb: 'observe-cluster' }),
  });
  const [first, next] = [identityCommand(), commandOf(RELEASE, { subject: 'cluster' })];
  const [elsewhere, standing] = [commandOf(RELEASE), commandOf(WATCH, { subject: 'cluster' })];
  await one.dispatch.deliver([first, next, elsewhere, standing], one.send);
  await one.ports.advance(0);
  expect(new Set(begun)).toEqual(new Set([first.commandId, elsewhere.commandId, standing.commandId]));
  resolve();
  await one.ports.advance(0);
  expect(begun.at(-1)).toBe(next.commandId);
});

test('what a handler throws is told as RELAY_BUG without its words, and the relay serves on', async () => {
  const { handler } = counting(() => Promise.reject(new Error('secret words')));
  const one = await relay({ 'ensure-identity': handler });
  const [first, second] = [identityCommand(), identityCommand({ attempt: 2 })];
  await one.dispatch.deliver([first], one.send);
  await one.ports.advance(0);
  await one.dispatch.deliver([second], one.send);
  await one.ports.advance(0);
  for (const { commandId } of [first, second])
    expect(one.reportsOf(commandId)).toMatchObject([{ ok: false, error: { code: 'RELAY_BUG' } }]);
  expect(JSON.stringify(one.sent)).not.toContain('secret words');
  expect(one.lines.join()).toContain('secret words');
});

test('[C14] a command of a later release is received and refused, with its verb', async () => {
  const one = await relay({});
  const commandId = CommandId.parse('clu_a/cluster/ensure-later/1/1');
  one.dispatch.refuse([commandId], one.send);
  expect(one.sent).toMatchObject([{ type: 'receipt', commandIds: [commandId] }, { type: 'report' }]);
  const detail = expect.stringContaining('ensure-later');
  expect(one.reportsOf(commandId)).toEqual([{ ok: false, error: { code: 'COMMAND_UNKNOWN', detail } }]);
});

test('a command for another gateway or tenant is refused', async () => {
  const one = await relay({});
  const command = identityCommand();
  const foreign = { ...command, scope: { ...command.scope, tenantId: 'ten_b' } } as typeof command; // another tenant
  await one.dispatch.deliver([foreign], one.send);
  expect(one.reportsOf(command.commandId)).toMatchObject([{ error: { code: 'SITE_FORBIDS' } }]);
});
