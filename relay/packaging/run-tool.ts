// Runs one tool of a build to its end.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** Of the project, with a slash at the end. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The longest is the download of a Node runtime, 57 MB. */
const TOOL_MS_MAX = 300_000;
const OUTPUT_BYTES_MAX = 16 * 1024 * 1024;

/** @returns standard output. @throws when the tool is missing, fails or hangs, with what it printed: a build can't go on then. */
export function runTool(command: string, args: readonly string[], cwd = ROOT): string {
  return execFileSync(command, args, {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: TOOL_MS_MAX,
    maxBuffer: OUTPUT_BYTES_MAX,
  });
}

/** The first of these that is installed; null when none is. */
export function firstInstalled(commands: readonly string[]): string | null {
  return commands.find(isInstalled) ?? null;
}

function isInstalled(command: string): boolean {
  try {
    execFileSync(command, ['--version'], { stdio: 'ignore', timeout: TOOL_MS_MAX });
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false;
    throw error;
  }
}
