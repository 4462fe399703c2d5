// What a person watching the demo reads: one line for each thing that changed, with the time since the start.
import type { ClusterView } from '../../shared/cluster-view.ts';

/** Enough of a failed step's log to see why. */
const LOG_LINES = 8;

export type Progress = {
  say(line: string): void;
  /** Prints what changed since the last view: phase, each machine's phase and steps, and what is waited for. */
  show(view: Shown, what?: 'cluster' | 'gateway'): void;
};

export type Shown = Pick<ClusterView, 'name' | 'phase' | 'failure' | 'machines' | 'waitingOn'>;

export function progressTo(write: (text: string) => void, now: () => number): Progress {
  const startedAt = now();
  const said = new Map<string, string>();
  const say = (line: string): void => write(`${elapsed(now() - startedAt)}  ${line}\n`);
  const sayOnce = (key: string, line: string): void => {
    if (said.get(key) === line) return;
    said.set(key, line);
    say(line);
  };
  return {
    say,
    show: (view, what = 'cluster') => {
      for (const [key, line] of linesOf(view, what)) sayOnce(`${what}/${key}`, line);
    },
  };
}

function linesOf(view: Shown, what: string): [key: string, line: string][] {
  const name = (machine: MachineLine): string =>
    machine.hostname === null ? machine.slot : `${machine.slot} (${machine.hostname}, ${machine.zone ?? '?'})`;
  return [
    ['phase', `${what} ${view.name}: ${view.phase}${view.failure === null ? '' : `: ${view.failure.message}`}`],
    ...view.machines.map((machine): [string, string] => [
      `machine/${machine.slot}`,
      `  ${name(machine)}: ${machine.phase}`,
    ]),
    ...view.machines.flatMap((machine) => machine.steps.flatMap((step) => stepLines(machine, step))),
    ...view.waitingOn.map((waiting): [string, string] => [
      `waiting/${waiting.slot ?? ''}/${waiting.code}`,
      `  … ${withoutMinutes(waiting.sentence)}`,
    ]),
  ];
}

type MachineLine = ClusterView['machines'][number];

/** A failed step also shows the end of what it printed. */
function stepLines(machine: MachineLine, step: MachineLine['steps'][number]): [key: string, line: string][] {
  const key = `step/${machine.slot}/${machine.attempt}/${step.name}`;
  const took = step.endedAt === null ? '' : ` after ${((step.endedAt - step.startedAt) / 1000).toFixed(1)} s`;
  const line: [string, string] = [key, `    ${machine.slot} ${step.name}: ${step.outcome}${took}`];
  if (step.outcome !== 'failed') return [line];
  const log = step.log.trimEnd().split('\n').slice(-LOG_LINES);
  return [line, ...log.map((text, at): [string, string] => [`${key}/log/${at}`, `      | ${text}`])];
}

/** "7 of at most 75 minutes" changes with each look; the line should not. */
const withoutMinutes = (sentence: string): string =>
  sentence.replace(/,? \d+ of at most \d+ (seconds|minutes|hours)/, '');

function elapsed(ms: number): string {
  return `${(ms / 1000).toFixed(1).padStart(6)} s`;
}
