// A new program as a process beside this one, with a channel between the two.
import { spawn } from 'node:child_process';
import type { Successor, SuccessorMessage } from '../program/former-talk.ts';
import { SuccessorMessage as Message } from '../program/former-talk.ts';
import type { CommandLine } from './this-program.ts';

/** In a group of its own: a key at the terminal is for this process, which passes it on. Its output is ours. */
export function startSuccessor({ command, args }: CommandLine, environment: NodeJS.ProcessEnv): Successor {
  const child = spawn(command, [...args], {
    env: environment,
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    detached: true,
  });
  let early: SuccessorMessage[] = [];
  let listener: (message: SuccessorMessage) => void = (message) => void early.push(message);
  child.on('message', (sent) => {
    // What a later program says besides is not for this one.
    const message = Message.safeParse(sent);
    if (message.success) listener(message.data);
  });
  const ended = new Promise<string>((resolve) => {
    child.on('error', (error) => {
      // Otherwise it runs, and only a message was lost.
      if (child.pid === undefined) resolve(`it could not be started: ${error.message}`);
    });
    child.on('exit', (code, signal) => resolve(signal === null ? `status ${code}` : signal));
  });
  return {
    hear: (next) => {
      listener = next;
      const waiting = early;
      early = [];
      for (const message of waiting) next(message);
    },
    say: (message) => {
      if (child.connected) child.send(message, () => {});
    },
    ended,
    signal: (name) => void child.kill(name),
  };
}
