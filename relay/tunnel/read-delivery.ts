// What a signed `deliver` brings to this session (T6), command by command: one in a form of a later release is set apart, so that
// it is refused alone and the rest of its frame is done (C14).
import { z } from 'zod';
import { Command, CommandId } from '../../shared/command.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import { DeliverPayload } from '../../shared/tunnel-frame.ts';
import type { Identity } from '../identity.ts';

export type Delivery = {
  readonly seq: number;
  readonly commands: readonly Command[];
  /** Of another form than this release knows. */
  readonly unknown: readonly CommandId[];
};

const Envelope = DeliverPayload.extend({ commands: z.array(z.unknown()).min(1).max(100) });
const Named = z.looseObject({ commandId: CommandId });

/** @param payload its signature has been verified. The error says why the whole frame is refused. */
export function readDelivery(
  payload: unknown,
  identity: Pick<Identity, 'gatewayId' | 'nodeId'>,
  sessionId: string,
): Result<Delivery, string> {
  const read = Envelope.safeParse(payload);
  if (!read.success) return err('commands in an unknown form');
  const { gatewayId, nodeId, seq } = read.data;
  const isOurs = gatewayId === identity.gatewayId && nodeId === identity.nodeId && read.data.sessionId === sessionId;
  if (!isOurs) return err('commands for another relay or session');
  const commands: Command[] = [];
  const unknown: CommandId[] = [];
  for (const given of read.data.commands) {
    const command = Command.safeParse(given);
    const named = command.success ? null : Named.safeParse(given);
    if (command.success) commands.push(command.data);
    else if (named?.success === true) unknown.push(named.data.commandId);
    else return err('a command without an id');
  }
  return ok({ seq, commands, unknown });
}
