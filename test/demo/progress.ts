// What a person watching the demo reads: one line for each thing that changed, with the time since the start.
import type { ClusterView } from '../../shared/cluster-view.ts';

export type Progress = {
  say(line: string): void;
  /** Prints what changed since the last view: phase, each machine's phase and steps, and what is waited for. */
  show(view: ClusterView): void;
};

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
    show: (view) => {
      for (const [key, line] of linesOf(view)) sayOnce(key, line);
    },
  };
}

function linesOf(view: ClusterView): [key: string, line: string][] {
  const name = (machine: ClusterView['machines'][number]): string =>
    machine.hostname === null ? machine.slot : `${machine.slot} (${machine.hostname}, ${machine.zone ?? '?'})`;
  return [
    ['phase', `cluster ${view.name}: ${view.phase}${view.failure === null ? '' : `: ${view.failure.message}`}`],
    ...view.machines.map((machine): [string, string] => [
      `machine/${machine.slot}`,
      `  ${name(machine)}: ${machine.phase}`,
    ]),
    ...view.machines.flatMap((machine) =>
      machine.steps.map((step): [string, string] => [
        `step/${machine.slot}/${machine.attempt}/${step.name}`,
        `    ${machine.slot} ${step.name}: ${step.outcome}${step.endedAt === null ? '' : ` after ${((step.endedAt - step.startedAt) / 1000).toFixed(1)} s`}`,
      ]),
    ),
    ...view.waitingOn.map((waiting): [string, string] => [
      `waiting/${waiting.slot ?? ''}/${waiting.code}`,
      `  … ${withoutMinutes(waiting.sentence)}`,
    ]),
  ];
}

/** "7 of at most 75 minutes" changes with each look; the line should not. */
const withoutMinutes = (sentence: string): string =>
  sentence.replace(/,? \d+ of at most \d+ (seconds|minutes|hours)/, '');

function elapsed(ms: number): string {
  return `${(ms / 1000).toFixed(1).padStart(6)} s`;
}
