// Keeps the tunnel open: dial → outcome → wait → dial again (T8). One log line for each change of state, with what to do.
import { fullJitter } from '../../shared/backoff.ts';
import { REDIAL_MS_MAX, REDIAL_MS_MIN } from '../../shared/limits.ts';
import type { Result } from '../../shared/result.ts';
import { CLOSE } from '../../shared/tunnel-frame.ts';
import type { Log } from '../log.ts';
import { type Ports, sleep } from '../ports.ts';
import type { ConnectionOutcome } from './connection.ts';

/** A session that lasted this long was a good one: the next trouble begins anew. */
const GOOD_SESSION_MS = 60_000;

/** As the journal's own tries: freed room is found soon, and a try costs nothing. */
const DISK_AGAIN_MS = 5_000;

/** Runs until `signal` is aborted. @param connect one connection with the given join counter; never rejects */
export async function keepTunnel(
  connect: (joinCounter: number) => Promise<ConnectionOutcome>,
  nextJoinCounter: () => Promise<Result<number, { readonly detail: string }>>,
  ports: Ports,
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  let failures = 0;
  while (!signal.aborted) {
    const counter = await nextJoinCounter();
    if (!counter.ok) {
      log.error('tunnel-waits-for-disk', { detail: counter.error.detail, todo: 'free room in the state folder' });
      await sleep(ports.timers, DISK_AGAIN_MS, signal);
      continue;
    }
    ports.reach('after-join-counter');
    const outcome = await connect(counter.value);
    if (signal.aborted) return;
    failures = outcome.servedMs >= GOOD_SESSION_MS ? 0 : failures + 1;
    const delayMs = redialDelay(outcome, failures, ports.random.fraction());
    logEnd(log, outcome, delayMs);
    await sleep(ports.timers, delayMs, signal);
  }
}

/** T8. @param failures in a row, this one included; 0 after a good session  @param random in [0, 1) */
export function redialDelay(outcome: ConnectionOutcome, failures: number, random: number): number {
  const { end, welcome } = outcome;
  // Trying hard changes nothing about these: somebody has to act.
  if (end.kind === 'closed' && (WAITS_FOR_A_HUMAN.has(end.code) || end.code === CLOSE.SUPERSEDED))
    return REDIAL_MS_MAX / 2 + (random * REDIAL_MS_MAX) / 2;
  if (welcome !== null && failures <= 1) return Math.floor(random * Math.max(welcome.redialSpreadMs, REDIAL_MS_MIN));
  return fullJitter(Math.max(failures - 1, 0), REDIAL_MS_MIN, REDIAL_MS_MAX, random);
}

const WAITS_FOR_A_HUMAN: ReadonlyMap<number, string> = new Map([
  [CLOSE.REVOKED, 'this node was revoked; pair it anew with a new code and --replace'],
  [
    CLOSE.CLONE_DETECTED,
    'another copy of this state folder is or was in use: keep one, then have an operator unlock the node in the console',
  ],
  [CLOSE.VERSION_UNSUPPORTED, 'update the side that the event protocol-mismatch names, or see the console'],
]);

function logEnd(log: Log, { end, welcome, servedMs }: ConnectionOutcome, delayMs: number): void {
  const redialMs = Math.round(delayMs);
  const session = welcome?.sessionId ?? null;
  switch (end.kind) {
    case 'unreachable':
      log.warn('console-unreachable', { detail: end.detail, redialMs });
      break;
    case 'refused':
      log.warn('console-refused', { status: end.status, detail: end.detail, redialMs });
      break;
    case 'closed': {
      const todo = WAITS_FOR_A_HUMAN.get(end.code);
      const fields = { code: end.code, reason: end.reason, session, servedMs: Math.round(servedMs), redialMs };
      if (todo === undefined) log.info('tunnel-closed', fields);
      else log.error('tunnel-closed', { ...fields, todo });
      break;
    }
    case 'dead':
    case 'handshake-timeout':
      log.warn(`tunnel-${end.kind}`, { session, redialMs });
      break;
    case 'stopped':
      log.info('tunnel-stopped', { session });
      break;
  }
}
