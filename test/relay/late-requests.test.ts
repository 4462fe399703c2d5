// C12: MAAS may serve a request minutes after nobody waits for it any more.
import { expect, test } from 'vitest';
import { createNodePorts } from '../../relay/adapters/node-ports.ts';
import { allocateMachine } from '../../relay/commands/allocate-machine.ts';
import { type CommandContext, type Handler, stopped } from '../../relay/commands/handler.ts';
import { createLateRequests } from '../../relay/commands/late-requests.ts';
import { failed } from '../../relay/commands/refusals.ts';
import { allocateById } from '../../relay/maas/machines.ts';
import type { MaasTransport } from '../../relay/maas/transport.ts';
import { createUndiciTransport } from '../../relay/maas/undici-transport.ts';
import { claimOf } from '../../shared/claim.ts';
import type { BodyOf } from '../../shared/command.ts';
import { err } from '../../shared/result.ts';
import { defaultInventory } from '../lab/inventory.ts';
import { startLab } from '../lab/lab.ts';
import { clientOver, machinesThatOnlySwitchOn } from '../relay-maas/lab-site.ts';
import { aSystemId } from '../relay-maas/scripted-maas.ts';
import { GATEWAY } from '../support/fake-edge.ts';
import { ACCOUNT, allocateBody, CLUSTER, commandOf, SLOT } from './commands.ts';
import { relay } from './dispatch-harness.ts';
import { handlerContext } from './handler-context.ts';

const one = aSystemId('m00000');

test('[C12] after a request without an answer nothing but being found done ends the doubt', async () => {
  const gone = { code: 'NO_CANDIDATE_LEFT', refused: {}, detail: 'taken' } as const;
  const codeOf = async (tell: (context: CommandContext) => void): Promise<string> => {
    const node = await relay({
      'ensure-allocated': async (_body, context) => {
        tell(context);
        return err(gone);
      },
    });
    const command = commandOf(allocateBody(ACCOUNT, [one]));
    await node.dispatch.deliver([command], node.send);
    await node.ports.advance(0);
    const [outcome] = node.reportsOf(command.commandId);
    return outcome === undefined || outcome.ok ? 'no failure' : outcome.error.code;
  };
  expect(await codeOf(() => {})).toBe('NO_CANDIDATE_LEFT');
  expect(await codeOf(({ late }) => late.unanswered())).toBe('MAAS_UNKNOWN_OUTCOME');
  const found = ({ late }: CommandContext) => {
    late.unanswered();
    late.took('found');
  };
  expect(await codeOf(found)).toBe('NO_CANDIDATE_LEFT');
  const foundOfTwo = (context: CommandContext) => {
    context.late.unanswered();
    found(context);
  };
  expect(await codeOf(foundOfTwo)).toBe('MAAS_UNKNOWN_OUTCOME');
  const answered = ({ late }: CommandContext) => {
    late.unanswered();
    late.took('answered');
    late.took('found');
  };
  expect(await codeOf(answered)).toBe('MAAS_UNKNOWN_OUTCOME');
});

test('[C12] a command that is withdrawn after a request without an answer says so', async () => {
  const waits: Handler<'ensure-allocated'> = async (_body, { late, signal }) => {
    late.unanswered();
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
    return err(stopped);
  };
  const node = await relay({ 'ensure-allocated': waits });
  const command = commandOf(allocateBody(ACCOUNT, [one]));
  await node.dispatch.deliver([command], node.send);
  await node.ports.advance(0);
  node.dispatch.withdraw([command.commandId]);
  await node.ports.advance(0);
  expect(node.reportsOf(command.commandId)).toMatchObject([{ error: { code: 'MAAS_UNKNOWN_OUTCOME' } }]);
});

test('[C12] refused after a lost answer, its request may be served yet: the claim stays in doubt', async () => {
  const other = claimOf({ gatewayId: GATEWAY, clusterId: CLUSTER, slot: SLOT, attempt: 2 });
  const lab = await startLab({
    inventory: defaultInventory({ machines: 1 }),
    driver: machinesThatOnlySwitchOn(new Map()),
  });
  const network = createUndiciTransport({ trust: { kind: 'system' }, proxyUrl: null });
  const over = (transport: MaasTransport) => clientOver({ endpoint: lab.url, apiKey: lab.userKey, transport });
  let isHeldUp = false;
  const late: MaasTransport = async (request) => {
    if (!request.url.includes('op=allocate') || isHeldUp) return network.send(request);
    isHeldUp = true;
    await allocateById(over(network.send), { systemId: one, claim: other });
    return err({ code: 'MAYBE_SENT', detail: 'cut' });
  };
  const command = commandOf(allocateBody(ACCOUNT, [one]));
  const { signal } = new AbortController();
  const ports = createNodePorts(() => {});
  const requests = createLateRequests({ wasGuarded: () => false }, ports, { command, begun: false, signal });
  const context = { ...handlerContext(command, over(late)), late: requests };
  const body = command.body as BodyOf<'ensure-allocated'>; // commandOf parsed it
  const answer = await allocateMachine(body, context, over(late));
  expect(answer).toMatchObject({ ok: false, error: { code: 'NO_CANDIDATE_LEFT' } });
  expect(requests.mind(failed({ code: 'NO_CANDIDATE_LEFT', refused: {}, detail: 'taken' }))).toMatchObject({
    error: { code: 'MAAS_UNKNOWN_OUTCOME', detail: expect.stringContaining('NO_CANDIDATE_LEFT') },
  });
  await network.close();
  await lab.close();
});
