// What may pass by itself is tried again, and the user learns why it takes so long.
import { expect, test } from 'vitest';
import type { HandlerFailure } from '../../relay/commands/handler.ts';
import { persevere } from '../../relay/commands/persevere.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import { clientOver } from '../relay-maas/lab-site.ts';
import { ACCOUNT, commandOf } from './commands.ts';
import { handlerContext } from './handler-context.ts';

const away: HandlerFailure = { code: 'MAAS_UNREACHABLE', detail: 'refused' };
const broken: HandlerFailure = { code: 'MAAS_BROKEN', detail: 'x'.repeat(900) };

/** Gives these failures one after the other, then success. */
async function run(...failures: HandlerFailure[]) {
  const command = commandOf({ verb: 'observe-inventory', account: ACCOUNT });
  const { endpoint } = ACCOUNT;
  const nobody = clientOver({
    endpoint,
    apiKey: 'aaa:bbb:ccc',
    transport: async () => err({ code: 'NEVER_SENT', detail: '' }),
  });
  const context = handlerContext(command, nobody);
  const left = [...failures];
  const result = await persevere(context, async (): Promise<Result<string, HandlerFailure>> => {
    const failure = left.shift();
    return failure === undefined ? ok('done') : err(failure);
  });
  return { result, told: context.facts, commandId: command.commandId };
}

test('[C11] a failure is told from the second in a row, once for each code, and when it is over', async () => {
  const { result, told, commandId } = await run(away, away, away, broken);
  expect(result).toEqual(ok('done'));
  expect(told).toEqual([
    { kind: 'trying-again', commandId, failure: away },
    { kind: 'trying-again', commandId, failure: { code: 'MAAS_BROKEN', detail: 'x'.repeat(500) } },
    { kind: 'trying-again', commandId, failure: null },
  ]);
});

test('[C11] one failure is no news', async () => {
  expect((await run(away)).told).toEqual([]);
});
