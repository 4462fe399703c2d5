// The log of a relay that runs for as long as an installation takes: beside the installer's own words, in a file of 0600.
import { closeSync, openSync, writeSync } from 'node:fs';
import { err, ok, type Result } from '../../shared/result.ts';
import { reasonOf } from '../log.ts';

export type LogFile = { readonly write: (line: string) => void; readonly close: () => void };

/** Written on at the end of what is there. */
export function openLogFile(path: string): Result<LogFile, string> {
  try {
    const file = openSync(path, 'a', 0o600);
    let isOpen = true;
    return ok({
      write: (line) => {
        if (isOpen) writeSync(file, `${line}\n`);
      },
      close: () => {
        if (isOpen) closeSync(file);
        isOpen = false;
      },
    });
  } catch (error) {
    return err(`${path} can't be written: ${reasonOf(error)}`);
  }
}
