// Commands that somebody waits for (GatewayRpc.ask). In memory only: an asker that is gone asks again.
import type { Command, CommandId, CommandOutcome } from '../../shared/command.ts';
import type { RelayNodeId } from '../../shared/ids.ts';
import { type ApiFailure, apiFailure } from '../../shared/problem.ts';
import { err, ok, type Result } from '../../shared/result.ts';

/** Waited for at once; more are refused as GATEWAY_QUEUE_FULL. */
const ASKS_MAX = 100;

type Ask = {
  readonly command: Command;
  /** Whom it is for; null for whoever leads. */
  readonly node: RelayNodeId | null;
  /** The session it was sent to; null before. */
  session: string | null;
  readonly waiters: Set<(outcome: CommandOutcome) => void>;
};

export type Asks = ReturnType<typeof pendingAsks>;

/** @param after calls back once after so many milliseconds; gives what cancels it */
export function pendingAsks(after: (ms: number, call: () => void) => () => void) {
  const asks = new Map<CommandId, Ask>();
  return {
    /** Waits for the outcome of `command`. Two that ask the same wait for one run. `GATEWAY_NO_ANSWER` after `timeoutMs`. */
    wait(
      command: Command,
      timeoutMs: number,
      node: RelayNodeId | null = null,
    ): Promise<Result<CommandOutcome, ApiFailure>> {
      const known = asks.get(command.commandId);
      if (known === undefined && asks.size >= ASKS_MAX) return Promise.resolve(err(apiFailure('GATEWAY_QUEUE_FULL')));
      const ask = known ?? { command, node, session: null, waiters: new Set() };
      asks.set(command.commandId, ask);
      return new Promise((resolve) => {
        const waiter = (outcome: CommandOutcome) => {
          cancel();
          resolve(ok(outcome));
        };
        const cancel = after(timeoutMs, () => {
          ask.waiters.delete(waiter);
          if (ask.waiters.size === 0) asks.delete(command.commandId);
          resolve(err(apiFailure('GATEWAY_NO_ANSWER')));
        });
        ask.waiters.add(waiter);
      });
    },
    /** The first that this session was not sent: its node's, which are sent once (N8), and the leader's. */
    unsent: (session: string, node: RelayNodeId, leads: boolean): Command | null =>
      [...asks.values()].find((ask) =>
        ask.node === null ? leads && ask.session !== session : ask.node === node && ask.session === null,
      )?.command ?? null,
    has: (id: CommandId): boolean => asks.has(id),
    sent(id: CommandId, session: string): void {
      const ask = asks.get(id);
      if (ask !== undefined) ask.session = session;
    },
    /** The leader's. */
    ids: (): CommandId[] => [...asks].flatMap(([id, ask]) => (ask.node === null ? [id] : [])),
    /** False when nobody waits for it, or waits for another session to tell it: a node speaks for itself only. */
    settle(id: CommandId, outcome: CommandOutcome, session: string | null): boolean {
      const ask = asks.get(id);
      if (ask === undefined || (ask.node !== null && ask.session !== session)) return false;
      asks.delete(id);
      for (const waiter of ask.waiters) waiter(outcome);
      return true;
    },
  };
}
