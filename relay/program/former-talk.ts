// What the former program and its successor tell each other, over a channel between the two processes. There is no secret in it:
// the successor reads keys and settings itself.
import { z } from 'zod';

/** To the successor. */
export const FormerMessage = z.discriminatedUnion('kind', [
  /** For one trial dial. */
  z.object({ kind: z.literal('counter'), counter: z.int().nonnegative() }),
  /** The folder is free: serve. */
  z.object({ kind: z.literal('go') }),
]);
export type FormerMessage = z.infer<typeof FormerMessage>;

/** To the former. */
export const SuccessorMessage = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('wants-counter') }),
  /** The dial with the last counter is over. */
  z.object({ kind: z.literal('dial-ended'), detail: z.string().max(500) }),
  /** The trial session was welcomed, and its ping answered. */
  z.object({ kind: z.literal('proved') }),
  /** A ping of the session that serves was answered. */
  z.object({ kind: z.literal('heartbeat') }),
]);
export type SuccessorMessage = z.infer<typeof SuccessorMessage>;

/** A new program as a process beside this one, as the former sees it. */
export type Successor = {
  /** The one listener. What it said before is not lost. */
  readonly hear: (listener: (message: SuccessorMessage) => void) => void;
  /** What a process that has ended is told is lost. */
  readonly say: (message: FormerMessage) => void;
  /** Resolves with how it ended, in words; also when it could not be started. */
  readonly ended: Promise<string>;
  readonly signal: (name: 'SIGTERM' | 'SIGKILL') => void;
};

/** The process that started this one, as the successor sees it. When it ends, this process does at once. */
export type Former = {
  readonly hear: (listener: (message: FormerMessage) => void) => void;
  readonly say: (message: SuccessorMessage) => void;
};
