// What the installer says to whoever started it: exit status, and everything that is wrong at once.
import { type InstallProblem, printProblems, problemJson } from './install-problem.ts';

/** `interrupted` as the shell has it for SIGINT. */
export const EXIT = { done: 0, failed: 1, wrongUse: 2, interrupted: 130 } as const;

export function print(text: string): void {
  process.stdout.write(text);
}

export function failed(problems: readonly InstallProblem[], json: boolean): number {
  if (json) print(`${JSON.stringify({ problems: problems.map(problemJson) })}\n`);
  process.stderr.write(
    `${problems.length === 1 ? 'One thing is' : `${problems.length} things are`} wrong:\n${printProblems(problems)}`,
  );
  return EXIT.failed;
}

export function misused(why: string, command = 'install'): number {
  process.stderr.write(`slipway-relay: ${why}\nTry: slipway-relay ${command} --help\n`);
  return EXIT.wrongUse;
}
