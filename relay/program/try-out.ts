// The trial of a new program, as the former sees it (U3): a process beside this one, which keeps serving.
import { err, ok, type Result } from '../../shared/result.ts';
import type { Timers } from '../ports.ts';
import type { Successor, SuccessorMessage } from './former-talk.ts';
import type { JoinCounters, Loan } from './join-counters.ts';

export type TrialParts = {
  readonly counters: Pick<JoinCounters, 'lend'>;
  readonly timers: Timers;
  readonly trialMs: number;
};

/** The process, proved and waiting for the folder; else why not, and it has ended. */
export async function tryOut(
  successor: Successor,
  parts: TrialParts,
  signal: AbortSignal,
): Promise<Result<Successor, string>> {
  const { counters, timers, trialMs } = parts;
  let loan: Loan | null = null;
  let lastDial = '';
  const giveBack = (): void => {
    loan?.giveBack();
    loan = null;
  };
  const lend = async (isOver: () => boolean): Promise<void> => {
    const lent = await counters.lend();
    if (!lent.ok) return;
    loan = lent.value;
    if (isOver()) giveBack();
    else successor.say({ kind: 'counter', counter: lent.value.counter });
  };
  const verdict = await new Promise<Result<Successor, string>>((resolve) => {
    let over = false;
    const end = (result: Result<Successor, string>): void => {
      over = true;
      cancel();
      signal.removeEventListener('abort', abandon);
      giveBack();
      resolve(result);
    };
    const abandon = (): void => end(err('it was not waited for'));
    const seconds = Math.round(trialMs / 1_000);
    const cancel = timers.after(trialMs, () =>
      end(err(`it was not welcomed by the console within ${seconds} s${lastDial === '' ? '' : `: ${lastDial}`}`)),
    );
    const take = (message: SuccessorMessage): void => {
      if (over) return;
      if (message.kind === 'wants-counter') void lend(() => over);
      if (message.kind === 'dial-ended') {
        lastDial = message.detail;
        giveBack();
      }
      if (message.kind === 'proved') end(ok(successor));
    };
    signal.addEventListener('abort', abandon);
    if (signal.aborted) return abandon();
    successor.hear(take);
    void successor.ended.then((how) => {
      if (!over) end(err(`it ended before it was welcomed by the console: ${how}`));
    });
  });
  if (!verdict.ok) {
    successor.signal('SIGKILL');
    await successor.ended;
  }
  return verdict;
}
