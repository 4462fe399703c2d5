// Pure. The parts of a derived command id, and the key under which the state remembers it.
import { z } from 'zod';
import { CommandBody, type CommandId, type Verb } from '../../shared/command.ts';

const VERBS = CommandBody.options.map((option) => option.shape.verb.value);
const AnyVerb = z.enum(VERBS);

export type CommandName = { readonly owner: string; readonly subject: string; readonly verb: Verb };

/** Null for an id that this planner never makes. */
export function commandNameOf(commandId: CommandId): CommandName | null {
  const [owner, subject, verb] = commandId.split('/');
  const known = AnyVerb.safeParse(verb);
  if (owner === undefined || subject === undefined || !known.success) return null;
  return { owner, subject, verb: known.data };
}

export const pendingKey = (subject: string, verb: Verb): string => `${subject}/${verb}`;
