// Dispatch with its real journal, lease and outbox, all in memory, and the handlers that a test gives.
import { createDispatch } from '../../relay/commands/dispatch.ts';
import type { CommandContext, Handler, Handlers, ResultOf } from '../../relay/commands/handler.ts';
import { createRunCommand } from '../../relay/commands/run-command.ts';
import { openJournal } from '../../relay/journal.ts';
import { createLease } from '../../relay/tunnel/lease.ts';
import { createOutbox } from '../../relay/tunnel/outbox.ts';
import type { CommandId, CommandOutcome } from '../../shared/command.ts';
import { ok } from '../../shared/result.ts';
import type { RelayFrame } from '../../shared/tunnel-frame.ts';
import { GATEWAY, SCOPE } from '../support/fake-edge.ts';
import { NO_SECRET } from './commands.ts';
import { testDisk, testLog, testPorts } from './memory-ports.ts';

export const IDENTITY: ResultOf<'ensure-identity'> = { verb: 'ensure-identity', identity: NO_SECRET, caCertPem: 'pem' };

const unused = () => Promise.reject(new Error('this handler is not part of the test'));

export async function relay(handlers: Partial<Handlers>, disk = testDisk()) {
  const ports = testPorts();
  const { log, lines } = testLog();
  const opened = await openJournal(disk, ports.clock);
  if (!opened.ok) throw new Error(opened.error.detail);
  const { journal } = opened.value;
  const outbox = createOutbox(ports, log);
  const lease = createLease(ports, log);
  const all: Handlers = {
    'observe-account': unused,
    'observe-inventory': unused,
    'observe-node': unused,
    'observe-cluster': unused,
    'ensure-identity': unused,
    'ensure-address': unused,
    'ensure-address-released': unused,
    'ensure-allocated': unused,
    'ensure-deployed': unused,
    'ensure-bootstrap': unused,
    'ensure-released': unused,
    'ensure-applied': unused,
    'ensure-node-removed': unused,
    'ensure-member-removed': unused,
    'ensure-kubernetes-version': unused,
    'ensure-certificate': unused,
    'ensure-node-key': unused,
    'ensure-gateway-key': unused,
    'ensure-relay-program': unused,
    'ensure-recovery-bundle': unused,
    ...handlers,
  };
  const vault = { open: unused, seal: unused };
  const run = createRunCommand({ handlers: all, journal, lease, vault, maas: unused, observe: () => {}, ports, log });
  const identity = { gatewayId: GATEWAY, scope: SCOPE };
  const dispatch = createDispatch({ identity, journal, outbox, run, epoch: lease.epoch, ports, log });
  const sent: RelayFrame[] = [];
  const send = (frame: RelayFrame): void => void sent.push(frame);
  outbox.attach(send);
  lease.attach(send);
  const reportsOf = (commandId: CommandId): CommandOutcome[] =>
    sent.flatMap((frame) => (frame.type === 'report' && frame.commandId === commandId ? [frame.outcome] : []));
  return { ports, lines, journal, lease, dispatch, sent, send, disk, reportsOf };
}

/** A handler that counts, and a place to hold it. */
export function counting(answer: () => ReturnType<Handler<'ensure-identity'>> = async () => ok(IDENTITY)) {
  const runs: CommandContext[] = [];
  const handler: Handler<'ensure-identity'> = (_body, context) => {
    runs.push(context);
    return answer();
  };
  return { runs, handler };
}
