// A handler's context without dispatch, journal or tunnel: it counts changes, and may be told to refuse or to hurry.
import { createNodePorts } from '../../relay/adapters/node-ports.ts';
import type { CommandContext, HandlerFailure } from '../../relay/commands/handler.ts';
import type { Failpoint } from '../../relay/failpoint.ts';
import type { MaasClient } from '../../relay/maas/client.ts';
import type { Ports } from '../../relay/ports.ts';
import type { Command } from '../../shared/command.ts';
import type { ClusterFact } from '../../shared/observation.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import { testLog } from './memory-ports.ts';

/** Time without a meaning runs a hundred times as fast, so that waits of seconds take milliseconds. */
export function hurriedPorts(reach: (point: Failpoint) => void = () => {}): Ports {
  const ports = createNodePorts(reach);
  return {
    ...ports,
    clock: { ...ports.clock, monotonicMs: () => ports.clock.monotonicMs() * 100 },
    timers: { after: (delayMs, then) => ports.timers.after(delayMs / 100, then) },
  };
}

export type TestContext = CommandContext & {
  readonly changes: string[];
  readonly reached: Failpoint[];
  readonly facts: ClusterFact[];
};

export function handlerContext(
  command: Command,
  maas: MaasClient,
  mayChange: (intent: string) => Result<null, HandlerFailure> = () => ok(null),
): TestContext {
  const changes: string[] = [];
  const reached: Failpoint[] = [];
  const facts: ClusterFact[] = [];
  return {
    command,
    ports: hurriedPorts((point) => void reached.push(point)),
    log: testLog().log,
    signal: new AbortController().signal,
    openSecret: async () => err({ code: 'SECRET_UNREADABLE', detail: 'not part of the test' }),
    sealSecret: () => Promise.reject(new Error('not part of the test')),
    maas: async () => ok(maas),
    fence: () => ok(null),
    beforeChange: async (intent) => {
      const may = mayChange(intent);
      if (may.ok) changes.push(intent);
      return may;
    },
    emit: (fact) => void facts.push(fact),
    late: { unanswered: () => {}, took: () => {} },
    changes,
    reached,
    facts,
  };
}
