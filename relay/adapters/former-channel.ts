// The channel to the process that started this one for a trial.
import type { Former, FormerMessage } from '../program/former-talk.ts';
import { FormerMessage as Message } from '../program/former-talk.ts';

/** Null when this process was not started so. */
export function openFormerChannel(): Former | null {
  if (process.send === undefined) return null;
  const send = process.send.bind(process);
  let listener: (message: FormerMessage) => void = () => {};
  process.on('message', (sent) => {
    const message = Message.safeParse(sent);
    if (message.success) listener(message.data);
  });
  // The next start of the former must find the folder free; what this process had begun, that one carries on.
  process.on('disconnect', () => process.exit(1));
  return {
    hear: (next) => {
      listener = next;
    },
    say: (message) => {
      if (process.connected) send(message, undefined, undefined, () => {});
    },
  };
}
