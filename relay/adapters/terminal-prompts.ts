// The installer's prompts at a terminal, by @inquirer/prompts. Each answer is checked before the next question; what is secret
// is shown as stars.
import { input, password, select } from '@inquirer/prompts';
import type { Prompts } from '../install/prompts.ts';

/** Ctrl-C and the end of the terminal both end a prompt; the library tells them by this name only. */
export const isEndOfPrompts = (thrown: unknown): boolean =>
  thrown instanceof Error && (thrown.name === 'ExitPromptError' || thrown.name === 'AbortPromptError');

export function createTerminalPrompts(): Prompts {
  return {
    text: ({ message, initial, show, check }) =>
      input({
        message,
        ...(initial === undefined ? {} : { default: initial }),
        ...(show === undefined ? {} : { transformer: (typed: string, { isFinal }) => show(typed, isFinal) }),
        validate: check,
      }),
    secret: ({ message, check }) => password({ message, mask: '*', validate: check }),
    choose: ({ message, choices, initial }) =>
      select({
        message,
        choices: choices.map(({ value, name, description }) => ({
          value,
          name,
          ...(description === undefined ? {} : { description }),
        })),
        ...(initial === undefined ? {} : { default: initial }),
        loop: false,
      }),
    say: (text) => void process.stdout.write(`${text}\n`),
  };
}
