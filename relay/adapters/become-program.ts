// This process turns into another program: same process id, standard output and service, nothing else of before.
import { access, constants } from 'node:fs/promises';
import { err, ok, type Result } from '../../shared/result.ts';
import { reasonOf } from '../log.ts';
import type { CommandLine } from './this-program.ts';

/** To be asked first: what `becomeProgram` can't start ends this process. */
export async function canStart(file: string): Promise<Result<null, string>> {
  try {
    // Also says no where the file system is mounted without the right to execute.
    await access(file, constants.R_OK | (file.endsWith('.mjs') ? 0 : constants.X_OK));
    return ok(null);
  } catch (error) {
    return err(reasonOf(error));
  }
}

export function becomeProgram({ command, args }: CommandLine, environment: NodeJS.ProcessEnv): never {
  if (process.execve === undefined) throw new Error('a process can turn into another program under Linux only');
  const given = Object.entries(environment).filter(([, value]) => value !== undefined);
  return process.execve(command, [command, ...args], Object.fromEntries(given));
}
