// Pure. One command, asked once: a derived id, a deadline, and a pause after each failure (SPEC.md [CL4]-[CL6]).
import { doubling } from '../../shared/backoff.ts';
import { type CommandBody, commandIdOf } from '../../shared/command.ts';
import type { Waits } from '../../shared/limits.ts';
import type { Trouble } from './cluster-state.ts';
import { pendingKey } from './command-name.ts';
import { type Draft, withdraw } from './draft.ts';

export type Asked = 'sent' | 'pending' | 'pausing';

/** Sends `body` unless it is on its way or its last try failed a moment ago. Planning again sends nothing twice. */
export function ask(draft: Draft, subject: string, body: CommandBody, deadlineMs: number): Asked {
  const key = pendingKey(subject, body.verb);
  if (isWaitedFor(draft, key)) return 'pending';
  if (draft.state.pending[key] !== undefined) withdraw(draft, [key]);
  const trouble = draft.state.troubles[key];
  if (trouble !== undefined && retryAt(trouble, draft.waits) > draft.now) return 'pausing';
  send(draft, subject, body, deadlineMs);
  return 'sent';
}

/** Sends `body` even though an older one of its kind stands: the newer attempt supersedes it (C5). */
export function send(draft: Draft, subject: string, body: CommandBody, deadlineMs: number): void {
  const { state, now } = draft;
  const key = pendingKey(subject, body.verb);
  const attempt = (state.attempts[key] ?? 0) + 1;
  const commandId = commandIdOf(state.clusterId, subject, body.verb, state.generation, attempt);
  const deadlineAt = now + deadlineMs;
  const { gatewayId, clusterId, generation } = state;
  const scope = state.gatewayScope ?? state.scope;
  draft.effects.push({
    kind: 'send-command',
    command: { commandId, scope, gatewayId, clusterId, subject, generation, attempt, deadlineAt, body },
  });
  draft.state = {
    ...state,
    attempts: { ...state.attempts, [key]: attempt },
    pending: { ...state.pending, [key]: { commandId, generation, sentAt: now, deadlineAt, tryingAgain: null } },
  };
}

/** Sent, and its outcome may still come. For bodies that cost something to make, to ask first. */
export function isWaitedFor(draft: Draft, key: string): boolean {
  return draft.state.pending[key] !== undefined && !isLost(draft, key);
}

/** Long past its deadline without an outcome while the gateway is there: asked anew, which is always right (C1). */
function isLost(draft: Draft, key: string): boolean {
  const pending = draft.state.pending[key];
  if (pending === undefined || draft.state.gateway?.connected === false) return false;
  const since = Math.max(pending.deadlineAt, draft.state.gateway?.since ?? 0);
  return draft.now >= since + draft.waits.commandDeadlineMs;
}

/** These do not go away by themselves: somebody has to act, so they are tried at the slowest pace. */
const PERMANENT = new Set([
  'MAAS_UNAUTHORIZED',
  'MAAS_FORBIDDEN',
  'MAAS_TLS_UNTRUSTED',
  'MAAS_CLOCK_SKEW',
  'MAAS_REFUSED',
  'SITE_FORBIDS',
  'SECRET_UNREADABLE',
  'CONFIGURATION_CHANGED',
  'COMMAND_UNKNOWN',
  'RELAY_BUG',
]);

export const isPermanent = (code: string): boolean => PERMANENT.has(code);

export function retryAt(trouble: Trouble, waits: Waits): number {
  const pause = isPermanent(trouble.code)
    ? waits.retryMsMax
    : doubling(trouble.failures - 1, waits.retryMsMin, waits.retryMsMax);
  return trouble.at + Math.max(pause, trouble.retryAfterMs);
}
