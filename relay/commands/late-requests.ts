// MAAS may serve a request minutes after everybody stopped waiting for it, and take what was refused, got otherwise, or given back
// since. So a command that had a request without an answer must not end as if nothing more could come (C12, 13.2 d).
import type { CommandFailure, CommandOutcome, Verb } from '../../shared/command.ts';
import { UNKNOWN_CLAIM_LOOKUP_MS } from '../../shared/limits.ts';
import type { Ports } from '../ports.ts';
import type { Lease } from '../tunnel/lease.ts';
import type { LateRequests } from './handler.ts';
import { failed } from './refusals.ts';
import type { Run } from './run-command.ts';

/** Why the commands of a relay that ends are stopped: its next process carries them on, so nothing is told. */
export const RELAY_ENDS = 'the relay ends';

/** Those whose requests take something. */
const TAKING: ReadonlySet<Verb> = new Set<Verb>(['ensure-address', 'ensure-allocated', 'ensure-deployed']);

export type MindedLateRequests = LateRequests & {
  /** What to tell in place of `outcome`: MAAS_UNKNOWN_OUTCOME when a request of this command may yet be served. */
  readonly mind: (outcome: CommandOutcome | 'stopped') => CommandOutcome | 'stopped';
};

export function createLateRequests(
  lease: Pick<Lease, 'wasGuarded'>,
  { clock }: Pick<Ports, 'clock'>,
  { command, begun, signal }: Run,
): MindedLateRequests {
  const { body, clusterId, commandId, subject } = command;
  let unanswered = 0;
  // What a process of before had under way when it died is not known either.
  let lastMs = clock.monotonicMs();
  let took: 'answered' | 'found' | null = null;
  const isInDoubt = (before: boolean): boolean => {
    if (clock.monotonicMs() >= lastMs + UNKNOWN_CLAIM_LOOKUP_MS) return false;
    return unanswered + (before ? 1 : 0) > (took === 'found' ? 1 : 0);
  };
  return {
    unanswered: () => {
      unanswered += 1;
      lastMs = clock.monotonicMs();
    },
    took: (how) => {
      took ??= how;
    },
    mind: (outcome) => {
      if (!TAKING.has(body.verb)) return outcome;
      if (outcome === 'stopped') {
        return isInDoubt(begun) && signal.reason !== RELAY_ENDS ? stillUnknown('it was stopped') : outcome;
      }
      if (!isInDoubt(begun || lease.wasGuarded(clusterId ?? commandId, subject))) return outcome;
      return stillUnknown(outcome.ok ? 'another request has taken what was asked for' : wordsOf(outcome.error));
    },
  };
}

function stillUnknown(why: string): CommandOutcome {
  return failed({ code: 'MAAS_UNKNOWN_OUTCOME', detail: `a request without an answer may yet be served; ${why}` });
}

const wordsOf = ({ code, detail }: CommandFailure): string => `${code}: ${detail}`;
