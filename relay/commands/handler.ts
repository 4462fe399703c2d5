// What carries out one command. A handler looks, acts if needed, looks again; dispatch.ts gives it everything it may touch,
// so the same handler runs in the relay, in tests and in the simulator.
import type { AccountAccess, BodyOf, Command, CommandFailure, CommandResult, Verb } from '../../shared/command.ts';
import type { ClusterFact } from '../../shared/observation.ts';
import type { Result } from '../../shared/result.ts';
import type { SealedSecret } from '../../shared/sealed-secret.ts';
import type { Log } from '../log.ts';
import type { MaasClient } from '../maas/client.ts';
import type { Ports } from '../ports.ts';

export type LateRequests = {
  /** It got no answer: MAAS may carry it out minutes later. */
  readonly unanswered: () => void;
  /** It is ours: by the answer to a request, or found so, by one of those without an answer if there was any. */
  readonly took: (how: 'answered' | 'found') => void;
};

export type CommandContext = {
  readonly command: Command;
  readonly ports: Ports;
  readonly log: Log;
  /** Aborted when the command is superseded, withdrawn, or the relay ends: leave at the next safe point, see `stopped`. */
  readonly signal: AbortSignal;
  /** SECRET_UNREADABLE when it is not sealed to this gateway, or not for this scope, purpose, record and version. */
  readonly openSecret: (sealed: SealedSecret) => Promise<Result<Uint8Array, CommandFailure>>;
  /** Seals to this gateway's own key, in the command's scope. */
  readonly sealSecret: (
    plain: Uint8Array,
    about: Pick<SealedSecret, 'purpose' | 'recordId' | 'version'>,
  ) => Promise<SealedSecret>;
  /** The account's client, of one per account and key; SECRET_UNREADABLE, SITE_FORBIDS or MAAS_REFUSED. Sends nothing. */
  readonly maas: (account: AccountAccess) => Promise<Result<MaasClient, CommandFailure>>;
  /** G2: whether the command's generation is still the highest of its cluster. Ask between steps. */
  readonly fence: () => Result<null, CommandFailure>;
  /**
   * To be awaited directly before EVERY call that changes MAAS or Kubernetes: fences (G2), journals the intent (C4), waits
   * for the lease and for the subject's guard (L3, L4), and fences again. Only after ok may the call be made, and at once.
   * Whatever is not ok is handed on as it is; LOOK_AGAIN when it had to wait, since others may have changed things.
   * @param intent what is about to be done, such as `allocate abc123`; never a secret
   */
  readonly beforeChange: (intent: string) => Promise<Result<null, HandlerFailure>>;
  /** To be told of each request that takes a machine or an address: what the command ends with minds those that may be served late (C12). */
  readonly late: LateRequests;
  /** Pushes a fact of the command's cluster up. Bounded, kept until acknowledged; a newer fact of a subject replaces it. */
  readonly emit: (fact: ClusterFact) => void;
};

/** The command was left because its `signal` was aborted. Nobody is told: whoever aborted it knows. */
export type Stopped = { readonly code: 'STOPPED' };
/** The lease was away before a change: another relay may have led, so the handler is run again from its first look. */
export type LookAgain = { readonly code: 'LOOK_AGAIN' };
export type HandlerFailure = CommandFailure | Stopped | LookAgain;
export const stopped: Stopped = { code: 'STOPPED' };
export const lookAgain: LookAgain = { code: 'LOOK_AGAIN' };

export type ResultOf<V extends Verb> = Extract<CommandResult, { verb: V }>;
type Bodies = { readonly [V in Verb]: BodyOf<V> };

/** May be run again at any time with the same body (C1). Fails with a value; what it throws is told as RELAY_BUG. */
export type Handler<V extends Verb> = (
  body: Bodies[V],
  context: CommandContext,
) => Promise<Result<ResultOf<V>, HandlerFailure>>;

export type Handlers = { readonly [V in Verb]: Handler<V> };

/** Runs the handler of `verb`. `body` must be of that verb; the type can't say so of a union, parsing has. */
export function handle<V extends Verb>(
  handlers: Handlers,
  verb: V,
  body: Bodies[V],
  context: CommandContext,
): ReturnType<Handler<V>> {
  return handlers[verb](body, context);
}
