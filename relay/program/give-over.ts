// The former process after its service ended: it gives the folder to the new program, and watches it until its fate is decided (U4).
import type { Log } from '../log.ts';
import { type Ports, sleep } from '../ports.ts';
import type { Successor } from './former-talk.ts';
import type { ProgramBook } from './program-book.ts';
import { FORMER_SERVES, type HandOver } from './program-exchange.ts';
import { watchSuccessor } from './watch-successor.ts';

/** As long as a relay takes to get to a safe point, with room. */
const STOP_MS_MAX = 45_000;

export type Watching = {
  readonly book: ProgramBook;
  readonly heartbeatMs: number;
  readonly ports: Ports;
  readonly log: Log;
  /** Resolves when a signal asks this process to end. */
  readonly asked: Promise<unknown>;
};

/**
 * Ends with the successor ended, whatever its fate. `accepted`: this process is to become it. `failed`: it is to serve again.
 */
export async function giveOver(
  { program, successor }: HandOver,
  watching: Watching,
): Promise<'asked' | 'accepted' | 'failed'> {
  const { book, heartbeatMs, ports, log, asked } = watching;
  const { version } = program;
  log.info('program-watched', { version, heartbeatMs });
  const fate = await watchSuccessor(successor, heartbeatMs, ports, asked);
  if (fate.kind === 'asked') {
    await stop(successor, ports);
    return 'asked';
  }
  const accepted = fate.kind === 'accepted' ? await book.accept(program, ports.clock.now()) : null;
  if (accepted?.ok) {
    log.info('program-accepted', { version });
    // It is the one that starts from now on, and this process is what the service manager knows.
    await stop(successor, ports);
    return 'accepted';
  }
  successor.signal('SIGKILL');
  await successor.ended;
  const detail = fate.kind === 'failed' ? fate.detail : `the state folder can't be written: ${accepted?.error.detail}`;
  log.error('program-rolled-back', { version, detail, todo: FORMER_SERVES });
  const written = await book.fail(detail);
  if (!written.ok) log.warn('program-not-written', { detail: written.error.detail });
  return 'failed';
}

async function stop(successor: Successor, { timers }: Pick<Ports, 'timers'>): Promise<void> {
  successor.signal('SIGTERM');
  const patience = new AbortController();
  void sleep(timers, STOP_MS_MAX, patience.signal).then((isWhole) => {
    if (isWhole) successor.signal('SIGKILL');
  });
  await successor.ended;
  patience.abort();
}
