// A process on the state folder, from its start to its end: it serves, watches a new program that took its place, serves again
// when that failed, or becomes another program. No adapter is named here, so the simulator runs this very file.
import type { Log } from './log.ts';
import { giveOver } from './program/give-over.ts';
import type { StoredProgram } from './program/program-book.ts';
import { type ServiceParts, serveOnce } from './serve-once.ts';

export type ProcessEnd =
  | { readonly kind: 'exit'; readonly status: number }
  /** The same program once more, as a new process. */
  | { readonly kind: 'anew' }
  /** `start`: nothing was served yet. */
  | { readonly kind: 'become'; readonly program: StoredProgram; readonly at: 'start' | 'hand-over' };

export async function serveInTurns(parts: ServiceParts): Promise<ProcessEnd> {
  const { waits, ports, log, asked } = parts;
  for (;;) {
    const end = await serveOnce(parts);
    switch (end.kind) {
      case 'ended':
        return { kind: 'exit', status: 0 };
      case 'cannot-start':
        return { kind: 'exit', status: cannotStart(log, end.detail, end.todo) };
      case 'begin-anew':
        return { kind: 'anew' };
      case 'become':
        return { ...end, at: 'start' };
      case 'handed-over': {
        const { book, order } = end;
        const fate = await giveOver(order, { book, heartbeatMs: waits.heartbeatMs, ports, log, asked: asked.signal });
        if (fate === 'asked' || asked.isAsked()) return { kind: 'exit', status: 0 };
        if (fate === 'failed') break;
        await book.count(order.program.version, 1);
        return { kind: 'become', program: order.program, at: 'hand-over' };
      }
    }
  }
}

/** @returns the exit status */
export function cannotStart(log: Log, detail: string, todo: string): number {
  log.error('cannot-start', { detail, todo });
  return 1;
}
