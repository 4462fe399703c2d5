// Unknown is not failed (C8): what may pass by itself is tried again until the command's deadline.
import { fullJitter } from '../../shared/backoff.ts';
import type { MaasFailureSeen } from '../../shared/observation.ts';
import { err, type Result } from '../../shared/result.ts';
import { sleep } from '../ports.ts';
import { type CommandContext, type HandlerFailure, stopped } from './handler.ts';

const AGAIN_MS_MIN = 500;
const AGAIN_MS_MAX = 15_000;

/** Repeats `work` while its failure may pass by itself and the deadline is not near. `work` must be safe to repeat. */
export async function persevere<T>(
  context: CommandContext,
  work: () => Promise<Result<T, HandlerFailure>>,
): Promise<Result<T, HandlerFailure>> {
  let told: string | null = null;
  const tell = (failure: HandlerFailure | null): void => {
    const code = failure?.code ?? null;
    if (code === told) return;
    told = code;
    context.emit({ kind: 'trying-again', commandId: context.command.commandId, failure: seenOf(failure) });
  };
  for (let tries = 0; ; tries += 1) {
    const result = await work();
    if (result.ok) tell(null);
    if (result.ok || !mayPass(result.error)) return result;
    // The first proves nothing (C11).
    if (tries > 0) tell(result.error);
    if (!(await pause(context, tries, result.error))) return context.signal.aborted ? err(stopped) : result;
  }
}

/** Waits before the next try; false, without waiting to the end, when the deadline comes first or the command is stopped. */
export async function pause(context: CommandContext, tries: number, failure: HandlerFailure): Promise<boolean> {
  const { clock, random, timers } = context.ports;
  const backoffMs = AGAIN_MS_MIN + fullJitter(tries, AGAIN_MS_MIN, AGAIN_MS_MAX, random.fraction());
  const delayMs = failure.code === 'MAAS_BUSY' ? Math.max(backoffMs, failure.retryAfterMs) : backoffMs;
  if (clock.now() + delayMs >= context.command.deadlineAt) return false;
  return sleep(timers, delayMs, context.signal);
}

export function mayPass({ code }: HandlerFailure): boolean {
  return (
    code === 'MAAS_UNREACHABLE' || code === 'MAAS_BUSY' || code === 'MAAS_UNKNOWN_OUTCOME' || code === 'MAAS_BROKEN'
  );
}

function seenOf(failure: HandlerFailure | null): MaasFailureSeen | null {
  if (failure === null) return null;
  return { code: failure.code, detail: 'detail' in failure ? failure.detail.slice(0, 500) : '' };
}

/** What is told when the look after an unknown outcome did not succeed in time. */
export function stillUnknown(what: string, failure: HandlerFailure): HandlerFailure {
  if (!mayPass(failure)) return failure;
  const why = 'detail' in failure ? failure.detail : failure.code;
  return { code: 'MAAS_UNKNOWN_OUTCOME', detail: `${what}, and looking did not tell: ${why}`.slice(0, 2_000) };
}
