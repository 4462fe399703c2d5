// C5: to every session, since one that led before may still stand on what is withdrawn.
import type { CommandId } from '../../shared/command.ts';
import { encodeFrame, PROTOCOL_VERSION } from '../../shared/tunnel-frame.ts';
import { readySessions, type Sockets } from './tunnel-session.ts';

/** Ids in one withdraw frame (shared/tunnel-frame.ts). */
const WITHDRAW_IDS_MAX = 1_000;

export function sendWithdraw(sockets: Sockets, commandIds: readonly CommandId[]): void {
  for (let at = 0; at < commandIds.length; at += WITHDRAW_IDS_MAX) {
    const ids = commandIds.slice(at, at + WITHDRAW_IDS_MAX);
    const frame = encodeFrame({ v: PROTOCOL_VERSION, type: 'withdraw', commandIds: ids });
    for (const { socket } of readySessions(sockets)) socket.send(frame);
  }
}
